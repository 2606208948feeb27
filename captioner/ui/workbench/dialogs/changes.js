// The captions that a bulk change would change: a row each, with what goes and comes in it, and a box to leave it out.
// Of thousands only some have a row; those without one are changed too, unless all were left out.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { ask, throwBug } from '../core/server.js';
import { byName } from '../core/text.js';
import { differing } from '../core/word_diffs.js';
import { pictureUrl } from '../set/pictures.js';

const AT_ONCE = 200;

const box = byId('cw-bulk-preview');
const all = byId('cw-bulk-all');
let changes = [];
let leftOut = new Set();
let rows = 0;
let told = () => {};

/** The changes that the person did not leave out. */
export const chosen = () => changes.filter(({ id }) => !leftOut.has(id));

/** The ids of the pictures whose captions stay as they are. */
export const stay = () => [...leftOut];

export function clear() {
  changes = [];
  leftOut = new Set();
  rows = 0;
  box.replaceChildren();
  byId('cw-bulk-all-label').hidden = true;
}

/**
 * Shows changes as the server previews them.
 * @param {function} onChosen called when a row was left out or taken in again
 */
export async function show(found, onChosen) {
  clear();
  told = onChosen;
  changes = found.sort((a, b) => byName(a.name, b.name));
  byId('cw-bulk-all-label').hidden = !changes.length;
  tick();
  await more();
}

/** Rows for the next of them. */
async function more() {
  const list = changes;
  const next = list.slice(rows, rows + AT_ONCE);
  if (!next.length) return;
  const pairs = next.map(({ before, after }) => ({ before, after }));
  const { diffs } = await ask('word_diffs', { pairs });
  if (list !== changes) return; // others are shown by now
  const pressed = box.querySelector('.cw-bulk-more');
  const hadFocus = !!pressed && pressed === document.activeElement;
  pressed?.remove();
  const part = document.createElement('div');
  part.className = 'cw-bulk-rows';
  render(part, html`${next.map((change, index) => rowOf(change, diffs[index]))}`);
  box.append(part);
  rows += next.length;
  tick();
  if (hadFocus) goTo(part.querySelector('input'));
  const left = changes.length - rows;
  if (!left) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'cw-button cw-small cw-bulk-more';
  button.textContent = `Show ${Math.min(left, AT_ONCE)} of ${left.toLocaleString()} more`;
  box.append(button);
}

const rowOf = ({ id, name }, pieces) => html`<label class="cw-change"><input type="checkbox" data-id="${id}"
  tabindex="-1"><img src="${pictureUrl(id, 'thumbnail')}" alt="" loading="lazy" width="40" height="40"><b>${name}</b>
  <span>${differing(pieces)}</span></label>`;

const boxes = () => [...box.querySelectorAll('input[data-id]')];

/** Puts into the boxes what was chosen; one of them can be reached by Tab. */
function tick() {
  const ticks = boxes();
  for (const one of ticks) one.checked = !leftOut.has(one.dataset.id);
  if (ticks.length && !ticks.some((one) => one.tabIndex === 0)) ticks[0].tabIndex = 0;
  all.checked = !leftOut.size;
  all.indeterminate = leftOut.size > 0 && leftOut.size < changes.length;
}

box.addEventListener('change', ({ target }) => {
  if (target.checked) leftOut.delete(target.dataset.id);
  else leftOut.add(target.dataset.id);
  tick();
  told();
});
all.addEventListener('change', () => {
  leftOut = all.checked ? new Set() : new Set(changes.map(({ id }) => id));
  tick();
  told();
});
box.addEventListener('click', (event) => {
  if (event.target.matches('.cw-bulk-more')) more().catch(throwBug); // not reached: the button is still there
});

function goTo(next) {
  for (const one of boxes()) one.tabIndex = one === next ? 0 : -1;
  next.focus();
}

const STEPS = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
box.addEventListener('keydown', (event) => {
  const ticks = boxes();
  const at = ticks.indexOf(event.target);
  if (at < 0 || !(event.key in STEPS)) return;
  event.preventDefault();
  const next = ticks[Math.min(ticks.length - 1, Math.max(0, at + STEPS[event.key]))];
  goTo(next);
});
