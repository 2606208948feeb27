// One change to many captions: always shown first, with what goes and comes, then done as one step that undo takes back.
// What can be done, and what each asks for, is in the form already (the server draws it); nothing here knows one of them
// but find and replace, which has a key.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { brief } from '../core/messages.js';
import { ask, throwBug, Unreachable } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { textOf } from '../set/captions.js';
import { isFiltered } from '../set/listing.js';
import { page, pathOf, pictureUrl, rowOf } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { allSaved } from '../set/unsaved.js';
import { offerParts } from '../views/add_tag.js';
import { undoAction } from '../views/undo.js';
import * as changes from './changes.js';

const FIND = 'replace';
const NOTHING = 'Nothing was changed.';
const dialog = byId('cw-bulk');
const form = byId('cw-bulk-form');
const apply = byId('cw-bulk-apply');
const operation = form.elements.operation;
const scope = form.elements.scope;
let found = null;
let asked = 0;
let before = ''; // what is said before how much would change
let given = null; // {ids}: pictures that were named by whoever opened this
let onClosed = null;
let isGoingOn = false; // Enter was pressed: the button has the focus once it can be pressed

const fields = () => form.querySelector(`[data-operation="${operation.value}"]`);
const named = () => [...fields().elements].filter((element) => element.name && !element.closest('label[hidden]'));

function entered(element) {
  if (element.type === 'checkbox') return element.checked;
  return element.type === 'number' ? element.valueAsNumber : element.value;
}

function idsOf() {
  if (scope.value === 'given') return given.ids;
  if (scope.value === 'selected') return [...page.selection];
  return scope.value === 'shown' ? page.shown.map((row) => row.id) : null;
}

function say(text) {
  byId('cw-bulk-message').textContent = text;
}

function forget() {
  found = null;
  changes.clear();
  apply.disabled = true;
  apply.textContent = operation.selectedOptions[0].dataset.verb;
}

const look = debounced(250, async () => {
  asked += 1;
  const number = asked;
  const elements = named();
  const wrong = elements.find((element) => !element.validity.valid);
  if (wrong) say(wrong.validationMessage);
  if (wrong || elements.some((element) => 'needed' in element.dataset && !element.value)) return;
  say('Looking…');
  try {
    const isSaved = await allSaved();
    if (number !== asked) return;
    if (!isSaved) {
      say('Some captions are not saved yet. Settle conflicts, or wait for the server, and try again.');
      return;
    }
    const values = Object.fromEntries(elements.map((element) => [element.name, entered(element)]));
    const reply = await ask('preview_bulk', { set: page.set, ids: idsOf(), operation: operation.value, values });
    if (number !== asked) return;
    found = reply;
    const shown = changes.show(reply.changes, tell);
    tell();
    if (isGoingOn && !apply.disabled) apply.focus();
    isGoingOn = false;
    await shown;
  } catch (error) {
    throwBug(error);
    if (number === asked) say(error.message);
  }
});

/** Says how much would be done. */
function tell() {
  const chosen = changes.chosen();
  const fresh = chosen.filter((change) => !change.was_edited).length;
  const count = found.changes.length;
  const some = chosen.length < count ? ` ${chosen.length.toLocaleString()} are ticked.` : '';
  say(
    `${before}${count.toLocaleString()} of ${plural(found.looked_at, 'caption', 'captions')} would change` +
      (fresh ? `; ${plural(fresh, 'of them becomes an edit', 'of them become edits')}.` : '.') +
      `${some}${found.note ? ` ${found.note}` : ''}`,
  );
  const { verb } = operation.selectedOptions[0].dataset;
  apply.disabled = !chosen.length;
  apply.textContent = chosen.length ? `${verb} ${chosen.length.toLocaleString()}` : verb;
}

/** Shows what the chosen operation asks for. */
function lay() {
  for (const part of form.querySelectorAll('[data-operation]')) {
    part.hidden = part.dataset.operation !== operation.value;
    part.disabled = part.hidden;
  }
  for (const part of fields().querySelectorAll('[data-when]')) {
    const [other, needed] = JSON.parse(part.dataset.when);
    part.hidden = !needed.includes(fields().elements[other].value);
  }
  const takesAway = 'takesAway' in operation.selectedOptions[0].dataset;
  apply.classList.toggle('cw-primary', !takesAway);
  apply.classList.toggle('cw-danger', takesAway);
}

function changed() {
  isGoingOn = false;
  before = '';
  lay();
  forget();
  say('');
  look();
}

async function doIt() {
  const wanted = { set: page.set, preview: found.preview, left_out: changes.stay() };
  forget();
  let reply;
  try {
    reply = await ask('apply_bulk', wanted);
  } catch (error) {
    throwBug(error);
    if (error.code === 'preview_gone') lookAgain(error.message);
    else if (error instanceof Unreachable) say(`It is not known what was changed: ${error.message}.`);
    else say(`${NOTHING} ${error.message}`);
    return;
  }
  if (reply.ok) {
    dialog.close();
    brief(`${plural(reply.changed, 'caption', 'captions')} changed`, [undoAction]);
    lookSoon();
    return;
  }
  lookAgain(`${plural(reply.conflicts.length, 'caption was', 'captions were')} edited meanwhile.`);
}

/** Shows what the change would do by now. @param {string} reason why nothing was done */
function lookAgain(reason) {
  before = `${NOTHING} ${reason} Now `;
  look();
}

/** Puts the picture that the page shows into the fields that mean it. */
function takePicture() {
  const row = rowOf.get(page.current);
  for (const element of form.querySelectorAll('[data-picture]')) {
    element.value = row?.id ?? '';
    render(
      element.nextElementSibling,
      row
        ? html`<img src="${pictureUrl(row.id, 'thumbnail')}" alt="" width="40" height="40"><b>${pathOf(row)}</b>
          <span>${textOf(row)}</span>`
        : html`no picture is shown`,
    );
  }
}

/** Puts values into the fields of the chosen operation. */
function fill(values) {
  for (const [name, value] of Object.entries(values)) fields().elements[name].value = value;
}

/** Offers pictures that somebody names, beside the usual scopes; none where nobody does. */
function offerGiven(pictures) {
  given = pictures;
  const option = scope.querySelector('[value=given]');
  option.hidden = option.disabled = !given;
  option.textContent = given?.title ?? '';
}

/**
 * Opens the dialog for some pictures.
 * @param {string} key the operation
 * @param {{ids: string[], title: string, values: object, onClosed: function}} pictures title: what they are called.
 *   values: of the operation's fields. onClosed: called when the person is done with it
 */
export function openBulk(key, pictures) {
  onClosed = pictures.onClosed;
  open(key, 'given', pictures);
}

/** @param {string} [key] the operation; without it, the one that was chosen last */
function open(key, where, pictures = null) {
  if (byId('cw-bulk-open').disabled || byId('cw-bulk-open').hidden) return;
  offerGiven(pictures);
  scope.querySelector('[value=selected]').disabled = !page.selection.size;
  scope.querySelector('[value=shown]').disabled = !isFiltered();
  const narrower = isFiltered() ? 'shown' : 'all';
  scope.value = where ?? (page.selection.size ? 'selected' : narrower);
  if (key) operation.value = key;
  if (pictures) fill(pictures.values);
  offerParts();
  takePicture();
  changed();
  dialog.showModal();
  const first = named().find((element) => element.type === 'text') ?? operation;
  first.focus();
  first.select?.();
}

// Enter goes from one text to the next, then to the button, which does what is shown by then.
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing || !event.target.matches('input, select')) return;
  event.preventDefault();
  const texts = named().filter((element) => element.type === 'text');
  const next = texts[texts.indexOf(event.target) + 1];
  if (texts.includes(event.target) && next) next.focus();
  else if (!apply.disabled) apply.focus();
  else {
    isGoingOn = true;
    look();
  }
});
form.addEventListener('input', (event) => {
  if (!byId('cw-bulk-preview').contains(event.target) && event.target.id !== 'cw-bulk-all') changed();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (found && !apply.disabled) doIt();
});
byId('cw-bulk-close').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  const goOn = onClosed;
  onClosed = null;
  goOn?.();
});
byId('cw-bulk-open').addEventListener('click', () => open());
byId('cw-bulk-selected').addEventListener('click', () => open(undefined, 'selected'));
window.addEventListener(
  'keydown',
  (event) => {
    const isKey =
      (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'h';
    if (!isKey || document.querySelector('dialog[open]')) return;
    event.preventDefault(); // a browser's list of pages visited
    event.stopPropagation();
    open(FIND);
  },
  true,
);
on('listed', () => {
  byId('cw-bulk-open').disabled = !page.rows.length;
});
