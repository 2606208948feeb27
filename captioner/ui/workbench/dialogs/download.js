// The zip: for whom, what it would hold and what of it a trainer would read otherwise are said before it is taken; the
// server makes it while the browser takes it, after everything typed here has been saved.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { captionOf } from '../set/captions.js';
import { isFiltered, listOnly } from '../set/listing.js';
import { page, select } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { allSaved } from '../set/unsaved.js';
import { openBulk } from './bulk.js';
import * as findings from './download_findings.js';
import {
  formatChosen,
  isTrainer,
  keepWishes,
  lay,
  takeWishes,
  triggerTyped,
  wishes,
  wrongField,
} from './download_wishes.js';

const dialog = byId('cw-download-dialog');
const form = byId('cw-download-form');
const go = byId('cw-download');
const scope = form.elements.scope;
let looks = 0;
let groups = []; // {ids, title}: what the buttons of the summary list

/** The pictures that the zip is of. */
const rows = () =>
  ({ all: page.rows, shown: page.shown, selected: page.rows.filter((row) => page.selection.has(row.id)) })[scope.value];

/** The server's word for them; null for the whole set. */
const ids = () => (scope.value === 'all' ? null : rows().map((row) => row.id));

function offerScopes() {
  const [, shown, selected] = scope.options;
  shown.disabled = !isFiltered();
  selected.disabled = !page.selection.size;
  shown.textContent = `the ${plural(page.shown.length, 'picture', 'pictures')} listed`;
  selected.textContent = `the ${plural(page.selection.size, 'selected picture', 'selected pictures')}`;
  if (scope.selectedOptions[0].disabled) scope.value = 'all';
}

function figure(found, words, title) {
  if (!found.length) return [];
  const number = groups.push({ ids: found.map((row) => row.id), title }) - 1;
  return [
    html`<li>${found.length.toLocaleString()} ${words} <button type="button" class="cw-button cw-small"
      data-group="${number}" aria-label="Show ${title}">Show</button></li>`,
  ];
}

/** How many captions there are; of plain files, which nobody checks, also what most trainers stumble over. */
function showSummary(tokens, limit) {
  groups = [];
  const found = rows();
  const empty = found.filter((row) => !captionOf(row).trim());
  const over = tokens ? found.filter((row) => tokens[row.id] > limit) : [];
  const captions = plural(found.length - empty.length, 'caption', 'captions');
  const lines = isTrainer()
    ? []
    : [
        ...figure(empty, 'without a caption', 'without a caption'),
        ...figure(over, `over ${limit} tokens`, `over ${limit} tokens`),
      ];
  const ahead = html`<b>${plural(found.length, 'picture', 'pictures')}: ${captions}</b>`;
  render(byId('cw-download-summary'), html`<p>${ahead}</p>${lines.length ? html`<ul>${lines}</ul>` : ''}`);
}

/** The button says that there are errors; pressed all the same, they are the person's own will. */
function showButton() {
  const count = findings.errors().length;
  go.textContent = count ? 'Export anyway' : 'Download zip';
  go.classList.toggle('cw-primary', !count);
  go.classList.toggle('cw-danger', count > 0);
}

function tell(notes, found = []) {
  findings.show(found);
  render(byId('cw-download-notes'), html`${notes.map((note) => html`<li>${note}</li>`)}`);
  showButton();
}

/** Says what the zip will hold: how many captions, what a trainer reads otherwise, and what one may not expect. */
async function look() {
  if (!dialog.open || !page.rows.length) return;
  looks += 1;
  const number = looks;
  showSummary(null);
  const wrong = wrongField();
  if (wrong) {
    tell([`${wrong.closest('label').firstChild.data.trim()}: ${wrong.validationMessage}`]);
    return;
  }
  await allSaved();
  try {
    const [told, counted] = await Promise.all([
      ask('export_look', { set: page.set, export: wishes(), ids: ids() }),
      isTrainer() ? { counts: null } : ask('token_counts', { set: page.set }),
    ]);
    if (number !== looks) return;
    showSummary(counted.counts, counted.limit);
    tell(told.notes, told.findings);
  } catch (error) {
    throwBug(error);
    if (number === looks) tell([error.message]);
  }
}

/** @returns the name under which the server knows the pictures; undefined where it did not take them */
async function scopeName() {
  const chosen = ids();
  if (!chosen) return '';
  return (await askOrTell('There is no download', 'export_scope', { ids: chosen }))?.scope;
}

/** Lets the browser take the zip. @returns whether it was asked to */
async function download() {
  if (!page.rows.length) {
    notice('bad', 'There is nothing to download yet', ['Add pictures first.']);
    return false;
  }
  const isSaved = await savedOrTold(
    'The zip would lack them. Settle conflicts, or wait for the server, and try again.',
  );
  const chosen = isSaved ? await scopeName() : undefined;
  if (chosen === undefined) return false;
  const wanted = new URLSearchParams({ ...wishes(), ...(chosen ? { scope: chosen } : {}) });
  const link = document.createElement('a');
  link.href = `sets/${encodeURIComponent(page.set)}/export?${wanted}`;
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
  return true;
}

function showStart(lines) {
  form.hidden = lines !== null;
  byId('cw-download-start').hidden = lines === null;
  if (lines === null) return;
  render(byId('cw-download-start-text'), html`<code>${lines.join('\n')}</code>`);
  byId('cw-download-start-title').focus();
}

/** Takes the zip; of a trainer's set the page then shows how training starts. */
async function leave() {
  const asked = { set: page.set, export: wishes(), ids: ids() };
  let start = [];
  if (isTrainer() && page.rows.length) {
    const reply = await askOrTell('There is no download', 'export_start', asked);
    if (!reply) {
      dialog.close();
      return;
    }
    start = reply.start;
  }
  if ((await download()) && start.length) showStart(start);
  else dialog.close();
}

function show() {
  showStart(null);
  offerScopes();
  lay();
  tell([]);
  showSummary(null);
  if (!dialog.open) dialog.showModal();
  look();
}

function list(found, title) {
  dialog.close();
  listOnly(found, title);
  if (page.shown.length) select(page.shown[0].id);
}

/** A change of captions is shown in its own dialog first, and leads back here; a setting is set. */
function mend({ ids: found, what, mend: how }) {
  if (!how.operation) {
    for (const [name, value] of Object.entries(how.settings)) form.elements[name].value = value;
    form.dispatchEvent(new Event('change'));
    return;
  }
  dialog.close();
  openBulk(how.operation, { ids: found, title: `those ${what}`, values: how.values, onClosed: show });
}

findings.onPressed({ show: ({ ids: found, what }) => list(found, what), mend });
const lookSoon = debounced(250, look);
form.addEventListener('input', ({ target }) => {
  if (target === form.elements.trigger_word) triggerTyped();
  if (target.matches('input[type=text], input[type=number]')) lookSoon();
});
form.addEventListener('change', ({ target }) => {
  if (target === form.elements.format) formatChosen();
  lay();
  if (page.set) keepWishes();
  look();
});
byId('cw-download-summary').addEventListener('click', ({ target }) => {
  const number = target.closest('[data-group]')?.dataset.group;
  if (number !== undefined) list(groups[number].ids, groups[number].title);
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  leave();
});
for (const id of ['cw-download-close', 'cw-download-done']) byId(id).addEventListener('click', () => dialog.close());
byId('cw-download-open').addEventListener('click', show);
on('opened', takeWishes);
