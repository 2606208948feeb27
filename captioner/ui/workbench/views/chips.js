// The caption's parts as chips under the editor: take one out, put it first, add one. The set's own tags complete it.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { byName } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { captionOf, partsOf, textOf } from '../set/captions.js';
import { page, rowOf } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';

const box = byId('cw-chips');
const OFFERED = 300;
let drawn = null;

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

const chip = (part, index) =>
  html`<span class="cw-chip"><button type="button" data-first="${index}" title="Put first"
    ${index ? '' : 'disabled'}>${part}</button><button type="button" class="cw-chip-close" data-out="${index}"
    aria-label="Take out ${part}">×</button></span>`;

function draw() {
  const row = rowOf.get(page.current);
  const text = row ? textOf(row) : null;
  if (text === drawn) return;
  drawn = text;
  if (text === null) {
    box.replaceChildren();
    return;
  }
  const parts = partsOf(text);
  const typing = box.querySelector('input')?.value || '';
  render(
    box,
    html`${parts.map(chip)}<input type="text" list="cw-tags" class="cw-chip-add" placeholder="Add a tag"
      aria-label="Add a tag" autocomplete="off" maxlength="500">`,
  );
  box.querySelector('input').value = typing;
}

function put(parts) {
  unsaved.edit(page.current, parts.join(', '), { isStep: true });
}

box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const row = rowOf.get(page.current);
  if (!button || !row) return;
  const parts = partsOf(textOf(row));
  if (button.dataset.out) parts.splice(+button.dataset.out, 1);
  else parts.unshift(...parts.splice(+button.dataset.first, 1));
  put(parts);
});
box.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.matches('.cw-chip-add')) return;
  event.preventDefault();
  const added = partsOf(event.target.value);
  const row = rowOf.get(page.current);
  if (!row || !added.length) return;
  const parts = partsOf(textOf(row));
  event.target.value = '';
  put([...parts, ...added.filter((part) => !parts.includes(part))]);
  box.querySelector('.cw-chip-add').focus();
});
box.addEventListener('focusin', offerParts);
on('selected', draw);
on('rows', (ids) => {
  if (ids.includes(page.current)) draw();
});
for (const event of ['edited', 'settled'])
  on(event, (id) => {
    if (id === page.current) draw();
  });
