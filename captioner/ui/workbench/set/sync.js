// What changed on the server since the last look: captions that a job or another tab made, and the job's progress.

import { announce, on } from '../core/events.js';
import { notice } from '../core/messages.js';
import { ask, Refused, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { page, takeRows } from './pictures.js';
import * as unsaved from './unsaved.js';

let cursor = null;
let timer = 0;
let isLooking = false;
let isWantedAgain = false;
let isReachable = true;
let isJobRunning = false;

function wait_ms() {
  if (document.hidden) return isJobRunning ? 2000 : 10_000; // its end is said in the title
  if (!isReachable) return 1500;
  return isJobRunning ? 600 : 3000;
}

function plan(wait = wait_ms()) {
  clearTimeout(timer);
  timer = setTimeout(look, wait);
}

async function look() {
  if (!page.set) return;
  if (isLooking) {
    isWantedAgain = true; // the answer on its way may be older than what is asked about
    return;
  }
  isLooking = true;
  try {
    const reply = await ask('changes', { set: page.set, since: cursor });
    if (!isReachable) unsaved.flushAll();
    isReachable = true;
    cursor = reply.cursor;
    takeRows(reply.rows, { whole: reply.whole, removed: reply.removed });
    announce('told', reply);
  } catch (error) {
    throwBug(error);
    if (error instanceof Refused) return;
    isReachable = false;
  } finally {
    isLooking = false;
    plan(isWantedAgain ? 0 : undefined);
    isWantedAgain = false;
  }
}

const warned = new Set();
on('told', (reply) => {
  for (const warning of reply.warnings.filter((text) => !warned.has(text))) {
    warned.add(warning);
    notice('bad', 'A model runs slowly', [warning]);
  }
  for (const text of reply.notices.filter((text) => !warned.has(text))) {
    warned.add(text);
    notice('bad', 'The workspace on the disk', [text]);
  }
});
on('job', ({ isRunning }) => {
  isJobRunning = isRunning;
});
// The answer to a save may be older than what was looked at while it was on its way, settings for instance, which decide
// what stands around a text: then all since it was sent is looked at again.
const sentAt = new Map();
on('sending', (id) => sentAt.set(id, cursor));
on('answered', (id) => {
  const then = sentAt.get(id) ?? cursor;
  sentAt.delete(id);
  if (then === cursor) return;
  cursor = then;
  lookSoon();
});
on('opened', (reply) => {
  cursor = reply.cursor;
  plan();
});

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) plan(0);
});

/** Looks in a moment: something was just asked for that changes rows. */
export const lookSoon = debounced(150, () => plan(0));
