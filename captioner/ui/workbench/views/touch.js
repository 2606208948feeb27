// What fingers do: a long press on a thumbnail selects it, and taps add to the selection from then on; a swipe over the
// picture goes to the next or the previous one.

import { byId } from '../core/elements.js';
import { move, page } from '../set/pictures.js';
import * as selection from './selection.js';

const PRESS_MS = 500;
const STILL_PX = 10; // a finger that moved farther scrolls
const SWIPE_PX = 45;

const grid = byId('cw-grid');
const frame = byId('cw-image').parentElement;
const finger = { isDown: false, x: 0, y: 0, pressing: 0, hasPressed: false };
let isTouch = false; // what pointed last

const isFar = ({ clientX, clientY }, limit_px) => Math.hypot(clientX - finger.x, clientY - finger.y) > limit_px;

function press(cell) {
  finger.hasPressed = true;
  selection.toggle(cell.dataset.id);
  navigator.vibrate?.(12);
}

function letGo() {
  clearTimeout(finger.pressing);
  finger.isDown = false;
}

grid.addEventListener('pointerdown', (event) => {
  isTouch = event.pointerType === 'touch';
  finger.hasPressed = false;
  const cell = event.target.closest('.cw-cell');
  if (!isTouch || !cell) return;
  [finger.x, finger.y] = [event.clientX, event.clientY];
  clearTimeout(finger.pressing);
  // Where the page was busy, a finger may be up by now: what it did is heard before the second wait ends.
  finger.pressing = setTimeout(() => {
    finger.pressing = setTimeout(press, 30, cell);
  }, PRESS_MS);
});
grid.addEventListener('pointermove', (event) => {
  if (isFar(event, STILL_PX)) clearTimeout(finger.pressing);
});
for (const end of ['pointerup', 'pointercancel']) grid.addEventListener(end, letGo);
grid.addEventListener('contextmenu', (event) => {
  if (isTouch) event.preventDefault(); // the picture's own menu, which a long press asks for
});
grid.addEventListener(
  'click',
  (event) => {
    const cell = event.target.closest('.cw-cell');
    if (!isTouch || !cell || !(finger.hasPressed || page.selection.size)) return;
    event.stopPropagation();
    if (!finger.hasPressed) selection.toggle(cell.dataset.id);
    finger.hasPressed = false;
  },
  true,
);

frame.addEventListener('pointerdown', (event) => {
  finger.isDown = event.pointerType === 'touch' && event.isPrimary;
  [finger.x, finger.y] = [event.clientX, event.clientY];
});
frame.addEventListener('pointerup', (event) => {
  if (!finger.isDown) return;
  letGo();
  const [right, down] = [event.clientX - finger.x, event.clientY - finger.y];
  if (Math.abs(right) > SWIPE_PX && Math.abs(right) > 1.5 * Math.abs(down)) move(right < 0 ? 1 : -1);
});
frame.addEventListener('pointercancel', letGo);
