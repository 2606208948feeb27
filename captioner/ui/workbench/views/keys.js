// The keyboard, wherever the focus is, and the list of keys.

import { byId } from '../core/elements.js';
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

/** What is typed is saved by itself, so the key that saves elsewhere shows what can be saved here. */
function openDownload() {
  byId('cw-download-menu').open = true;
  byId('cw-download').focus();
}

window.addEventListener(
  'keydown',
  (event) => {
    if (event.altKey || document.querySelector('dialog[open]')) return;
    const withControl = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (withControl && !event.shiftKey && key in STEPS) move(STEPS[key]);
    else if (withControl && !event.shiftKey && key === 'enter') useSuggestion();
    else if (withControl && key === ' ' && event.shiftKey) mark([page.current], false);
    else if (withControl && key === ' ') goodNext();
    else if (withControl && event.shiftKey && key === 'enter') byId('cw-one').click();
    else if (withControl && !event.shiftKey && key === 'i') byId('cw-overview-open').click();
    else if (withControl && !event.shiftKey && key === 's') openDownload();
    else if (!withControl && key === 'f8') goToDoubt(event.shiftKey ? -1 : 1);
    else if (key === 'escape' && hideReason());
    else if (key === 'escape' && document.querySelector(':popover-open')) return;
    else if (key === 'escape' && event.target.closest?.('.cw-middle') && !event.isComposing)
      byId('cw-grid').focus({ preventScroll: true });
    else if (isText(event.target)) return;
    else if (withControl && (key === 'y' || (key === 'z' && event.shiftKey))) redo();
    else if (withControl && key === 'z') undo();
    else if (withControl && key === 'a' && page.rows.length) selection.all();
    else if (withControl) return;
    else if (key === 'escape' && page.selection.size) selection.clear();
    else if (key === 'z') byId('cw-look').click();
    else if (key === '/') byId('cw-filter').focus();
    else if (key === '?') help.showModal();
    else return;
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
    if (event.key !== 'Escape') return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
}
