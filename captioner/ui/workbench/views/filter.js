// What is listed: the filter box with its language, the state, the order, and how many that leaves.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { plural } from '../core/text.js';
import { textOf } from '../set/captions.js';
import { isFiltered, matches, queryNow, refilter } from '../set/listing.js';
import { hasFolders, page, rowOf, select } from '../set/pictures.js';
import { hitsIn } from '../set/query.js';
import { areCounted } from '../set/token_counts.js';

const box = byId('cw-filter');
const help = byId('cw-filter-help');

const LANGUAGE = [
  ['red car', 'both words, in the caption, the name or the folder'],
  ['-blurry', 'without this word; a minus goes before all below too'],
  ['"red car"', 'the words as they stand'],
  ['tag:cat', 'cat between two commas; tag:"long hair"'],
  ['tokens:>75', 'longer than 75 tokens; also <, <=, >= and ='],
  ['name:0041', 'in the file name; folder:cats in the folder'],
  ['state:edited', '"no caption", "brought along", generated, edited, failed, conflict'],
  ['score:>0.5', 'the most doubtful word is worse than 0.5; of captions that were read'],
  ['reviewed:no', 'not marked as reviewed; reviewed:yes'],
  ['is:glitch', 'looks wrong: cut, going round in circles, a refusal; is:reviewed'],
];
const lines = html`<dl class="cw-help cw-language">${LANGUAGE.map(
  ([example, means]) => html`<dt><code>${example}</code></dt><dd>${means}</dd>`,
)}</dl>`;

function showCount() {
  const all = page.rows.length;
  byId('cw-unfilter').hidden = !isFiltered();
  byId('cw-unfilter').textContent = page.only ? `Show all (now: ${page.only.title})` : 'Show all';
  byId('cw-count').textContent = isFiltered()
    ? `${page.shown.length.toLocaleString()} of ${plural(all, 'picture', 'pictures')}`
    : all
      ? plural(all, 'picture', 'pictures')
      : '';
}

/** What of the text could not be read, and so filters nothing. */
function showProblems() {
  const { problems, fields } = queryNow();
  const counting = fields.has('tokens') && !areCounted() ? ['Counting tokens…'] : [];
  const words = [...problems, ...counting].join(' ');
  const line = byId('cw-filter-problem');
  if (line.textContent !== words) line.textContent = words;
}

/** Folders are sorted by where the set has several; else the order is that of names. */
function offerFolders() {
  const isOffered = hasFolders();
  const [byFolder, byNameAlone] = byId('cw-sort').options;
  byFolder.textContent = isOffered ? 'By folder' : 'By name';
  byNameAlone.hidden = !isOffered;
}

function list() {
  refilter();
  byId('cw-grid').scrollTop = 0;
}

/** Shows the first picture that is found, with the caret in its caption, on what was looked for. */
function goToFirst() {
  const first = page.shown.find(matches) ?? page.shown[0];
  if (!first) return;
  select(first.id);
  const editor = byId('cw-editor');
  const [hit] = hitsIn(queryNow(), textOf(rowOf.get(first.id)), 'caption');
  editor.focus();
  editor.setSelectionRange(...(hit ?? [editor.value.length, editor.value.length]));
}

box.addEventListener('input', () => {
  page.filter = box.value.trim();
  list();
});
box.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing) return;
  event.preventDefault();
  goToFirst();
});
byId('cw-state').addEventListener('change', (event) => {
  page.state = event.target.value;
  list();
});
byId('cw-sort').addEventListener('change', (event) => {
  page.sort = event.target.value;
  list();
});
byId('cw-unfilter').addEventListener('click', () => {
  box.value = '';
  byId('cw-state').value = '';
  Object.assign(page, { filter: '', state: '', only: null });
  list();
});
help.addEventListener('toggle', (event) => {
  if (event.newState !== 'open') return;
  const at = byId('cw-filter-help-open').getBoundingClientRect();
  help.style.left = `${Math.max(8, Math.min(at.left, innerWidth - help.offsetWidth - 8))}px`;
  help.style.top = `${at.bottom + 6}px`;
});
on('listed', () => {
  offerFolders();
  showCount();
  showProblems();
});
box.value = page.filter;
byId('cw-state').value = page.state;
byId('cw-sort').value = page.sort;
render(help, html`<p><b>The filter understands</b></p>${lines}`);
render(byId('cw-help-filter'), lines);
offerFolders();

/** Sorts what is listed, as if the order had been chosen, and shows the first. */
export function sortBy(order) {
  page.sort = order;
  byId('cw-sort').value = order;
  list();
  if (page.shown.length) select(page.shown[0].id);
}

/** Filters by a text, as if it had been typed. */
export function filterBy(text) {
  box.value = text;
  page.filter = text;
  list();
}
