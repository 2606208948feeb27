// Which pictures a person looked at and found good. A mark shows at once and is sent behind, in the order given; while the
// server is not reached it waits and is sent again.

import { announce } from '../core/events.js';
import { brief, notice } from '../core/messages.js';
import { ask, Refused, throwBug } from '../core/server.js';
import { pause } from '../core/timing.js';
import { page, rowOf, takeRows } from './pictures.js';
import * as unsaved from './unsaved.js';

const RETRY_MS = 1500;
const SENT_WITHIN_MS = 4000;
const queue = []; // {ids, isReviewed}: not answered yet
const wanted = new Map(); // by picture: what the last of them makes of it
let isSending = false;

export const isReviewed = (row) => wanted.get(row.id) ?? !!row.is_reviewed;

export const countReviewed = () => page.rows.filter(isReviewed).length;

async function send() {
  if (isSending) return;
  isSending = true;
  while (queue.length) {
    const { ids, isReviewed: is_reviewed } = queue[0];
    try {
      for (const id of ids) if (unsaved.entry(id)) await unsaved.flush(id); // what was typed first is undone last
      takeRows((await ask('mark_reviewed', { set: page.set, ids, is_reviewed })).rows);
    } catch (error) {
      throwBug(error);
      if (!(error instanceof Refused)) {
        brief('Server not reached; the mark is sent again');
        await pause(RETRY_MS);
        continue;
      }
      notice('bad', 'Not marked as reviewed', [error.message]);
    }
    queue.shift();
    for (const id of ids) if (!queue.some((later) => later.ids.includes(id))) wanted.delete(id);
    announce('reviewed', ids);
  }
  isSending = false;
}

/** Gives pictures the mark or takes it away; those that are so already are passed over. */
export function mark(ids, toBe) {
  const changed = ids.filter((id) => rowOf.has(id) && isReviewed(rowOf.get(id)) !== toBe);
  if (!changed.length) return;
  queue.push({ ids: changed, isReviewed: toBe });
  for (const id of changed) wanted.set(id, toBe);
  announce('reviewed', changed);
  send();
}

/** The next listed picture without the mark, the first ones after the last; undefined where all have it. */
export function nextUnreviewed(besides) {
  const at = page.shown.findIndex((row) => row.id === page.current);
  const onwards = [...page.shown.slice(at + 1), ...page.shown.slice(0, at + 1)];
  return onwards.find((row) => !isReviewed(row) && !besides.includes(row.id));
}

/** Whether the server has all marks, after waiting a few seconds for it. */
export async function allSent() {
  const until = Date.now() + SENT_WITHIN_MS;
  while (queue.length && Date.now() < until) await pause(30);
  return !queue.length;
}
