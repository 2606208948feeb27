// The selected picture, its caption and what became of the last keystroke.

import { bench, byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { plural } from '../core/text.js';
import { captionOf, stateOf, textOf } from '../set/captions.js';
import { page, pathOf, pictureUrl, rowOf } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';
import { showTokens } from './tokens.js';

const text = byId('cw-editor');
const image = byId('cw-image');

function showPicture(row) {
  byId('cw-empty').hidden = !!row;
  bench().dataset.empty = !page.rows.length;
  image.hidden = !row;
  byId('cw-look').hidden = !row;
  text.disabled = !row;
  byId('cw-one').disabled = !row;
  byId('cw-name').textContent = row ? pathOf(row) : '';
  showFacts(row);
  if (!row) {
    image.removeAttribute('src');
    return;
  }
  // The thumbnail is at hand and fills the frame until the larger picture has come.
  image.style.backgroundImage = `url("${pictureUrl(row.id, 'thumbnail')}")`;
  image.src = pictureUrl(row.id, 'preview');
  const at = page.shown.indexOf(row);
  for (const near of [page.shown[at + 1], page.shown[at - 1]])
    if (near) new Image().src = pictureUrl(near.id, 'preview');
}

/** Size and notes, and why captioning failed. */
function showFacts(row) {
  const facts = row ? [`${row.width} × ${row.height}`, ...row.notes] : [];
  const twin = row && rowOf.get(row.equal_to);
  if (twin) facts.push(`the same picture as ${pathOf(twin)}`);
  byId('cw-error').textContent = row?.error ? `Failed: ${row.error}` : '';
  byId('cw-facts').textContent = facts.join(', ');
}

/** Puts the caption into the box unless it is there; the caret stays where it was. */
function showCaption() {
  const row = rowOf.get(page.current);
  const wanted = row ? textOf(row) : '';
  if (text.value !== wanted) {
    const { selectionStart, selectionEnd } = text;
    text.value = wanted;
    if (document.activeElement === text) text.setSelectionRange(selectionStart, selectionEnd);
  }
  if (row) image.alt = captionOf(row) || 'no caption yet';
  text.placeholder = row?.error || 'No caption yet';
  byId('cw-revert').hidden = !row || stateOf(row) !== 'edited';
  showTokens(row);
}

function showConflict() {
  const entry = unsaved.entry(page.current);
  byId('cw-conflict').hidden = !entry?.conflict;
  byId('cw-theirs').textContent = entry?.conflict ? entry.conflict.theirs || '(no text)' : '';
}

function showSave() {
  const box = byId('cw-save');
  const waiting = unsaved.ids();
  const entries = waiting.map((id) => unsaved.entry(id));
  const conflicts = entries.filter((entry) => entry.conflict).length;
  const refused = entries.find((entry) => entry.refused);
  let state = 'saved';
  let words = page.rows.length ? 'All changes saved' : '';
  if (conflicts) [state, words] = ['conflict', `${plural(conflicts, 'caption needs', 'captions need')} your choice`];
  else if (refused) [state, words] = ['bad', `Not saved: ${refused.refused}`];
  else if (waiting.length && unsaved.isStorageFull())
    [state, words] = ['bad', "Not saved yet, and this browser's storage is full"];
  else if (waiting.length && unsaved.isFailing())
    [state, words] = ['bad', 'Server not reached. Kept in this browser, trying again'];
  else if (waiting.length) [state, words] = ['saving', 'Saving…'];
  if (box.dataset.state !== state) box.dataset.state = state;
  if (box.textContent !== words) box.textContent = words;
}

text.addEventListener('input', () => {
  unsaved.edit(page.current, text.value);
});
byId('cw-revert').addEventListener('click', () => {
  unsaved.edit(page.current, null);
  unsaved.flush(page.current);
  text.focus();
});
byId('cw-keep-mine').addEventListener('click', () => unsaved.settle(page.current, true));
byId('cw-take-theirs').addEventListener('click', () => unsaved.settle(page.current, false));

on('selected', ({ id }) => {
  showPicture(rowOf.get(id));
  showCaption();
  showConflict();
  showSave();
});
on('rows', (ids) => {
  if (!ids.includes(page.current)) return;
  showFacts(rowOf.get(page.current));
  showCaption();
  showConflict();
});
on('edited', (id) => {
  if (id === page.current) {
    showCaption();
    showConflict();
  }
  showSave();
});
on('settled', (id) => {
  if (id === page.current) showCaption();
});
on('listed', showSave);
