// The set this page shows: its pictures as the server last told them, which are listed, which one is selected. Knows no
// unsaved edit, and not by what the list is filtered.

import { announce, on } from '../core/events.js';
import { byName } from '../core/text.js';

export const page = {
  set: new URLSearchParams(location.search).get('set') || '',
  rows: [],
  shown: [],
  current: '',
  place: '', // the picture that is to be shown once it is here: where the person was
  filter: '',
  state: '',
  sort: 'folder',
  view: 'grid', // or list
  size: 0, // of a thumbnail in pixels; 0: as the window's width has it
  only: null, // {ids, title}: what a click in the overview asked for
  selection: new Set(),
  settings: null,
  kind: '', // of the captions that are shown; '' is the main one
  isGone: false,
  isChosen: false, // by the person, not because it came first
};
export const rowOf = new Map();

/** A picture as it is named to the person: with its folder, so that equal names are told apart. */
export const pathOf = ({ folder, name }) => (folder ? `${folder}/${name}` : name);

const inOrder = (a, b) => byName(a.folder, b.folder) || byName(a.name, b.name) || (a.id < b.id ? -1 : 1);

/** Whether the set has pictures in more than one folder. */
export const hasFolders = () => page.rows.some((row) => row.folder !== page.rows[0].folder);

export const pictureUrl = (id, size) =>
  `sets/${encodeURIComponent(page.set)}/pictures/${encodeURIComponent(id)}/${size}`;

/** Takes rows from the server: all of the set, or only those that changed. */
export function takeRows(rows, { whole = false, removed = [] } = {}) {
  const held = whole ? new Map(rowOf) : rowOf;
  if (whole) {
    page.rows = [];
    rowOf.clear();
    page.selection.clear();
  }
  let isNew = whole || removed.length > 0;
  for (const id of removed) {
    rowOf.delete(id);
    page.selection.delete(id);
  }
  if (removed.length) page.rows = page.rows.filter((row) => rowOf.has(row.id));
  for (const row of rows) {
    const known = rowOf.get(row.id);
    const newest = held.get(row.id);
    const isOvertaken = newest && row.revision < newest.revision; // by a later answer
    if (known && isOvertaken) continue;
    if (known) Object.assign(known, row);
    else {
      const taken = isOvertaken ? newest : row;
      rowOf.set(row.id, taken);
      page.rows.push(taken);
      isNew = true;
    }
  }
  if (isNew) page.rows.sort(inOrder);
  announce('taken', { isNew });
  announce(
    'rows',
    rows.map((row) => row.id),
  );
  if (rowOf.has(page.place)) {
    const { place } = page;
    page.place = '';
    select(place);
  } else if (!rowOf.has(page.current)) select(page.shown.length ? page.shown[0].id : '', false);
}

export function select(id, byPerson = true) {
  page.isChosen ||= byPerson;
  if (id === page.current && id) return;
  const before = page.current;
  page.current = id;
  announce('selected', { before, id });
}

/** Moves to another of the listed pictures, so many places on; stays at the ends. */
export function move(count) {
  const at = page.shown.findIndex((row) => row.id === page.current);
  const next = at < 0 ? 0 : Math.min(page.shown.length - 1, Math.max(0, at + count));
  if (page.shown[next]) select(page.shown[next].id);
}

// Until the person picks one, the first in order is selected, whichever came first over the wire.
on('edited', () => {
  page.isChosen = true;
});
on('uploaded', () => {
  if (!page.isChosen && page.shown.length) select(page.shown[0].id, false);
});
