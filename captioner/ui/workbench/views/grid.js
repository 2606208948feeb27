// The pictures on the left, as thumbnails or as a list. Only the cells in sight exist as elements, so that 10,000 pictures
// scroll like 10.

import { bench, byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { hasFolders, page, rowOf } from '../set/pictures.js';
import { makeCell, markCell } from './cells.js';
import * as selection from './selection.js';
import { STATES, stateIcon } from './states.js';

const box = byId('cw-grid');
const space = box.querySelector('.cw-grid-space');
const cells = new Map();
const shape = { columns: 1, width: 90, height: 90, gap: 6, isStrip: false, isList: false };
let isMeasured = false; // out of sight, as for an empty set, there is nothing to measure
const THUMBNAIL_GAP_PX = 6;
const LINE_GAP_PX = 2;
const LINE_PX = 66; // as high as a name and two lines of a caption

/** Lets all cells go, to be made anew as what is shown now. */
function clear() {
  for (const cell of cells.values()) cell.remove();
  cells.clear();
}

/** Columns and cell size from the room there is; on narrow screens CSS asks for one sideways strip. */
function measure() {
  isMeasured = box.clientWidth > 0;
  if (!isMeasured) return;
  const style = getComputedStyle(box);
  shape.isStrip = style.getPropertyValue('--cw-strip').trim() === '1';
  const isList = page.view === 'list' && !shape.isStrip;
  if (isList !== shape.isList) clear();
  shape.isList = isList;
  shape.gap = shape.isList ? LINE_GAP_PX : THUMBNAIL_GAP_PX;
  const usual = parseFloat(style.getPropertyValue('--cw-cell')) || 92;
  if (shape.isStrip) {
    Object.assign(shape, { columns: 1, width: usual, height: usual });
    return;
  }
  space.style.width = ''; // a strip's, of which measuring would make columns out of sight
  const room = space.clientWidth;
  if (shape.isList) {
    Object.assign(shape, { columns: 1, width: room, height: LINE_PX });
    return;
  }
  const wanted = page.size || usual;
  const fewest = page.size ? 1 : 2;
  shape.columns = Math.max(fewest, Math.floor((room + shape.gap) / (wanted + shape.gap)));
  shape.width = Math.floor((room - shape.gap * (shape.columns - 1)) / shape.columns);
  shape.height = shape.width;
}

const line = () => (shape.isStrip ? shape.width : shape.height) + shape.gap;

const place = (index) =>
  shape.isStrip
    ? { left: index * line(), top: 0 }
    : { left: (index % shape.columns) * (shape.width + shape.gap), top: Math.floor(index / shape.columns) * line() };

function mark(id) {
  const cell = cells.get(id);
  const row = rowOf.get(id);
  if (cell && row) markCell(cell, row);
}

const markAll = () => {
  for (const id of cells.keys()) mark(id);
};

/** Gives the box the length of all that is listed, which it can be scrolled through. */
function stretch() {
  const length = `${Math.ceil(page.shown.length / shape.columns) * line()}px`;
  space.style.width = shape.isStrip ? length : '';
  space.style.height = shape.isStrip ? `${shape.height}px` : length;
}

function draw() {
  if (!isMeasured) {
    measure();
    if (!isMeasured) return;
    show(page.current);
  }
  stretch();
  const count = page.shown.length;
  const [from, room] = shape.isStrip ? [box.scrollLeft, box.clientWidth] : [box.scrollTop, box.clientHeight];
  const first = Math.max(0, Math.floor(from / line()) - 2) * shape.columns;
  const end = Math.min(count, (Math.ceil((from + room) / line()) + 2) * shape.columns);
  const wanted = new Set(page.shown.slice(first, end).map((row) => row.id));
  for (const [id, cell] of cells)
    if (!wanted.has(id)) {
      cell.remove();
      cells.delete(id);
    }
  let following = space.firstChild; // the elements are in the order of the pictures, for who hears them read out
  for (let index = first; index < end; index += 1) {
    const row = page.shown[index];
    let cell = cells.get(row.id);
    if (!cell) {
      cell = makeCell(row, shape.isList);
      cells.set(row.id, cell);
    }
    if (cell === following) following = cell.nextSibling;
    else space.insertBefore(cell, following);
    const { left, top } = place(index);
    cell.style.cssText = `left:${left}px;top:${top}px;width:${shape.width}px;height:${shape.height}px`;
    cell.setAttribute('aria-posinset', index + 1);
    cell.setAttribute('aria-setsize', count);
    mark(row.id);
  }
  pointToCurrent();
}

/** Names the current picture's element to readers of screens, while there is one. */
function pointToCurrent() {
  const cell = cells.get(page.current);
  if (cell?.isConnected) box.setAttribute('aria-activedescendant', cell.id);
  else box.removeAttribute('aria-activedescendant');
}

let isDrawingSoon = false;
function drawSoon() {
  if (isDrawingSoon) return;
  isDrawingSoon = true;
  requestAnimationFrame(() => {
    isDrawingSoon = false;
    draw();
  });
}

function show(id) {
  const index = page.shown.findIndex((row) => row.id === id);
  if (index < 0) return;
  stretch();
  const { left, top } = place(index);
  if (shape.isStrip) {
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + shape.width > box.scrollLeft + box.clientWidth)
      box.scrollLeft = left + shape.width - box.clientWidth;
  } else if (top < box.scrollTop) box.scrollTop = top;
  else if (top + shape.height > box.scrollTop + box.clientHeight)
    box.scrollTop = top + shape.height - box.clientHeight + 4;
}

/** After the view or the size of a cell changed. */
export function layOut() {
  bench().dataset.view = page.view;
  box.dataset.view = page.view;
  measure();
  show(page.current);
  drawSoon();
}

box.addEventListener('scroll', drawSoon, { passive: true });
box.addEventListener('click', (event) => {
  const cell = event.target.closest('.cw-cell');
  if (cell) selection.click(cell.dataset.id, event);
});
box.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const across = shape.isStrip ? 1 : shape.columns;
  const screen = Math.max(1, Math.floor(box.clientHeight / line())) * shape.columns;
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -across,
    ArrowDown: across,
    PageUp: -screen,
    PageDown: screen,
    Home: -1e9,
    End: 1e9,
  };
  if (event.key === 'Enter') byId('cw-editor').focus();
  else if (event.key === ' ') selection.toggle(page.current);
  else if (event.key === 'Delete') selection.remove();
  else if (steps[event.key]) selection.step(steps[event.key], event.shiftKey);
  else return;
  event.preventDefault();
});
new ResizeObserver(() => {
  measure();
  drawSoon();
}).observe(box);

on('listed', () => {
  box.dataset.folders = hasFolders();
  drawSoon();
});
for (const event of ['rows', 'reviewed'])
  on(event, (ids) => {
    for (const id of ids) mark(id);
  });
on('edited', mark);
on('counted', markAll);
on('read', ({ isLive }) => (isLive ? mark(page.current) : markAll()));
on('selected', ({ before, id }) => {
  mark(before);
  show(id);
  drawSoon();
  mark(id);
  pointToCurrent();
});
const legend = ['empty', 'existing', 'generated', 'edited', 'failed'];
render(
  bench().querySelector('.cw-legend'),
  html`${legend.map((name) => html`<li data-state="${name}"><i>${stateIcon(name)}</i>${STATES[name].title}</li>`)}`,
);
on('picked', markAll);
layOut();
