// The selected picture's caption as models read it, also while it is typed: one question at a time, the newest counts.

import { announce, on } from '../core/events.js';
import { ask, throwBug, Unreachable } from '../core/server.js';
import { textOf } from './captions.js';
import { page, rowOf } from './pictures.js';
import { canJudge, readingOf, takeReading } from './readings.js';

const KNOWN_MS = 30; // then no model is asked
const SELECTED_MS = 300; // of a picture that is passed on the way to another, nothing is asked
const TYPED_MS = 500;
const AGAIN_MS = 600; // while pictures to compare with are looked at
const SETTINGS_MS = 1500; // what settings make of the picture comes first

let found = null; // {id, text, doubts, fillers, said, notes, isStored} or {id, text, error}
let isAsking = false;
let isWanted = false;

function show(told) {
  found = told;
  announce('doubts', found);
}

async function askOnce(id, text, isTyped) {
  try {
    const reply = await ask('reading', { set: page.set, id, text: isTyped ? text : undefined });
    if (reply.entry) takeReading(id, reply.entry);
    if (id !== page.current || isWanted) return;
    show({ ...reply, id, isStored: !!reply.entry && !reply.entry.is_stale });
    if (reply.is_preliminary) plan(AGAIN_MS);
    else if (rowOf.has(id) && reply.text !== textOf(rowOf.get(id))) plan(TYPED_MS); // undone while it was read
  } catch (error) {
    throwBug(error);
    if (id !== page.current || error instanceof Unreachable) return; // asked again with the next change
    show({ id, text, error: error.message });
  }
}

async function look() {
  isWanted = true;
  if (isAsking) return;
  isAsking = true;
  while (isWanted) {
    isWanted = false;
    const row = rowOf.get(page.current);
    const text = row && textOf(row);
    if (!row || !canJudge()) break;
    if (text.trim()) await askOnce(row.id, text, text !== row.text);
    else show(null);
  }
  isAsking = false;
}

let timer = 0; // 0: nothing is to be asked

/** Looks after so long without a key, in the place of what was planned before. */
function plan(wait_ms) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    look();
  }, wait_ms);
}

/** Whether what was found is of the text that stands there now, and kept. */
function isDone() {
  const row = rowOf.get(page.current);
  return !row || (found?.id === row.id && found.text === textOf(row) && (found.isStored || found.error));
}

/** What was found of the selected picture, perhaps of the text before the last key; null until it is. */
export const foundNow = () => found;

on('selected', ({ id }) => {
  show(null);
  const row = rowOf.get(id);
  plan(row && readingOf(row)?.is_stale === false ? KNOWN_MS : SELECTED_MS);
});
on('edited', (id) => {
  if (id === page.current && !isDone()) plan(TYPED_MS);
});
on('rows', (ids) => {
  if (ids.includes(page.current) && !isDone()) plan(TYPED_MS);
});
on('read', ({ isAll }) => {
  if (isAll || !isDone()) plan(TYPED_MS); // other models may be chosen now, or other words be names
});
on('settings', () => {
  if (timer) plan(SETTINGS_MS);
});
