// The box that adds a tag to this caption. The set's own parts complete it, most frequent first.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { byName } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { captionOf, partsOf, textOf } from '../set/captions.js';
import { withAtEnd } from '../set/parts.js';
import { page, rowOf } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';

const box = byId('cw-add-tag');
const OFFERED = 300;

/** Parts of all captions with how often they occur, most frequent first. */
function frequencies() {
  const counts = new Map();
  for (const row of page.rows)
    for (const part of new Set(partsOf(captionOf(row)))) counts.set(part, (counts.get(part) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || byName(a[0], b[0]));
}

/** Offers the set's most frequent parts in every box for a tag. */
export const offerParts = debounced(300, () => {
  const parts = frequencies().slice(0, OFFERED);
  render(byId('cw-tags'), html`${parts.map(([part]) => html`<option value="${part}"></option>`)}`);
});

box.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const row = rowOf.get(page.current);
  const added = [...new Set(partsOf(box.value))];
  if (!row || !added.length) return;
  box.value = '';
  const text = withAtEnd(textOf(row), added);
  if (text !== textOf(row)) unsaved.edit(row.id, text, { isStep: true });
});
box.addEventListener('focus', offerParts);
