// The thumbnails. Only the cells in sight exist as elements, so that 10,000 pictures scroll like 10.

import { bench, byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { stateOf } from '../set/captions.js';
import { hasFolders, page, pathOf, pictureUrl, rowOf } from '../set/pictures.js';
import { isReviewed } from '../set/reviewed.js';
import * as selection from './selection.js';
import { reviewedIcon, STATES, stateIcon } from './states.js';

const box = byId('cw-grid');
const space = box.querySelector('.cw-grid-space');
const cells = new Map();
const shape = { columns: 1, edge: 90, line: 96, isStrip: false };
const GAP = 6;

/** Columns and cell size from the room there is; on narrow screens CSS asks for one sideways strip. */
function measure() {
  const style = getComputedStyle(box);
  shape.isStrip = style.getPropertyValue('--cw-strip').trim() === '1';
  const wanted = parseFloat(style.getPropertyValue('--cw-cell')) || 92;
  if (shape.isStrip) {
    shape.columns = 1;
    shape.edge = wanted;
  } else {
    space.style.width = ''; // a strip's, of which measuring would make columns out of sight
    const width = space.clientWidth;
    shape.columns = Math.max(2, Math.floor((width + GAP) / (wanted + GAP)));
    shape.edge = Math.floor((width - GAP * (shape.columns - 1)) / shape.columns);
  }
  shape.line = shape.edge + GAP;
}

const place = (index) =>
  shape.isStrip
    ? { left: index * shape.line, top: 0 }
    : { left: (index % shape.columns) * shape.line, top: Math.floor(index / shape.columns) * shape.line };

function makeCell(row) {
  const cell = document.createElement('div');
  cell.className = 'cw-cell';
  cell.id = `cw-cell-${row.id}`;
  cell.dataset.id = row.id;
  cell.setAttribute('role', 'option');
  const image = new Image();
  image.alt = '';
  image.decoding = 'async';
  image.draggable = false;
  image.src = pictureUrl(row.id, 'thumbnail');
  const folder = document.createElement('span');
  folder.className = 'cw-cell-folder';
  folder.textContent = row.folder.split('/').at(-1);
  const reviewed = document.createElement('b');
  render(reviewed, reviewedIcon);
  cell.append(image, folder, reviewed, document.createElement('i'));
  return cell;
}

function mark(id) {
  const cell = cells.get(id);
  const row = rowOf.get(id);
  if (!cell || !row) return;
  const state = stateOf(row);
  if (cell.dataset.state !== state) {
    cell.dataset.state = state;
    render(cell.querySelector('i'), stateIcon(state));
  }
  const isCurrent = id === page.current;
  cell.setAttribute('aria-selected', isCurrent || page.selection.has(id));
  cell.classList.toggle('cw-current', isCurrent);
  cell.classList.toggle('cw-picked', page.selection.has(id));
  cell.dataset.reviewed = isReviewed(row);
  const words = `${STATES[state].title}${isReviewed(row) ? ' and reviewed' : ''}`;
  cell.setAttribute('aria-label', `${pathOf(row)}, ${words}`);
  cell.title = `${pathOf(row)} (${words})${row.error ? `: ${row.error}` : ''}`;
}

function draw() {
  const count = page.shown.length;
  const length = Math.ceil(count / shape.columns) * shape.line;
  space.style.width = shape.isStrip ? `${length}px` : '';
  space.style.height = shape.isStrip ? `${shape.edge}px` : `${length}px`;
  const [from, room] = shape.isStrip ? [box.scrollLeft, box.clientWidth] : [box.scrollTop, box.clientHeight];
  const first = Math.max(0, Math.floor(from / shape.line) - 2) * shape.columns;
  const end = Math.min(count, (Math.ceil((from + room) / shape.line) + 2) * shape.columns);
  const wanted = new Set();
  for (let index = first; index < end; index += 1) {
    const row = page.shown[index];
    wanted.add(row.id);
    let cell = cells.get(row.id);
    if (!cell) {
      cell = makeCell(row);
      cells.set(row.id, cell);
      space.append(cell);
    }
    const { left, top } = place(index);
    cell.style.cssText = `left:${left}px;top:${top}px;width:${shape.edge}px;height:${shape.edge}px`;
    cell.setAttribute('aria-posinset', index + 1);
    cell.setAttribute('aria-setsize', count);
    mark(row.id);
  }
  for (const [id, cell] of cells)
    if (!wanted.has(id)) {
      cell.remove();
      cells.delete(id);
    }
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
  const { left, top } = place(index);
  if (shape.isStrip) {
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + shape.edge > box.scrollLeft + box.clientWidth) box.scrollLeft = left + shape.edge - box.clientWidth;
  } else if (top < box.scrollTop) box.scrollTop = top;
  else if (top + shape.edge > box.scrollTop + box.clientHeight) box.scrollTop = top + shape.edge - box.clientHeight + 4;
}

box.addEventListener('scroll', drawSoon, { passive: true });
box.addEventListener('click', (event) => {
  const cell = event.target.closest('.cw-cell');
  if (cell) selection.click(cell.dataset.id, event);
});
box.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const across = shape.isStrip ? 1 : shape.columns;
  const screen = Math.max(1, Math.floor(box.clientHeight / shape.line)) * shape.columns;
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
on('rows', (ids) => {
  for (const id of ids) mark(id);
});
on('edited', mark);
on('reviewed', (ids) => {
  for (const id of ids) mark(id);
});
on('selected', ({ before, id }) => {
  mark(before);
  show(id);
  drawSoon();
  mark(id);
  if (id) box.setAttribute('aria-activedescendant', `cw-cell-${id}`);
  else box.removeAttribute('aria-activedescendant');
});
const legend = ['empty', 'existing', 'generated', 'edited', 'failed'];
render(
  bench().querySelector('.cw-legend'),
  html`${legend.map((name) => html`<li data-state="${name}"><i>${stateIcon(name)}</i>${STATES[name].title}</li>`)}`,
);
on('picked', () => {
  for (const id of cells.keys()) mark(id);
});
measure();
