// Reading the captions of the whole set for doubtful words: how many are still to be read, and the job that does it.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell, brief } from '../core/messages.js';
import { plural } from '../core/text.js';
import { followsScores } from '../set/listing.js';
import { page } from '../set/pictures.js';
import { canJudge, countRead, readAgain, readingOf, unread } from '../set/readings.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { sortBy } from './filter.js';
import { isRunning, jobNow, takeJob } from './job.js';

const AGAIN_MS = 4000; // while a job reads
let reading = ''; // the job that goes on
let lookedAt = 0;

function show() {
  const waiting = canJudge() ? unread() : [];
  const others = waiting.filter(({ id }) => id !== page.current).length;
  const isWanted = followsScores() || countRead() > waiting.length; // most were read, and these changed since
  byId('cw-unread').hidden = !others || !isWanted || isRunning();
  byId('cw-unread-text').textContent =
    `${plural(waiting.length, 'caption was', 'captions were')} not read for doubtful words.`;
  byId('cw-read-all').hidden = !others || isRunning();
  byId('cw-read-all').textContent = `Read all ${plural(waiting.length, 'caption', 'captions')}`;
}

async function start() {
  if (!(await savedOrTold())) return;
  const reply = await askOrTell('The captions were not read', 'start_reading', { set: page.set });
  if (!reply) return;
  if (reply.job) takeJob(reply.job);
  else readAgain();
  lookSoon();
}

async function tellEnd() {
  await readAgain();
  const doubtful = page.rows.filter((row) => readingOf(row)?.has_doubt).length;
  const job = jobNow();
  if (job?.state !== 'done' || job.failed) return; // said already
  const done = plural(job.done, 'caption', 'captions');
  if (!doubtful) brief(`${done} read, no doubtful word`, [], { stays: true });
  else {
    const first = { text: 'Most doubtful first', run: () => sortBy('doubtful') };
    brief(`${done} read; ${doubtful.toLocaleString()} of the set have a doubtful word`, [first], { stays: true });
  }
}

for (const id of ['cw-read', 'cw-read-all']) byId(id).addEventListener('click', start);
on('job', () => {
  const job = jobNow();
  if (job?.kind === 'read') {
    if (isRunning()) {
      reading = job.id;
      if (Date.now() > lookedAt + AGAIN_MS && job.done) {
        lookedAt = Date.now();
        readAgain();
      }
    } else if (reading === job.id) {
      reading = '';
      tellEnd();
    }
  }
  show();
});
for (const event of ['read', 'listed', 'selected', 'rows']) on(event, show);
