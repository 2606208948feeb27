// The open comparison as a grid: the axes' values as heads, captions as cells that fill in. One cell is in the page's tab
// order; arrows move, 1, 2 and 3 rate, 0 takes a rating back.

import './frame.js';
import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render, renderChanged } from '../core/html.js';
import { pictureUrl } from '../set/pictures.js';
import { cellMarkup, headMarkup, labelOf, paintOf, scaleNow } from './cells.js';
import { columnCount, rowsOf } from './layout.js';
import { openCellMenu, openValueMenu } from './menus.js';
import { choose } from './panel.js';
import { cellOf, go, open, pictureIds, pictureOf, rate, step } from './sweep.js';

const FEW_ROWS = 3; // which have the room for whole captions
const box = byId('cw-compare-table');
let drawnFor = '';

const shown = () => (open.isWhole ? pictureIds() : [open.at.picture]);

const groupOf = (picture) => [...box.querySelectorAll('[data-group]')].find((one) => one.dataset.group === picture);

const elementOf = ({ picture, cell }) => groupOf(picture)?.querySelector(`[data-cell="${cell}"]`);

// Drawing

const lineTitles = (sweep) =>
  sweep.axes
    .slice(1)
    .map(({ title }) => title)
    .join(', ');

function headRow(sweep) {
  const heads = sweep.axes[0].values.map(
    (_, place) => html`<div role="columnheader" class="cw-compare-column" data-column="${place}"></div>`,
  );
  const hasRows = sweep.axes.length > 1;
  return html`<div role="row" class="cw-compare-row">
    ${open.isWhole ? html`<div role="columnheader" class="cw-compare-corner cw-compare-picture-column">Picture</div>` : ''}
    ${hasRows ? html`<div role="columnheader" class="cw-compare-corner"><span class="cw-offscreen">${lineTitles(sweep)}</span></div>` : ''}${heads}</div>`;
}

function pictureHead(picture, rows) {
  const { name, is_gone: isGone } = pictureOf(picture);
  const image = isGone ? '' : html`<img src="${pictureUrl(picture, 'thumbnail')}" alt="" loading="lazy">`;
  return html`<div role="rowheader" class="cw-compare-picture" aria-rowspan="${rows}" style="grid-row: span ${rows}"><span>${image}<b>${name}</b></span></div>`;
}

const rowHead = (sweep, row) =>
  sweep.axes.length > 1 ? html`<div role="rowheader" class="cw-compare-line" data-row="${row}"></div>` : '';

function pictureRows(sweep, picture) {
  const rows = rowsOf(sweep);
  const lines = sweep.axes[1]?.values.length ?? 1; // rows of each value of a third axis
  return html`<div role="rowgroup" class="cw-compare-group" data-group="${picture}" aria-label="${pictureOf(picture).name}">${rows.map(
    (cells, row) => html`<div role="row" class="cw-compare-row" data-begins="${row > 0 && row % lines === 0}">
      ${open.isWhole && row === 0 ? pictureHead(picture, rows.length) : ''}${rowHead(sweep, row)}${cells.map(
        (cell) => html`<div role="gridcell" class="cw-compare-cell" tabindex="-1" data-cell="${cell}"></div>`,
      )}</div>`,
  )}</div>`;
}

function drawWhole() {
  const { sweep } = open;
  const wanted = sweep ? `${sweep.id} ${shown().join(' ')} ${open.isWhole}` : '';
  if (wanted === drawnFor) return;
  drawnFor = wanted;
  if (!sweep) {
    render(box, html``);
    return;
  }
  const rows = rowsOf(sweep).length;
  box.setAttribute('aria-label', `Captions by ${sweep.axes.map(({ title }) => title).join(' and ')}`);
  box.style.setProperty('--cw-columns', sweep.axes[0].values.length);
  box.style.setProperty('--cw-lines', rows > FEW_ROWS ? 5 : 12);
  box.dataset.heads = `${open.isWhole ? 'picture ' : ''}${sweep.axes.length > 1 ? 'line' : ''}`.trim();
  render(
    box,
    html`<div role="rowgroup" class="cw-compare-heads">${headRow(sweep)}</div>${shown().map((picture) => pictureRows(sweep, picture))}`,
  );
  const scale = scaleNow();
  for (const { picture, cell } of inSight()) drawCell(picture, cell, scale);
  drawHeads();
  markCurrent();
}

function drawCell(picture, cell, scale) {
  const element = elementOf({ picture, cell });
  if (!element) return;
  const hadFocus = element.contains(document.activeElement);
  const found = cellOf(picture, cell);
  const { rating, shade } = paintOf(found, scale);
  element.setAttribute('aria-label', labelOf(found, cell));
  element.dataset.rating = rating ?? '';
  element.dataset.base = cell === open.sweep.base_cell;
  element.dataset.state = found ? (found.error ? 'failed' : 'done') : 'waiting';
  element.classList.toggle('cw-shaded', shade !== null);
  element.style.setProperty('--cw-shade', shade ?? 0);
  if (renderChanged(element, cellMarkup(found, cell)) && hadFocus) element.focus({ preventScroll: true });
}

function drawHeads() {
  const { sweep } = open;
  const rows = rowsOf(sweep);
  const [column, row] = [sweep.base_cell % columnCount(sweep), Math.floor(sweep.base_cell / columnCount(sweep))];
  const lineAxes = sweep.axes
    .map((_, axis) => axis)
    .slice(1)
    .reverse();
  for (const head of box.querySelectorAll('[data-column]')) {
    const cells = rows.map((line) => line[+head.dataset.column]);
    renderChanged(head, headMarkup(cells, cells[row], [0]));
  }
  for (const head of box.querySelectorAll('[data-row]')) {
    const cells = rows[+head.dataset.row];
    renderChanged(head, headMarkup(cells, cells[column], lineAxes));
  }
}

const inSight = () =>
  shown().flatMap((picture) =>
    rowsOf(open.sweep)
      .flat()
      .map((cell) => ({ picture, cell })),
  );

function drawCells(cells) {
  if (!open.sweep) return;
  const scale = scaleNow();
  for (const { picture, cell } of scale ? inSight() : cells) drawCell(picture, cell, scale); // a new value moves all shades
  drawHeads();
  markCurrent();
}

/** Which cell is in the tab order, and which others have its caption. */
function markCurrent() {
  for (const old of box.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
  const now = cellOf(open.at.picture, open.at.cell);
  for (const element of box.querySelectorAll('[data-cell]')) {
    const picture = element.closest('[data-group]').dataset.group;
    const found = cellOf(picture, +element.dataset.cell);
    const isSame = !!now?.group && picture === now.picture && found?.group === now.group;
    element.dataset.same = isSame;
    const isCurrent = picture === open.at.picture && +element.dataset.cell === open.at.cell;
    element.dataset.current = isCurrent;
    if (isCurrent) element.tabIndex = 0;
  }
}

/** Puts the focus on the cell that the keys act on. @param {boolean} isInSight else it may lie below what is shown */
export function focusCell(isInSight = true) {
  elementOf(open.at)?.focus({ preventScroll: true });
  if (isInSight) elementOf(open.at)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

// Keys and clicks

const placeOf = (element) => {
  const cell = element.closest('[data-cell]');
  return cell && { picture: cell.closest('[data-group]').dataset.group, cell: +cell.dataset.cell };
};

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const RATES = { 1: 'green', 2: 'yellow', 3: 'red', 0: null };

function toEdge(isEnd, isOfAll) {
  const rows = rowsOf(open.sweep);
  const row = rows.find((cells) => cells.includes(open.at.cell));
  const line = isOfAll ? rows.flat() : row;
  go({ picture: open.at.picture, cell: line.at(isEnd ? -1 : 0) });
}

function act(event) {
  const { key } = event;
  const { picture, cell } = open.at;
  if (event.altKey ? key === 'ArrowDown' : key === 'ContextMenu' || (key === 'F10' && event.shiftKey))
    openCellMenu(elementOf(open.at), picture, cell);
  else if (event.altKey || event.metaKey || (event.ctrlKey && !['Home', 'End'].includes(key))) return false;
  else if (ARROWS[key]) step(...ARROWS[key]);
  else if (key === 'Home' || key === 'End') toEdge(key === 'End', event.ctrlKey);
  else if (Object.hasOwn(RATES, key)) rate(picture, cell, RATES[key]);
  else if (key === 'Enter') openCellMenu(elementOf(open.at), picture, cell);
  else return false;
  return true;
}

box.addEventListener('keydown', (event) => {
  if (!event.target.matches('[role=gridcell]')) return;
  if (act(event)) {
    event.preventDefault();
    if (!event.altKey) focusIfMoved(event.key);
  }
});

const focusIfMoved = (key) => {
  if (ARROWS[key] || key === 'Home' || key === 'End') focusCell();
};

box.addEventListener('focusin', (event) => {
  const place = placeOf(event.target);
  if (place && (place.picture !== open.at.picture || place.cell !== open.at.cell)) go(place);
});

box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const place = placeOf(event.target);
  if (button?.dataset.meant) openValueMenu(button, +button.dataset.meant);
  else if (button?.dataset.rate && place) {
    go(place);
    const isOn = button.getAttribute('aria-pressed') === 'true';
    rate(place.picture, place.cell, isOn ? null : button.dataset.rate);
    focusCell();
  } else if (button && place) openCellMenu(button, place.picture, place.cell);
  else if (place && byId('cw-compare-panel-open').checkVisibility()) choose('cell'); // where the details are a sheet
});
box.addEventListener('contextmenu', (event) => {
  const place = placeOf(event.target);
  if (!place || getSelection().toString()) return;
  event.preventDefault();
  go(place);
  openCellMenu(elementOf(place), place.picture, place.cell);
});

on('sweep', drawWhole);
on('cells', drawCells);
on('summed', () => open.sweep && drawHeads());
on('cell', () => {
  drawWhole();
  markCurrent();
});
