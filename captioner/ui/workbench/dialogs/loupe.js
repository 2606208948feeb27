// The selected picture over the whole window: fitted into it, or pixel by pixel, to be moved about; arrow keys, buttons
// and swipes go on to the others that are listed.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { captionOf, stateOf } from '../set/captions.js';
import { move, page, pathOf, pictureUrl, rowOf } from '../set/pictures.js';
import { STATES, stateIcon } from '../views/states.js';

const dialog = byId('cw-loupe');
const stage = byId('cw-stage');
const image = byId('cw-loupe-image');
const SWIPE_PX = 40;
const STILL_PX = 6; // a hand that clicks moves so far
const STEP = 0.2; // of the window, by a key
let isWhole = false; // pixel by pixel
let grip = null; // where a mouse or finger went down
let wasMoved = false;

/** Which point of the picture lies under a point of the window, as shares of its sides. */
function shareAt(x, y) {
  const box = image.getBoundingClientRect();
  const within = (share) => Math.min(1, Math.max(0, share));
  return [within((x - box.left) / box.width), within((y - box.top) / box.height)];
}

function centre() {
  const box = stage.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}

/** Moves the picture so that a point of it lies under a point of the window. */
function bring([across, down], [x, y]) {
  const box = image.getBoundingClientRect();
  stage.scrollBy(box.left + across * box.width - x, box.top + down * box.height - y);
}

/** The size as it is to be: one of the picture's pixels is one of the screen's, or all of it is in sight. */
function measure() {
  const row = rowOf.get(page.current);
  if (!row) return;
  const room = [stage.clientWidth / row.width, stage.clientHeight / row.height];
  const own = 1 / devicePixelRatio;
  const scale = isWhole ? own : Math.min(...room);
  image.style.width = `${row.width * scale}px`;
  image.style.height = `${row.height * scale}px`;
  stage.dataset.whole = isWhole;
  byId('cw-loupe-scale').textContent = `${Math.round((100 * scale) / own).toLocaleString()} %`;
  byId('cw-loupe-size').textContent = isWhole ? 'Fit' : '100 %';
}

function load(row) {
  image.style.backgroundImage = `url("${pictureUrl(row.id, 'preview')}")`; // until all pixels have come
  const wanted = pictureUrl(row.id, isWhole ? 'full' : 'preview');
  if (image.getAttribute('src') !== wanted) image.src = wanted;
}

function resize([x, y] = centre()) {
  const point = shareAt(x, y);
  isWhole = !isWhole;
  load(rowOf.get(page.current));
  measure();
  bring(point, [x, y]);
}

function tell() {
  const row = rowOf.get(page.current);
  if (!row) return;
  const state = stateOf(row);
  const caption = captionOf(row);
  image.alt = caption || 'no caption yet';
  byId('cw-loupe-name').textContent = pathOf(row);
  byId('cw-loupe-caption').textContent = caption || 'No caption yet';
  byId('cw-loupe-state').dataset.state = state;
  render(byId('cw-loupe-state'), html`<i>${stateIcon(state)}</i> ${STATES[state].title}`);
  const at = page.shown.indexOf(row);
  byId('cw-loupe-place').textContent = `${(at + 1).toLocaleString()} of ${page.shown.length.toLocaleString()}`;
  byId('cw-loupe-previous').ariaDisabled = at <= 0;
  byId('cw-loupe-next').ariaDisabled = at === page.shown.length - 1;
}

/** Shows the selected picture; what was looked at stays where it is, so that the same places can be compared. */
function show() {
  const row = rowOf.get(page.current);
  if (!row) {
    dialog.close();
    return;
  }
  const point = shareAt(...centre());
  image.removeAttribute('src'); // never one picture under another one's name
  load(row);
  measure();
  if (isWhole) bring(point, centre());
  tell();
}

function open() {
  if (!page.current || dialog.open) return;
  isWhole = false;
  dialog.showModal();
  show();
}

byId('cw-look').addEventListener('click', open);
byId('cw-image').addEventListener('click', () => {
  byId('cw-look').focus({ preventScroll: true }); // which has the focus again afterwards
  open();
});
byId('cw-loupe-close').addEventListener('click', () => dialog.close());
byId('cw-loupe-previous').addEventListener('click', () => move(-1));
byId('cw-loupe-next').addEventListener('click', () => move(1));
byId('cw-loupe-size').addEventListener('click', () => resize());
dialog.addEventListener('close', () => image.removeAttribute('src'));

dialog.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const isButton = event.target.matches('button');
  if (way && event.shiftKey) stage.scrollBy(way[0] * STEP * stage.clientWidth, way[1] * STEP * stage.clientHeight);
  else if (way) move(way[0] + way[1]);
  else if (event.key.toLowerCase() === 'z' || (!isButton && (event.key === ' ' || event.key === 'Enter'))) resize();
  else return;
  event.preventDefault();
});

// A mouse drags the picture, a finger scrolls it as it scrolls anything; fitted, a finger's way across goes on.
stage.addEventListener('pointerdown', (event) => {
  wasMoved = false;
  grip = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop };
  if (event.pointerType === 'mouse' && event.button === 0) stage.setPointerCapture(event.pointerId);
});
stage.addEventListener('pointermove', (event) => {
  if (!grip) return;
  const [across, down] = [event.clientX - grip.x, event.clientY - grip.y];
  wasMoved ||= Math.hypot(across, down) > STILL_PX;
  if (event.pointerType === 'mouse' && isWhole && wasMoved) stage.scrollTo(grip.left - across, grip.top - down);
});
stage.addEventListener('pointerup', (event) => {
  if (!grip) return;
  const [across, down] = [event.clientX - grip.x, event.clientY - grip.y];
  grip = null;
  const isSwipe = event.pointerType !== 'mouse' && !isWhole && Math.abs(across) > Math.max(SWIPE_PX, Math.abs(down));
  if (isSwipe) move(across < 0 ? 1 : -1);
});
stage.addEventListener('pointercancel', () => {
  grip = null;
});
stage.addEventListener('click', (event) => {
  if (!wasMoved) resize([event.clientX, event.clientY]);
});
new ResizeObserver(() => {
  if (dialog.open) measure();
}).observe(stage);

on('selected', () => {
  if (dialog.open) show();
});
for (const event of ['rows', 'edited', 'listed'])
  on(event, () => {
    if (dialog.open) tell();
  });
