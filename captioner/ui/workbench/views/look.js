// Thumbnails of a size of one's own, or the list.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { debounced } from '../core/timing.js';
import { page } from '../set/pictures.js';
import { needTokens } from '../set/token_counts.js';
import { layOut } from './grid.js';

const size = byId('cw-size');
const COUNT_AFTER_MS = 300; // the thumbnails come first
const countSoon = debounced(COUNT_AFTER_MS, needTokens);
const buttons = [...document.querySelectorAll('#cw-view button')];

function show() {
  for (const button of buttons) button.setAttribute('aria-pressed', button.value === page.view);
  size.hidden = page.view === 'list';
  if (page.view === 'list' && page.set) countSoon();
}

function change(values) {
  Object.assign(page, values);
  show();
  layOut();
  announce('viewed');
}

for (const button of buttons) button.addEventListener('click', () => change({ view: button.value }));
size.addEventListener('input', () => change({ size: size.valueAsNumber }));
on('opened', show);
if (page.size) size.value = page.size;
show();
