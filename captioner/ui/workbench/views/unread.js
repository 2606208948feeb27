// Reading the captions of the whole set for doubtful words: how many are still to be read, and the job that does it.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { plural } from '../core/text.js';
import { followsScores } from '../set/listing.js';
import { page } from '../set/pictures.js';
import { canJudge, countRead, readAgain, readingOf, unread } from '../set/readings.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { sortBy } from './filter.js';
import { isRunning, takeJob, tellEnd } from './job.js';

const AGAIN_MS = 4000; // while a job reads
let lookedAt = 0;

function show() {
  const waiting = canJudge() ? unread() : [];
  const others = waiting.filter(({ id }) => id !== page.current).length;
  const isWanted = followsScores() || countRead() > waiting.length; // most were read, and these changed since
  byId('cw-unread').hidden = !others || !isWanted || isRunning();
  byId('cw-unread-text').textContent =
    `${plural(waiting.length, 'caption was', 'captions were')} not read for doubtful words.`;
  byId('cw-read-all').hidden = !others || isRunning() || !byId('cw-unread').hidden; // one offer at a time
  byId('cw-read-all').textContent =
    waiting.length === 1 ? 'Read 1 caption' : `Read all ${waiting.length.toLocaleString()} captions`;
}

async function start() {
  if (!(await savedOrTold())) return;
  const reply = await askOrTell('The captions were not read', 'start_reading', { set: page.set });
  if (!reply) return;
  if (reply.job) takeJob(reply.job);
  else readAgain();
  lookSoon();
}

/** How many were read, and how many doubtful words that found. */
async function tellRead({ state, message, done, failed }) {
  const read = plural(done - failed, 'caption', 'captions');
  await readAgain();
  if (state === 'failed') notice('bad', 'Reading stopped', [message]);
  else if (failed) notice('bad', `${read} read, ${failed.toLocaleString()} failed`, [message]);
  else if (state === 'cancelled') brief(`Stopped: ${read} read, they are kept`, [], { stays: true });
  else tellFound(read);
}

function tellFound(read) {
  const doubtful = page.rows.filter((row) => readingOf(row)?.has_doubt).length;
  const first = { text: 'Most doubtful first', run: () => sortBy('doubtful') };
  const have = plural(doubtful, 'of the set has', 'of the set have');
  if (doubtful) brief(`${read} read; ${have} a doubtful word`, [first], { stays: true });
  else brief(`${read} read, no doubtful word`, [], { stays: true });
}

tellEnd('read', tellRead);
for (const id of ['cw-read', 'cw-read-all']) byId(id).addEventListener('click', start);
on('told', ({ job }) => {
  if (job?.kind !== 'read' || !isRunning() || !job.done || Date.now() < lookedAt + AGAIN_MS) return;
  lookedAt = Date.now();
  readAgain();
});
for (const event of ['job', 'read', 'listed', 'selected', 'rows']) on(event, show);
