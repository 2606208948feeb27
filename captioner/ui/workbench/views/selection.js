// Many pictures at once: ctrl and shift clicks, Ctrl+A, and what can be done with the selection. The picture that is
// shown is always one of its own; the selection is only what bulk actions mean.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { askOrTell, brief } from '../core/messages.js';
import { plural } from '../core/text.js';
import { move, page, select, takeRows } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { startJob } from './job.js';
import { undoAction } from './undo.js';

let anchor = '';

function show() {
  const count = page.selection.size;
  byId('cw-selection').hidden = !count;
  byId('cw-selected').textContent = `${count.toLocaleString()} selected`;
  announce('picked');
}

function range(from, to) {
  const ids = page.shown.map((row) => row.id);
  const [first, last] = [ids.indexOf(from), ids.indexOf(to)].sort((a, b) => a - b);
  page.selection = new Set(first < 0 ? [to] : ids.slice(first, last + 1));
}

export function toggle(id) {
  if (!id) return;
  if (!page.selection.delete(id)) page.selection.add(id);
  anchor = id;
  show();
}

export function clear() {
  page.selection.clear();
  show();
}

/** Removes the selected pictures, or the one that is shown. */
export function remove() {
  return removeThese(page.selection.size ? [...page.selection] : page.current ? [page.current] : []);
}

export async function removeThese(ids) {
  if (!ids.length) return;
  if (!(await savedOrTold())) return;
  const isCurrentGone = ids.includes(page.current);
  const goes = new Set(ids);
  const at = Math.max(
    0,
    page.shown.findIndex((row) => row.id === page.current),
  );
  const before = page.shown.slice(0, at).filter((row) => !goes.has(row.id)).length; // the next one's place afterwards
  const reply = await askOrTell('The pictures were not removed', 'remove_pictures', { set: page.set, ids });
  if (!reply) return;
  takeRows([], { removed: reply.removed });
  if (isCurrentGone && page.shown.length) select(page.shown[Math.min(before, page.shown.length - 1)].id);
  clear();
  brief(`${plural(reply.removed.length, 'picture', 'pictures')} removed`, [undoAction]);
  lookSoon();
}

byId('cw-caption-selected').addEventListener('click', () => startJob([...page.selection]));
byId('cw-remove').addEventListener('click', remove);
byId('cw-unselect').addEventListener('click', clear);
on('listed', () => {
  if (page.selection.size) show();
});

/** What a click on a thumbnail means, with the keys that were held. */
export function click(id, event) {
  if (event.ctrlKey || event.metaKey) {
    toggle(id);
    return;
  }
  if (event.shiftKey) range(anchor || page.current, id);
  else {
    anchor = id;
    page.selection.clear();
  }
  select(id);
  show();
}

/** Moves through the listed pictures; as a range, all from where it began are selected. */
export function step(count, isRange) {
  const from = anchor || page.current;
  move(count);
  if (isRange) range(from, page.current);
  else {
    anchor = page.current;
    page.selection.clear();
  }
  show();
}

export function all() {
  page.selection = new Set(page.shown.map((row) => row.id));
  show();
}
