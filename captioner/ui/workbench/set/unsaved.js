// Hand edits that are never lost. Each keystroke goes into localStorage first, with the revision the person saw; it is
// saved a moment later and is dropped here only when the server acknowledged exactly that text. What is left over
// (reload, crash, server down) is sent again. Two texts for one picture are never settled without the person.
//
// An entry has its own key, made of set, picture and tab, so that tabs never overwrite each other's entries:
//   {text, base, kind, sent, conflict, isStep, typed}
//   text: what the person wrote; null removes the edit.   base: the revision it was written on.
//   kind: of the captions that were shown then; none once the person chose.
//   sent: texts that went out since the last answer; one of them may be saved although no answer came.
//   conflict: null, or {theirs, revision}: waits for the person's choice; with `unsaved`, theirs is another tab's entry
//   that no server has.
//   isStep: a button made the text, so undo brings back what was typed before.
//   typed: that text, where it could not go out before the button's, since an earlier one is on its way; goes first.

import { announce } from '../core/events.js';
import { ask, Refused, throwBug } from '../core/server.js';
import * as storage from '../core/storage.js';
import { pause } from '../core/timing.js';
import { page, rowOf, takeRows } from './pictures.js';

const SAVE_AFTER_MS = 250;
const RETRY_MS = [500, 1000, 2000, 4000];
const REFUSED_RETRY_MS = 10_000;
const ALIVE_WITHIN_MS = 150; // a tab that lives has answered by then
const SAVED_WITHIN_MS = 4000;
const SENT_LIMIT = 50;
const PREFIX = 'captioner/edit/';

export const tab = Math.random().toString(36).slice(2) + Date.now().toString(36);
const entries = new Map();
const timers = new Map();
const inFlight = new Set();
let failures = 0;
let storageIsFull = false;

const keyOf = (id, owner = tab) => `${PREFIX}${page.set}/${id}/${owner}`;

/** Lets go of everything unsaved of a set that is no more. */
export function forget(set) {
  for (const key of storage.keys(`${PREFIX}${set}/`)) storage.drop(key);
}

function write(id, entry) {
  entries.set(id, entry);
  try {
    storage.write(keyOf(id), JSON.stringify(entry));
    storageIsFull = false;
  } catch {
    storageIsFull = true; // The edit is still sent; only a crash before that could lose it, and the page says so.
  }
}

/** Another tab's entry; null where something else wrote there. */
function read(key) {
  try {
    const left = JSON.parse(storage.read(key));
    return left && 'text' in left && Array.isArray(left.sent) ? left : null;
  } catch {
    return null;
  }
}

function drop(id) {
  entries.delete(id);
  storage.drop(keyOf(id));
}

/**
 * Takes a picture's new text, null to remove the edit; it is stored here at once and sent in a moment.
 * @param {{isStep: boolean}} how isStep: a button made the text, which is a step of its own for undo
 */
export function edit(id, text, { isStep = false } = {}) {
  const row = rowOf.get(id);
  if (!row) return;
  if (isStep) flush(id); // what was typed goes first
  const before = entries.get(id);
  if (before) {
    const isWaiting = isStep && !before.isStep && !before.sent.includes(before.text);
    write(id, { ...before, text, isStep: isStep || before.isStep, typed: isWaiting ? before.text : before.typed });
  } else write(id, { text, base: row.revision, kind: page.kind, sent: [], conflict: null, isStep });
  announce('edited', id);
  later(id, SAVE_AFTER_MS);
}

function later(id, wait_ms) {
  clearTimeout(timers.get(id));
  timers.set(
    id,
    setTimeout(() => flush(id), wait_ms),
  );
}

export async function flush(id) {
  const entry = entries.get(id);
  if (!entry || entry.conflict || inFlight.has(id)) return;
  clearTimeout(timers.get(id));
  inFlight.add(id);
  const { base, kind } = entry;
  const isTypedFirst = entry.typed !== undefined;
  const text = isTypedFirst ? entry.typed : entry.text;
  const isStep = entry.isStep && !isTypedFirst;
  if (!entry.sent.includes(text)) write(id, { ...entry, sent: [...entry.sent.slice(1 - SENT_LIMIT), text] });
  announce('sending', id);
  try {
    const reply = await ask('save_caption', { set: page.set, id, text, base, kind, is_step: !!isStep });
    failures = 0;
    answered(id, text, reply, isStep);
  } catch (error) {
    throwBug(error);
    refusedOrLost(id, error);
  } finally {
    inFlight.delete(id);
    announce('edited', id);
  }
}

function answered(id, text, reply, wasStep) {
  const now = entries.get(id);
  if (reply.row) takeRows([reply.row]);
  announce('answered', id);
  if (reply.ok) {
    const typed = now?.typed === text ? undefined : now?.typed;
    if (!now || (now.text === text && typed === undefined)) drop(id);
    else {
      const isStepNow = now.isStep && !wasStep;
      write(id, {
        ...now,
        base: reply.revision,
        sent: [],
        conflict: null,
        isStep: isStepNow,
        refused: undefined,
        typed,
      });
      later(id, 0);
    }
  } else if (now.sent.includes(reply.conflict) || reply.conflict === now.text) {
    // An earlier text of ours was saved and its answer lost: go on from there.
    write(id, { ...now, base: reply.revision, sent: [], conflict: null, refused: undefined });
    later(id, 0);
  } else write(id, { ...now, conflict: { theirs: reply.conflict ?? reply.row.text, revision: reply.revision } });
}

function refusedOrLost(id, error) {
  const now = entries.get(id);
  if (error instanceof Refused && now.typed !== undefined) {
    write(id, { ...now, typed: undefined }); // it holds up nothing: what came after it may well be taken
    later(id, 0);
    return;
  }
  if (error instanceof Refused) {
    write(id, { ...now, refused: error.message });
    later(id, REFUSED_RETRY_MS);
    return;
  }
  failures += 1;
  later(id, RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
}

/** The person chose between two texts. */
export function settle(id, keepMine) {
  const entry = entries.get(id);
  if (!entry || !entry.conflict) return;
  if (keepMine) {
    write(id, { text: entry.text, base: entry.conflict.revision, sent: [], conflict: null });
    later(id, 0);
  } else if (entry.conflict.unsaved) {
    write(id, { ...entry.conflict.unsaved, refused: undefined });
    later(id, 0);
  } else drop(id);
  announce('settled', id);
  announce('edited', id);
}

// Which tabs are alive is asked over a channel, so that one that still types is not taken for one that died.
const channel = 'BroadcastChannel' in window ? new BroadcastChannel('captioner/tabs') : null;
const alive = new Set();
if (channel)
  channel.addEventListener('message', ({ data }) => {
    if (data.ask && data.set === page.set) channel.postMessage({ here: tab });
    if (data.here) alive.add(data.here);
  });

/** Whether a tab of this set answered when this one opened it; itself too. */
export const isTabAlive = (owner) => owner === tab || alive.has(owner);

/** Whether other tabs keep anything of this set in the browser, whatever it is. */
const isAnythingLeft = () =>
  storage.keys('captioner/').some((key) => key.includes(`/${page.set}/`) && !key.endsWith(`/${tab}`));

/** Takes over the entries that dead tabs left for this set, and sends them; waits for no tab where there are none. */
export async function replay() {
  alive.clear();
  channel?.postMessage({ ask: true, set: page.set });
  if (!isAnythingLeft()) return;
  await pause(ALIVE_WITHIN_MS);
  const start = `${PREFIX}${page.set}/`;
  for (const key of storage.keys(start)) {
    const [id, owner] = key.slice(start.length).split('/');
    if (owner === tab || alive.has(owner)) continue;
    const left = read(key);
    if (!left) continue;
    const mine = entries.get(id);
    if (!mine) write(id, { ...left, refused: undefined });
    else if (mine.text !== left.text) {
      if (mine.conflict) continue; // stays where it is and is asked about when this one is settled and the page loaded
      write(id, { ...mine, conflict: { theirs: left.text ?? '', revision: mine.base, unsaved: left } });
    }
    storage.drop(key);
    if (storageIsFull) write(id, entries.get(id)); // what was dropped left room
    announce('settled', id);
    announce('edited', id);
    later(id, 0);
  }
}

/**
 * Whether everything typed here is saved, after sending what is not; waits a few seconds for it. What was typed on a
 * picture that another tab removed does not count: only undo can bring that picture back.
 */
export async function allSaved() {
  flushAll();
  const isOpen = () => [...entries.keys()].some((id) => rowOf.has(id));
  const until = Date.now() + SAVED_WITHIN_MS;
  while (isOpen() && Date.now() < until) await pause(30);
  return !isOpen();
}

/** A picture's entry, or undefined. */
export const entry = (id) => entries.get(id);

export const ids = () => [...entries.keys()];

export const isFailing = () => failures > 0;

export const isStorageFull = () => storageIsFull;

export function flushAll() {
  for (const id of ids()) flush(id);
}

window.addEventListener('online', flushAll);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) flushAll();
});
