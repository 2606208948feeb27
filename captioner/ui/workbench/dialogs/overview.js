// The set at a glance: tags by frequency, caption lengths, captions over the limit, equal captions. A click lists the
// pictures behind a figure.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell } from '../core/messages.js';
import { byName, plural } from '../core/text.js';
import { captionOf, partsOf } from '../set/captions.js';
import { refilter } from '../set/listing.js';
import { hasFolders, page, select } from '../set/pictures.js';
import { allSaved } from '../set/unsaved.js';

const dialog = byId('cw-overview');
const body = byId('cw-overview-body');
const TAGS = 60;
const EQUAL = 20;
const BIN = 5;
const TICKS = 12;
const [WIDTH_PX, HEIGHT_PX, FOOT_PX] = [640, 200, 24];
let groups = [];

/** Remembers which pictures a figure stands for; the number goes into its element. */
const group = (title, rows) => groups.push({ title, ids: new Set(rows.map((row) => row.id)) }) - 1;

function bar({ title, rows }, most, width) {
  const share = (100 * rows.length) / most;
  return html`<button type="button" class="cw-bar-row" data-group="${group(title, rows)}"><span class="cw-bar-name"
    style="width:${width}">${title}</span><span class="cw-bar-track"><span style="width:${share}%"></span></span><span
    class="cw-bar-count">${rows.length.toLocaleString()}</span></button>`;
}

function bars(items, width) {
  const most = Math.max(1, ...items.map((item) => item.rows.length));
  return items.map((item) => bar(item, most, width));
}

/** Captions by length, a column every BIN tokens, as an SVG of WIDTH_PX x HEIGHT_PX with room for figures around it. */
function histogram(counts, limit) {
  const longest = Math.max(limit, ...page.rows.map((row) => counts[row.id] || 0));
  const bins = Array.from({ length: Math.floor(longest / BIN) + 1 }, () => []);
  for (const row of page.rows) bins[Math.floor((counts[row.id] || 0) / BIN)].push(row);
  const most = Math.max(1, ...bins.map((rows) => rows.length));
  const step = WIDTH_PX / bins.length;
  const every = Math.ceil(bins.length / TICKS);
  const at = (limit / BIN) * step;
  const column = (rows, index) => {
    if (!rows.length) return html``;
    const words = `${index * BIN} to ${index * BIN + BIN - 1} tokens`;
    const tall = Math.max(2, (HEIGHT_PX * rows.length) / most);
    const label = `${words}: ${plural(rows.length, 'caption', 'captions')}`;
    return html`<rect x="${index * step + 1}" y="${HEIGHT_PX - tall}" width="${Math.max(1, step - 2)}"
      height="${tall}" rx="2" tabindex="0" role="button" aria-label="${label}" data-group="${group(words, rows)}"
      class="${index * BIN >= limit ? 'cw-over' : ''}"><title>${label}</title></rect>`;
  };
  const tick = (_, index) =>
    index % every ? html`` : html`<text x="${index * step}" y="${HEIGHT_PX + 16}">${index * BIN}</text>`;
  return html`<svg class="cw-histogram" viewBox="-4 -16 ${WIDTH_PX + 8} ${HEIGHT_PX + FOOT_PX + 16}" role="group"
    aria-label="Captions by length in tokens">${bins.map(column)}<line x1="0" x2="${WIDTH_PX}" y1="${HEIGHT_PX}"
    y2="${HEIGHT_PX}"/><line class="cw-limit" x1="${at}" x2="${at}" y1="-4" y2="${HEIGHT_PX}"/><text class="cw-limit"
    x="${at - 4}" y="-6" text-anchor="end">limit ${limit}</text>${bins.map(tick)}</svg>`;
}

const figure = (rows, words) =>
  html`<button type="button" class="cw-figure" data-group="${group(words, rows)}"><b
    >${rows.length.toLocaleString()}</b> ${words}</button>`;

/** The pictures by folder, in the order of the grid. */
function inFolders() {
  const found = new Map();
  for (const row of page.rows) {
    if (!found.has(row.folder)) found.set(row.folder, []);
    found.get(row.folder).push(row);
  }
  return [...found].map(([folder, rows]) => ({ title: folder || 'no folder', rows }));
}

function draw(counts, limit) {
  groups = [];
  const withPart = new Map();
  const withText = new Map();
  const put = (map, key, row) => {
    if (!map.has(key)) map.set(key, []);
    map.get(key).push(row);
  };
  for (const row of page.rows) {
    const text = captionOf(row);
    for (const part of new Set(partsOf(text))) put(withPart, part, row);
    if (text.trim()) put(withText, text, row);
  }
  const items = (map) => [...map].map(([title, rows]) => ({ title, rows }));
  const tags = items(withPart).sort((a, b) => b.rows.length - a.rows.length || byName(a.title, b.title));
  const equal = items(withText).filter(({ rows }) => rows.length > 1);
  const over = page.rows.filter((row) => (counts[row.id] || 0) > limit);
  const empty = page.rows.filter((row) => !captionOf(row).trim());
  const sum = page.rows.reduce((tokens, row) => tokens + (counts[row.id] || 0), 0);
  const mean = sum / (page.rows.length || 1);
  const figures = [
    figure(page.rows, 'pictures'),
    figure(empty, 'without a caption'),
    figure(over, `over ${limit} tokens`),
    figure(
      equal.flatMap(({ rows }) => rows),
      'with a caption that another has too',
    ),
    html`<span class="cw-figure cw-plain"><b>${mean.toFixed(1)}</b> tokens on average</span>`,
  ];
  const twins = equal.length ? html`<h3>Equal captions</h3>${bars(equal.slice(0, EQUAL), '60%')}` : '';
  const some = tags.length > TAGS ? ` (${TAGS} of ${tags.length.toLocaleString()})` : '';
  const found = tags.length ? bars(tags.slice(0, TAGS), '45%') : html`<p class="cw-quiet">No captions yet.</p>`;
  const folders = hasFolders() ? html`<h3>Folders</h3>${bars(inFolders(), '60%')}` : '';
  const lengths = html`<section><h3>Length in tokens</h3>${histogram(counts, limit)}${folders}${twins}</section>`;
  const frequent = html`<section><h3>Tags, the most frequent first${some}</h3>${found}</section>`;
  render(body, html`<div class="cw-figures">${figures}</div><div class="cw-plots">${lengths}${frequent}</div>`);
}

function list(target) {
  const number = target.closest('[data-group]')?.dataset.group;
  if (number === undefined) return;
  const chosen = groups[+number];
  page.only = chosen.ids.size === page.rows.length ? null : chosen;
  dialog.close();
  refilter();
  if (page.shown.length) select(page.shown[0].id);
}

body.addEventListener('click', (event) => list(event.target));
body.addEventListener('keydown', (event) => {
  if (event.target.matches('rect') && (event.key === 'Enter' || event.key === ' ')) list(event.target);
});
byId('cw-overview-close').addEventListener('click', () => dialog.close());
byId('cw-overview-open').addEventListener('click', async () => {
  await allSaved();
  const reply = await askOrTell('There is no overview', 'token_counts', { set: page.set });
  if (!reply) return;
  draw(reply.counts, reply.limit);
  dialog.showModal();
});
on('listed', () => {
  byId('cw-overview-open').disabled = !page.rows.length;
});
