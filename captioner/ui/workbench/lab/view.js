// Compare in the place of thumbnails, picture and settings: whether it is open, and the way back.

import { bench, byId } from '../core/elements.js';
import { announce } from '../core/events.js';
import './frame.js';

const section = byId('cw-compare');
let before = null; // what had the focus

export const isShown = () => !section.hidden;

export function show() {
  if (isShown()) return;
  before = document.activeElement;
  section.hidden = false;
  bench().dataset.compare = 'true';
  announce('compare', { isShown: true });
}

/** Back to the pictures. */
export function close() {
  if (!isShown()) return;
  section.hidden = true;
  delete bench().dataset.compare;
  announce('compare', { isShown: false });
  const opener = before?.checkVisibility() ? before : byId('cw-grid');
  opener.focus({ preventScroll: true });
}
