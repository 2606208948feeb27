// The keyboard, wherever the focus is, and the list of keys.

import { bench, byId } from '../core/elements.js';
import { move, page } from '../set/pictures.js';
import { mark } from '../set/reviewed.js';
import { goToDoubt, hideReason } from './doubts.js';
import { goodNext } from './reviewed.js';
import * as selection from './selection.js';
import { useSuggestion } from './suggestion.js';
import { redo, undo } from './undo.js';

const isText = (target) => target.matches?.('textarea, input:not([type=checkbox], [type=radio], [type=range]), select');
const STEPS = { arrowdown: 1, arrowup: -1 };
const help = byId('cw-help');
const isComparing = () => 'compare' in bench().dataset;

/** What is typed is saved by itself, so the key that saves elsewhere shows what can be saved here. */
function openDownload() {
  byId('cw-download-open').click();
  byId('cw-download').focus();
}

/** Keys that act wherever one is. @returns whether the key was one */
function onThePage(event) {
  const key = event.key.toLowerCase();
  const withControl = event.ctrlKey || event.metaKey;
  if (withControl && !event.shiftKey && key === 'i') byId('cw-overview-open').click();
  else if (withControl && !event.shiftKey && key === 's') openDownload();
  else if (isText(event.target)) return false;
  else if (withControl && (key === 'y' || (key === 'z' && event.shiftKey))) redo();
  else if (withControl && key === 'z') undo();
  else if (withControl) return false;
  else if (key === '?') help.showModal();
  else return false;
  return true;
}

/** Keys that act on the thumbnails and the picture, which must be in sight. @returns whether the key was one */
function onThePictures(event) {
  const key = event.key.toLowerCase();
  const withControl = event.ctrlKey || event.metaKey;
  if (withControl && !event.shiftKey && key in STEPS) move(STEPS[key]);
  else if (withControl && !event.shiftKey && key === 'enter') useSuggestion();
  else if (withControl && key === ' ' && event.shiftKey) mark([page.current], false);
  else if (withControl && key === ' ') goodNext();
  else if (withControl && event.shiftKey && key === 'enter') byId('cw-one').click();
  else if (!withControl && key === 'f8') goToDoubt(event.shiftKey ? -1 : 1);
  else if (key === 'escape' && hideReason()) return true;
  else if (key === 'escape' && document.querySelector(':popover-open'))
    return false; // the browser closes it
  else if (key === 'escape' && event.target.closest?.('.cw-middle') && !event.isComposing)
    byId('cw-grid').focus({ preventScroll: true });
  else if (isText(event.target)) return false;
  else if (withControl && key === 'a' && page.rows.length) selection.all();
  else if (withControl) return false;
  else if (key === 'escape' && page.selection.size) selection.clear();
  else if (key === 'z') byId('cw-look').click();
  else if (key === 'c') byId('cw-compare-open').click();
  else if (key === '/') byId('cw-filter').focus();
  else return false;
  return true;
}

window.addEventListener(
  'keydown',
  (event) => {
    if (event.altKey || document.querySelector('dialog[open]')) return;
    if (!(onThePage(event) || (!isComparing() && onThePictures(event)))) return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);
byId('cw-help-open').addEventListener('click', () => help.showModal());
byId('cw-help-close').addEventListener('click', () => help.close());

// Menus close on a click elsewhere and on Escape.
for (const menu of document.querySelectorAll('.cw-menu')) {
  document.addEventListener('click', (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    event.stopPropagation(); // it ends the menu alone
    menu.open = false;
    menu.querySelector('summary').focus();
  });
}
