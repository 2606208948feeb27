// Where a person was in a set, kept in this browser: the picture, what is listed, and how. The next day begins there.

import { on } from '../core/events.js';
import * as storage from '../core/storage.js';
import { isOrder } from './listing.js';
import { page, pathOf, rowOf } from './pictures.js';
import { STATE_WORDS } from './states.js';

const PREFIX = 'captioner/place/';
const STATES = ['', ...Object.keys(STATE_WORDS), 'reviewed', 'unreviewed'];
const MAX_LENGTH = 1000;

const isText = (value) => typeof value === 'string' && value.length <= MAX_LENGTH;

/** Of what was kept, what can be taken up again. */
const CHECKS = {
  filter: isText,
  state: (value) => STATES.includes(value),
  sort: isOrder,
  view: (value) => ['grid', 'list'].includes(value),
  size: (value) => Number.isFinite(value) && value >= 0 && value <= 400,
};

/** Where the person was in a set: {id, name, ...} of the picture and of the list; null where nothing was kept. */
export function placeIn(set) {
  try {
    const kept = JSON.parse(storage.read(PREFIX + set));
    return kept && isText(kept.id) && isText(kept.name) ? kept : null;
  } catch {
    return null;
  }
}

/** Forgets a set. */
export const forgetPlace = (set) => storage.drop(PREFIX + set);

let last = '';

function keep() {
  const row = rowOf.get(page.current);
  if (!page.set || !row) return;
  const listed = Object.fromEntries(Object.keys(CHECKS).map((name) => [name, page[name]]));
  const text = JSON.stringify({ id: row.id, name: pathOf(row), ...listed });
  if (text === last) return;
  last = text;
  storage.note(PREFIX + page.set, text);
}

const kept = page.set && placeIn(page.set);
if (kept) {
  page.place = kept.id;
  for (const [name, isGood] of Object.entries(CHECKS)) if (isGood(kept[name])) page[name] = kept[name];
}
on('selected', keep);
on('listed', keep);
on('viewed', keep);
