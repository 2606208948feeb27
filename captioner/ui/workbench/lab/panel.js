// Beside the grid: which picture the chosen cell is of, and all about its caption, which a cell has no room for. What
// hovering explains in the grid stands here in words.

import './frame.js';
import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, renderChanged } from '../core/html.js';
import { pictureUrl } from '../set/pictures.js';
import { figure, piecesOf, RATINGS, tally, tallyWords, whereOf } from './layout.js';
import { captionMarkup, RATING_WORDS, ratingIcon, strength } from './marks.js';
import { cellActions, USE } from './menus.js';
import { cellNow, cellOf, go, isFilling, open, pictureOf, rate, setWhole } from './sweep.js';

const strip = byId('cw-compare-pictures');
const details = byId('cw-compare-cell');
const panel = byId('cw-compare-panel');
const tabs = { cell: byId('cw-compare-tab-cell'), summary: byId('cw-compare-tab-summary') };
let shownPicture = '';

// The pictures

function pictureButton({ id, name, is_gone: isGone }) {
  const cells = [...open.cells.values()].filter((cell) => cell.picture === id);
  const words = tallyWords(tally(cells));
  const isOn = !open.isWhole && id === open.at.picture;
  const image = isGone ? html`<i aria-hidden="true">gone</i>` : html`<img src="${pictureUrl(id, 'thumbnail')}" alt="">`;
  return html`<button type="button" class="cw-compare-thumb" data-id="${id}" aria-pressed="${isOn}"
    data-here="${id === open.at.picture}" aria-label="${[name, words].filter(Boolean).join(', ')}" title="${[name, words].filter(Boolean).join(': ')}">${image}</button>`;
}

function drawStrip() {
  if (!open.sweep) return;
  const focused = document.activeElement?.closest('#cw-compare-pictures button')?.dataset.id;
  const { pictures } = open.sweep;
  const all = html`<button type="button" class="cw-compare-thumb cw-compare-all" data-id="" aria-pressed="${open.isWhole}"
    title="All pictures, one below the other">All</button>`;
  const isNew = renderChanged(strip, html`${pictures.length > 1 ? all : ''}${pictures.map(pictureButton)}`);
  strip.hidden = pictures.length < 2;
  if (isNew && focused !== undefined) [...strip.children].find((one) => one.dataset.id === focused)?.focus();
}

function drawPicture() {
  if (!open.sweep) return;
  const { id, name, is_gone: isGone } = pictureOf(open.at.picture);
  byId('cw-compare-of').textContent = isGone ? `${name} is not in the set any more` : name;
  if (shownPicture === id) return;
  shownPicture = id;
  const image = byId('cw-compare-image');
  image.hidden = !!isGone;
  image.alt = name;
  image.removeAttribute('src'); // never one picture under another one's name
  if (!isGone) image.src = pictureUrl(id, 'preview');
}

// The chosen cell

function rateRow(cell) {
  const buttons = RATINGS.map(
    (rating, place) => html`<button type="button" class="cw-button cw-small cw-rate-word" data-rate="${rating}"
      aria-pressed="${cell.rating === rating}">${ratingIcon(rating)} ${RATING_WORDS[rating]} <kbd>${place + 1}</kbd></button>`,
  );
  return html`<div class="cw-compare-rates" role="group" aria-label="Rate this caption">${buttons}</div>`;
}

/** How doubtful a word is: as a percentage where models were measured or fitted, else as its place among all words. */
function chance({ probability, share }) {
  if (Number.isFinite(share)) return `among the ${Math.max(1, Math.round(100 * share))} % most doubtful words here`;
  return `${Math.round(100 * probability)} % likely false`;
}

/** A doubted word: how surely it is false, what fits better, and who says so. */
function doubtLine(cell, doubt) {
  const word = [...cell.caption].slice(doubt.start, doubt.end).join('');
  const better = doubt.better ? html` Fits better: <b>${doubt.better}</b>.` : '';
  return html`<li><u data-doubt="${strength(doubt)}">${word}</u>: ${chance(doubt)}.${better} <span class="cw-quiet">${doubt.why}</span></li>`;
}

function doubts(cell) {
  if (!cell.doubts?.length) return '';
  return html`<h4>Doubtful words</h4><ul class="cw-compare-doubts">${cell.doubts.map((doubt) => doubtLine(cell, doubt))}</ul>`;
}

function scores(cell) {
  const told = open.sweep.scores.filter(({ name }) => Number.isFinite(cell.scores?.[name]));
  if (!told.length) return '';
  const lines = told.map(
    ({
      name,
      title,
      about,
      digits,
    }) => html`<div><dt title="${about}">${title}</dt><dd><b>${figure(cell.scores[name], { digits })}</b> <span
      class="cw-quiet">${cell.parts?.[name] || about}</span></dd></div>`,
  );
  return html`<h4>Scores</h4><dl class="cw-compare-scores">${lines}</dl>`;
}

function same(cell) {
  if (!cell.group) return '';
  return html`<p class="cw-compare-why"><b class="cw-letter">${cell.group}</b> ${open.groups[cell.picture]?.[cell.group]}</p>`;
}

const buttons = (names) =>
  html`<div class="cw-compare-buttons">${names.map((name) => html`<button type="button" class="cw-button cw-small" data-do="${name}">${name}</button>`)}</div>`;

function doneCell(cell) {
  const pieces = piecesOf(cell.caption, cell.marks, cell.doubts ?? []);
  const isBase = cell.cell === open.sweep.base_cell;
  const note = isBase
    ? 'The cell that the others are compared with.'
    : cell.marks.length
      ? 'Marked words differ from the base cell.'
      : '';
  const others = Object.keys(cellActions(cell.picture, cell.cell)).filter((name) => !USE.includes(name));
  return html`<p class="cw-compare-caption">${cell.caption ? captionMarkup(pieces) : '(empty)'}</p>
    ${rateRow(cell)}${buttons(USE)}${buttons(others)}
    ${[note, cell.note].filter(Boolean).map((line) => html`<p class="cw-quiet">${line}</p>`)}${same(cell)}${doubts(cell)}${scores(cell)}`;
}

function drawCell() {
  if (!open.sweep) return;
  const cell = cellNow();
  const focused = details.contains(document.activeElement) ? { ...document.activeElement.dataset } : null;
  const where = whereOf(open.sweep, open.at.cell).map(
    ({ title, value }) => html`<span>${title} <b>${value}</b></span>`,
  );
  const missing = html`<p class="cw-quiet">${isFilling() ? 'This caption is not there yet.' : 'This caption was not made.'}</p>${buttons(USE)}`;
  const failed = cell?.error && html`<p class="cw-failed"><b>This caption failed.</b> ${cell.error}</p>${buttons(USE)}`;
  const markup = html`<p class="cw-compare-where-line">${where}</p>${failed || (cell ? doneCell(cell) : missing)}`;
  if (renderChanged(details, markup) && focused) {
    const button = [...details.querySelectorAll('button')].find(
      ({ dataset }) => dataset.do === focused.do && dataset.rate === focused.rate,
    );
    (button ?? details).focus();
  }
}

// Tabs; on a narrow window all of it is a sheet over the lower part

export function choose(name, { isOpen = true } = {}) {
  for (const [other, tab] of Object.entries(tabs)) {
    tab.setAttribute('aria-selected', other === name);
    tab.tabIndex = other === name ? 0 : -1;
    byId(tab.getAttribute('aria-controls')).hidden = other !== name;
  }
  panel.dataset.open = isOpen;
}

for (const [name, tab] of Object.entries(tabs)) {
  tab.addEventListener('click', () => choose(name));
  tab.addEventListener('keydown', (event) => {
    if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
    const other = name === 'cell' ? 'summary' : 'cell';
    choose(other);
    tabs[other].focus();
    event.preventDefault();
  });
}
byId('cw-compare-panel-open').addEventListener('click', () => choose('cell'));
byId('cw-compare-panel-close').addEventListener('click', () => {
  panel.dataset.open = false;
});

strip.addEventListener('click', (event) => {
  const { id } = event.target.closest('button')?.dataset ?? {};
  if (id === undefined) return;
  setWhole(!id);
  if (id) go({ ...open.at, picture: id });
});
details.addEventListener('click', (event) => {
  const { do: name, rate: rating } = event.target.closest('button')?.dataset ?? {};
  const { picture, cell } = open.at;
  if (rating) rate(picture, cell, cellOf(picture, cell).rating === rating ? null : rating);
  else if (name) cellActions(picture, cell)[name]();
});

function drawAll() {
  drawStrip();
  drawPicture();
  drawCell();
}
on('sweep', ({ isNew }) => {
  if (isNew) {
    shownPicture = '';
    choose('cell', { isOpen: false });
  }
  drawAll();
});
on('cell', drawAll);
on('cells', (cells) => {
  if (!open.sweep) return;
  drawStrip();
  if (cells.some(({ picture, cell }) => picture === open.at.picture && cell === open.at.cell)) drawCell();
});
