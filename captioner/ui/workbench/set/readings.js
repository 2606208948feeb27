// What models said of the captions that are there: how doubtful the worst word of each is. The server keeps it and says
// which of it is stale; a caption that changed here counts as not read until the server was asked again.

import { announce, on } from '../core/events.js';
import { ask, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { textOf } from './captions.js';
import { page, rowOf } from './pictures.js';

const AFTER_MS = 500; // the pictures come first
const FEW = 50; // changed captions that are asked about by name
const NAMES = ['prefix', 'suffix', 'subject_name', 'replace', 'replace_text'];

const known = new Map(); // by picture: {text, ...entry as the server gives it}
const changed = new Set();
let isJudged = false; // whether any model of the settings can read
let isLoaded = false;
let isAsking = false;
let isAllWanted = false;

function take(id, entry) {
  const row = rowOf.get(id);
  if (row) known.set(id, { text: row.text, ...entry });
}

async function askAll() {
  isAllWanted = false;
  changed.clear();
  const reply = await ask('readings', { set: page.set });
  isJudged = reply.can_judge;
  isLoaded = true;
  known.clear();
  for (const [id, entry] of Object.entries(reply.readings)) take(id, entry);
}

async function askChanged() {
  const ids = [...changed].filter((id) => rowOf.has(id));
  changed.clear();
  if (!ids.length) return;
  const { readings } = await ask('readings', { set: page.set, ids });
  for (const id of ids) {
    known.delete(id);
    if (readings[id]) take(id, readings[id]);
  }
}

async function look() {
  if (isAsking || !page.set) return;
  isAsking = true;
  try {
    const isAll = isAllWanted || !isLoaded || changed.size > FEW;
    await (isAll ? askAll() : askChanged());
    announce('read', { isLive: false, isAll });
  } catch (error) {
    throwBug(error); // else asked again with the next change
  }
  isAsking = false;
  if (isAllWanted || changed.size) lookSoon();
}

const lookSoon = debounced(AFTER_MS, look);

/** Asks about the whole set anew: a job read it, or other models are chosen. */
export function readAgain() {
  isAllWanted = true;
  return look();
}

/** What came of reading one caption just now. @param entry with the text that it is of: the row may be another by now */
export function takeReading(id, entry) {
  take(id, entry);
  if (known.get(id)?.text === rowOf.get(id)?.text) changed.delete(id);
  announce('read', { isLive: true, isAll: false });
}

/** Whether a model of the settings can read; false until the server said so. */
export const canJudge = () => isJudged;

/** What is known of a picture's caption as it is: {score, false_words, of_words, has_doubt, is_stale}; else undefined. */
export function readingOf(row) {
  const entry = known.get(row.id);
  return entry && entry.score !== undefined && entry.text === textOf(row) ? entry : undefined;
}

/** How doubtful the worst word is, 0 to 1; -1 where the caption was not read, undefined until the server was asked. */
export const scoreOf = (row) => (isLoaded ? (readingOf(row)?.score ?? -1) : undefined);

/** The pictures whose captions are to be read, by other models where the settings name others now. */
export const unread = () =>
  page.rows.filter((row) => row.text.trim() && !row.is_damaged && (readingOf(row)?.is_stale ?? true));

/** How many captions were read as they are. */
export const countRead = () => page.rows.filter(readingOf).length;

/** The part of the settings that decides who reads, and which words are names. */
const matters = (values) =>
  JSON.stringify(
    Object.entries(values).filter(
      ([name]) => name.endsWith('_on') || Object.hasOwn(values, `${name}_on`) || NAMES.includes(name),
    ),
  );

let settings = '';
on('settings', ({ values, isFirst }) => {
  const now = matters(values);
  if (now !== settings && !isFirst) isAllWanted = true;
  settings = now;
});
on('stored', () => {
  if (isAllWanted) lookSoon();
});
on('opened', lookSoon);
on('rows', (ids) => {
  for (const id of ids) if (known.has(id)) changed.add(id);
  if (changed.size) lookSoon();
});
