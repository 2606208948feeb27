// Which pictures are listed, and in which order.

import { announce, on } from '../core/events.js';
import { byName } from '../core/text.js';
import { captionOf, stateOf } from './captions.js';
import { page, pathOf } from './pictures.js';

const STATE_ORDER = ['conflict', 'failed', 'empty', 'existing', 'generated', 'edited'];
const ORDERS = {
  folder: null,
  name: (a, b) => byName(a.name, b.name),
  state: (a, b) => STATE_ORDER.indexOf(stateOf(a)) - STATE_ORDER.indexOf(stateOf(b)),
  longest: (a, b) => captionOf(b).length - captionOf(a).length,
  shortest: (a, b) => captionOf(a).length - captionOf(b).length,
};

/** Whether a picture is what the filters ask for. */
export function matches(row) {
  if (page.state && stateOf(row) !== page.state) return false;
  if (page.only && !page.only.ids.has(row.id)) return false;
  if (!page.filter) return true;
  return pathOf(row).toLowerCase().includes(page.filter) || captionOf(row).toLowerCase().includes(page.filter);
}

export const isFiltered = () => !!(page.filter || page.state || page.only);

/**
 * Lists the pictures that match again. Typing alone does not call this, and what the server tells keeps the current
 * picture listed, so that no picture leaves under the hand.
 */
export function refilter({ keepsCurrent = false } = {}) {
  const isListed = (row) => matches(row) || (keepsCurrent && row.id === page.current);
  page.shown = isFiltered() ? page.rows.filter(isListed) : [...page.rows];
  if (ORDERS[page.sort]) page.shown.sort(ORDERS[page.sort]); // stable: equal ones stay in the order of names
  announce('listed');
}

/** Lists some pictures only, until "Show all". @param {string} title what they are */
export function listOnly(ids, title) {
  page.only = { ids: new Set(ids), title };
  refilter();
}

on('taken', ({ isNew }) => {
  if (isNew || page.state) refilter({ keepsCurrent: true });
});
