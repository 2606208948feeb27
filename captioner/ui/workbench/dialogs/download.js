// The zip: what it would hold is said before it is taken; it is made by the server when asked, after everything typed
// here has been saved.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import * as storage from '../core/storage.js';
import { plural } from '../core/text.js';
import { captionOf } from '../set/captions.js';
import { isFiltered, listOnly } from '../set/listing.js';
import { page, select } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { allSaved } from '../set/unsaved.js';

const KEPT = 'captioner/downloads'; // [[set, {format, with_pictures}], ...], the newest first
const SETS = 100;
const form = byId('cw-download-form');
const menu = byId('cw-download-menu');
const scope = form.elements.scope;
let looks = 0;
let groups = []; // {ids, title}: what the buttons of the summary list

const wishes = () => ({
  format: form.elements.format.value,
  with_pictures: form.elements.with_pictures.checked,
});

const keptWishes = () => storage.list(KEPT).filter((entry) => Array.isArray(entry) && entry[1]);

function keepWishes() {
  const others = keptWishes().filter(([set]) => set !== page.set);
  storage.note(KEPT, JSON.stringify([[page.set, wishes()], ...others].slice(0, SETS)));
}

/** As the person had it for this set. */
function takeWishes() {
  const kept = keptWishes().find(([set]) => set === page.set)?.[1];
  if (!kept) return;
  form.elements.with_pictures.checked = kept.with_pictures === true;
  if ([...form.elements.format].some(({ value }) => value === kept.format)) form.elements.format.value = kept.format;
}

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

/** @param tokens by picture id, null while they are not counted */
function showSummary(tokens, limit) {
  groups = [];
  const found = rows();
  const empty = found.filter((row) => !captionOf(row).trim());
  const over = tokens ? found.filter((row) => tokens[row.id] > limit) : [];
  const captions = plural(found.length - empty.length, 'caption', 'captions');
  const lines = [
    ...figure(empty, 'without a caption', 'without a caption'),
    ...figure(over, `over ${limit} tokens`, `over ${limit} tokens`),
  ];
  const ahead = html`<b>${plural(found.length, 'picture', 'pictures')}: ${captions}</b>`;
  render(byId('cw-download-summary'), html`<p>${ahead}</p>${lines.length ? html`<ul>${lines}</ul>` : ''}`);
}

/** Says what the zip will hold: how many captions, how long, and what one may not expect, such as other names. */
async function look() {
  const box = byId('cw-download-notes');
  if (!menu.open || !page.rows.length) return;
  looks += 1;
  const number = looks;
  showSummary(null);
  await allSaved();
  try {
    const [told, counted] = await Promise.all([
      ask('export_notes', { set: page.set, export: wishes(), ids: ids() }),
      ask('token_counts', { set: page.set }),
    ]);
    if (number !== looks) return;
    showSummary(counted.counts, counted.limit);
    render(box, html`${told.notes.map((note) => html`<li>${note}</li>`)}`);
  } catch (error) {
    throwBug(error); // what it says then, the download says too
    if (number === looks) box.replaceChildren();
  }
}

/** @returns the name under which the server knows the pictures; undefined where it did not take them */
async function scopeName() {
  const chosen = ids();
  if (!chosen) return '';
  return (await askOrTell('There is no download', 'export_scope', { ids: chosen }))?.scope;
}

async function download() {
  if (!page.rows.length) {
    notice('bad', 'There is nothing to download yet', ['Add pictures first.']);
    return;
  }
  if (!(await savedOrTold('The zip would lack them. Settle conflicts, or wait for the server, and try again.'))) return;
  const chosen = await scopeName();
  if (chosen === undefined) return;
  const wanted = new URLSearchParams({ ...wishes(), ...(chosen ? { scope: chosen } : {}) });
  const link = document.createElement('a');
  link.href = `sets/${encodeURIComponent(page.set)}/export?${wanted}`;
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
}

menu.addEventListener('toggle', () => {
  if (menu.open) offerScopes();
  look();
});
form.addEventListener('change', () => {
  if (page.set) keepWishes();
  look();
});
byId('cw-download-summary').addEventListener('click', ({ target }) => {
  const number = target.closest('[data-group]')?.dataset.group;
  if (number === undefined) return;
  menu.open = false;
  listOnly(groups[number].ids, groups[number].title);
  if (page.shown.length) select(page.shown[0].id);
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  menu.open = false;
  download();
});
on('opened', takeWishes);
