// How many CLIP tokens the captions of the set take. The server counts; it is asked once somebody needs the figures, and
// from then on again for captions that changed.

import { announce, on } from '../core/events.js';
import { ask, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { page } from './pictures.js';

const FEW = 10; // so many captions are counted one by one, more of them with the whole set
const AGAIN_AFTER_MS = 400;
const known = new Map(); // by picture: {caption, tokens}
let limit = 75; // as the server says with the first count
let isNeeded = false;
let isAsking = false;

const isCounted = (row) => known.get(row.id)?.caption === row.caption;

async function countFew(rows) {
  for (const { id, caption } of rows) {
    const { tokens, limit: usable } = await ask('count_tokens', { text: caption });
    limit = usable;
    known.set(id, { caption, tokens });
  }
}

async function countAll(rows) {
  const captions = rows.map(({ id, caption }) => [id, caption]);
  const { counts, limit: usable } = await ask('token_counts', { set: page.set });
  limit = usable;
  for (const [id, caption] of captions) if (id in counts) known.set(id, { caption, tokens: counts[id] });
}

async function count() {
  const rows = page.rows.filter((row) => !isCounted(row));
  if (!isNeeded || isAsking || !rows.length) return;
  isAsking = true;
  const isFirst = !known.size;
  try {
    await (rows.length > FEW ? countAll(rows) : countFew(rows));
    announce('counted', { isFirst });
  } catch (error) {
    throwBug(error); // else asked again when the page looks next
  }
  isAsking = false;
}

const countSoon = debounced(AGAIN_AFTER_MS, count);

/** The tokens of a picture's saved caption, the last ones known; undefined until they were counted. */
export const tokensOf = (row) => known.get(row.id)?.tokens;

/** So many tokens trainers read. */
export const tokenLimit = () => limit;

/** Whether all captions that are listed anywhere were counted. */
export const areCounted = () => page.rows.every((row) => known.has(row.id));

/** From now on the figures are wanted; `counted` tells that there are new ones. */
export function needTokens() {
  if (isNeeded) return;
  isNeeded = true;
  count();
}

on('taken', () => {
  if (isNeeded) countSoon();
});
