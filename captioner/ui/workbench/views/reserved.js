// The place of a preview is kept while a picture is selected, so that nothing below it jumps while a slider is dragged.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';

const slot = byId('cw-slot');

new ResizeObserver(() => {
  const tall = slot.offsetHeight;
  if (tall > (parseFloat(slot.style.minHeight) || 0)) slot.style.minHeight = `${tall}px`;
}).observe(byId('cw-suggestion'));
on('selected', () => {
  slot.style.minHeight = '';
});
