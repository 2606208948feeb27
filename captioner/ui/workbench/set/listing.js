// Which pictures are listed, and in which order.

import { announce, on } from '../core/events.js';
import { byName } from '../core/text.js';
import { captionOf, stateOf } from './captions.js';
import { glitchOf } from './glitches.js';
import { page, pathOf } from './pictures.js';
import { accepts, parse } from './query.js';
import { scoreOf } from './readings.js';
import { isReviewed } from './reviewed.js';
import { needTokens, tokensOf } from './token_counts.js';

const STATE_ORDER = ['conflict', 'failed', 'empty', 'existing', 'generated', 'edited'];
const ORDERS = {
  folder: null,
  name: (a, b) => byName(a.name, b.name),
  state: (a, b) => STATE_ORDER.indexOf(stateOf(a)) - STATE_ORDER.indexOf(stateOf(b)),
  longest: (a, b) => captionOf(b).length - captionOf(a).length,
  shortest: (a, b) => captionOf(a).length - captionOf(b).length,
  doubtful: (a, b) => (scoreOf(b) ?? -1) - (scoreOf(a) ?? -1),
};

export const isOrder = (name) => Object.hasOwn(ORDERS, name);

let query = parse('');

/** What the text of the filter box asks for, as `parse` gives it. */
export function queryNow() {
  if (query.text !== page.filter) query = parse(page.filter);
  return query;
}

const factsOf = (row) => ({
  path: pathOf(row).toLowerCase(),
  caption: captionOf(row).toLowerCase(),
  name: row.name.toLowerCase(),
  folder: row.folder.toLowerCase(),
  state: stateOf(row),
  tokens: tokensOf(row),
  score: scoreOf(row),
  isReviewed: isReviewed(row),
  isGlitch: !!glitchOf(row),
});

/** Whether a picture is in a state, or has the reviewer's mark, or not. */
function isIn(state, row) {
  if (state === 'reviewed' || state === 'unreviewed') return isReviewed(row) === (state === 'reviewed');
  if (state === 'glitch') return !!glitchOf(row);
  return stateOf(row) === state;
}

/** Whether a picture is what the filters ask for. */
export function matches(row) {
  if (page.state && !isIn(page.state, row)) return false;
  if (page.only && !page.only.ids.has(row.id)) return false;
  return !query.terms.length || accepts(query, factsOf(row));
}

export const isFiltered = () => !!(page.filter || page.state || page.only);

/** Whether what the server tells, beside new texts, may change what is listed. */
const followsServer = () =>
  page.state || ['state', 'reviewed', 'is', 'tokens'].some((field) => query.fields.has(field));

/**
 * Lists the pictures that match again. Typing alone does not call this, and what the server tells keeps the current
 * picture listed, so that no picture leaves under the hand.
 */
export function refilter({ keepsCurrent = false } = {}) {
  if (queryNow().fields.has('tokens')) needTokens();
  const isUnderHand = !page.shown.length || page.shown.some((row) => row.id === page.current);
  const kept = keepsCurrent && (page.place || (isUnderHand && page.current));
  const isListed = (row) => matches(row) || row.id === kept;
  page.shown = isFiltered() ? page.rows.filter(isListed) : [...page.rows];
  if (ORDERS[page.sort]) page.shown.sort(ORDERS[page.sort]); // stable: equal ones stay in the order of names
  announce('listed');
}

/** Whether doubtful words decide what is listed, or in which order. */
export const followsScores = () => page.sort === 'doubtful' || query.fields.has('score');

/** Lists some pictures only, until "Show all". @param {string} title what they are */
export function listOnly(ids, title) {
  page.only = { ids: new Set(ids), title };
  refilter();
}

on('taken', ({ isNew }) => {
  if (isNew || followsServer()) refilter({ keepsCurrent: true });
});
on('reviewed', () => {
  if (followsServer()) refilter({ keepsCurrent: true });
});
// What is read while a person types changes no place in the list.
on('read', ({ isLive }) => {
  if (followsScores() && !isLive) refilter({ keepsCurrent: true });
});
on('counted', ({ isFirst }) => {
  if (query.fields.has('tokens')) refilter({ keepsCurrent: !isFirst });
});
