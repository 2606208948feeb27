// The comparison that is open: what the server told of it, which cell the keys act on, and its ratings. Takes hold of no
// element. It is read again and again while it fills, and afterwards each time the set may have changed.

import { announce, on } from '../core/events.js';
import { askOrTell, notice } from '../core/messages.js';
import { ask, Refused, throwBug } from '../core/server.js';
import { debounced, pause } from '../core/timing.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';
import { neighbour } from './layout.js';

const LOOK_MS = 120;
const RETRY_MS = 1500;
const SUM_MS = 250;

export const open = {
  sweep: null, // as `read_sweep` tells it; null where none is open
  cells: new Map(), // key -> cell
  groups: {}, // picture -> letter -> why its captions are equal
  summary: null,
  colour: 'rating', // or a score's name
  isWhole: false, // all pictures, one below the other
  at: { picture: '', cell: 0 },
};

let id = '';
let cursor = null;
let isLooking = false;
let isWantedAgain = false;
let waiting = 0; // ratings on their way: what the server says of ratings then is older

const keyOf = (picture, cell) => `${picture}/${cell}`;

/** A cell as the server told it, undefined while it is not there yet. */
export const cellOf = (picture, cell) => open.cells.get(keyOf(picture, cell));

export const cellNow = () => cellOf(open.at.picture, open.at.cell);

export const isFilling = () => ['waiting', 'running'].includes(open.sweep?.state);

export const pictureIds = () => open.sweep.pictures.map((picture) => picture.id);

export const pictureOf = (picture) => open.sweep.pictures.find((one) => one.id === picture);

/** Lets go of the open comparison. */
export function leave() {
  id = '';
  cursor = null;
  Object.assign(open, { sweep: null, cells: new Map(), groups: {}, summary: null, colour: 'rating', isWhole: false });
  announce('sweep', { isNew: true });
}

/** Opens a comparison of the set by its id. @returns whether it is there; else the person was told */
export async function show(wanted) {
  leave();
  id = wanted;
  return look();
}

function take(reply) {
  const isNew = open.sweep?.id !== reply.sweep.id;
  open.sweep = reply.sweep;
  cursor = reply.cursor;
  Object.assign(open.groups, reply.groups);
  if (isNew) open.at = { picture: pictureIds()[0], cell: reply.sweep.base_cell };
  for (const cell of reply.cells) {
    const known = cellOf(cell.picture, cell.cell);
    open.cells.set(keyOf(cell.picture, cell.cell), waiting && known ? { ...cell, rating: known.rating } : cell);
  }
  announce('sweep', { isNew });
  if (reply.cells.length) {
    announce('cells', reply.cells);
    sumSoon();
  }
}

/** Reads what is new, once at a time, and goes on while the comparison fills. */
async function look() {
  if (!id) return false;
  isWantedAgain = isLooking;
  if (isLooking) return true;
  isLooking = true;
  const asked = id;
  let wait_ms = LOOK_MS;
  try {
    const reply = await ask('read_sweep', { set: page.set, sweep: id, since: cursor });
    if (asked === id) take(reply);
  } catch (error) {
    throwBug(error);
    wait_ms = RETRY_MS;
    if (error instanceof Refused && asked === id) {
      leave();
      notice('bad', 'The comparison cannot be shown', [error.message]);
      return false;
    }
  } finally {
    isLooking = false;
    if (isWantedAgain || asked !== id || isFilling() || wait_ms === RETRY_MS) again(isWantedAgain ? 0 : wait_ms);
  }
  return true;
}

async function again(wait_ms) {
  await pause(wait_ms);
  look();
}

const sumSoon = debounced(SUM_MS, async () => {
  const asked = id;
  if (!asked) return;
  try {
    const summary = await ask('sweep_summary', { set: page.set, sweep: asked });
    if (asked !== id) return;
    open.summary = summary;
    announce('summed');
  } catch (error) {
    throwBug(error); // the next change asks again
  }
});

/** The keys act on another cell. @param {{picture: string, cell: number}} at */
export function go(at) {
  const before = open.at;
  open.at = at;
  announce('cell', { before });
}

/** By an arrow; over the edge to the next picture. @returns whether there was somewhere to go */
export function step(right, down) {
  const to = neighbour(open.sweep, pictureIds(), open.at, right, down);
  const isMoved = to.picture !== open.at.picture || to.cell !== open.at.cell;
  if (isMoved) go(to);
  return isMoved;
}

/** Shows all pictures one below the other, or the chosen cell's alone. */
export function setWhole(isWhole) {
  open.isWhole = isWhole;
  announce('cell', { before: open.at });
}

/** Another colouring: "rating" or a score's name. */
export function colourBy(name) {
  open.colour = name;
  announce('cells', [...open.cells.values()]);
  announce('sweep', { isNew: false });
}

/** @param {string} text a caption without prefix and suffix, which is what a rating is of */
function paint(picture, text, rating) {
  const same = [...open.cells.values()].filter(
    (cell) => cell.picture === picture && cell.caption !== null && cell.text === text,
  );
  for (const cell of same) cell.rating = rating;
  announce('cells', same);
}

/**
 * Rates the caption of a cell, wherever the picture has it; null takes the rating back. It shows at once; where the server
 * refuses, what it has is read again.
 */
export async function rate(picture, cell, rating) {
  const found = cellOf(picture, cell);
  if (!found || found.caption === null || found.rating === rating) return;
  paint(picture, found.text, rating);
  waiting += 1;
  const request = { set: page.set, sweep: id, picture, cell, rating };
  const reply = await inTurn(() => askOrTell('The rating was not stored', 'rate', request));
  waiting -= 1;
  if (!reply) cursor = null;
  if (!waiting) look();
  sumSoon();
  lookSoon(); // undo has a new name
}

/** Makes what is not there yet, and what failed, again. */
export async function goOn() {
  const reply = await askOrTell('The comparison does not go on', 'continue_sweep', { set: page.set, sweep: id });
  if (!reply) return;
  lookSoon();
  look();
}

/** Whether the person's ratings are to make the probabilities. */
export async function useSlope(isUsed) {
  const reply = await inTurn(() =>
    askOrTell('The probabilities stay as they were', 'use_slope', { set: page.set, is_used: isUsed }),
  );
  if (!reply) return;
  cursor = null;
  look();
  sumSoon();
  lookSoon();
}

on('told', () => look()); // an undo, another tab
