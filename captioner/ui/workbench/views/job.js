// Captioning many pictures: the server owns the job, the page starts it, watches it and can stop it.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { plural } from '../core/text.js';
import { markTitle } from '../core/title.js';
import { stateOf } from '../set/captions.js';
import { listOnly } from '../set/listing.js';
import { page, pathOf, select } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { undoAction } from './undo.js';

const NAMED = 8; // of the pictures that failed
const COUNTED = { sweep: ['caption', 'captions'], read: ['caption', 'captions'] }; // pictures elsewhere
let now = null;
let toldEnd = ''; // of which job
const own = new Set(); // the jobs that this tab began
let isSeenFromStart = false; // the job that goes on began while this tab looked
let toldSettings = ''; // of which job it was said that it keeps its settings
let isUploading = false;
let missing = []; // models that must be downloaded before anything is captioned: {name, download_mb}

/** Models that the settings name and that are not here: {name, download_mb}. */
export const missingModels = () => missing;

export const isRunning = () => !!now && (now.state === 'waiting' || now.state === 'running');

function timeText(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

function words() {
  const failed = now.failed ? `, ${now.failed.toLocaleString()} failed` : '';
  const count = `${now.done.toLocaleString()} of ${now.total.toLocaleString()}${failed}`;
  const { number, jobs } = now.place ?? { number: 1, jobs: 1 };
  const others = jobs > 1 ? ` · takes turns with ${plural(jobs - 1, 'other job', 'other jobs')}` : '';
  if (now.state === 'waiting') return `Waiting for its turn${jobs > 1 ? `, number ${number} of ${jobs}` : ''}`;
  if (now.aside) {
    const left = now.aside.seconds_left;
    return now.aside.text + (left === null ? '' : ` · ${timeText(left)}`);
  }
  if (!now.total) return 'Preparing';
  if (!now.done || !now.rate) return now.message || `${count}, starting`;
  const [one, many] = COUNTED[now.kind] ?? ['picture', 'pictures'];
  const rate = now.rate >= 1 ? `${now.rate.toFixed(1)} ${many}/s` : `${(1 / now.rate).toFixed(1)} s a ${one}`;
  return `${count} · ${rate} · ${timeText(now.seconds_left ?? (now.total - now.done) / now.rate)}${others}`;
}

export const emptyIds = () => page.rows.filter((row) => stateOf(row) === 'empty').map((row) => row.id);

/** Whose settings a run takes. */
function whose() {
  if (own.has(now.id)) return 'With the settings of this tab, as they were when it began.';
  return isSeenFromStart ? 'With the settings of another tab or program.' : 'With the settings that it began with.';
}

function showBar(done, total, text) {
  byId('cw-progress').hidden = !total;
  byId('cw-bar').max = total || 1;
  byId('cw-bar').value = done;
  byId('cw-progress-text').textContent = text;
  const about = now?.aside ? `${now.aside.title}: ${text}` : text;
  byId('cw-progress').title = isRunning() && now.kind === 'caption' ? `${about}. ${whose()}` : about;
}

function show() {
  const running = isRunning();
  byId('cw-caption-all').disabled = running || !page.rows.length;
  byId('cw-caption-selected').disabled = running;
  byId('cw-caption-empty').disabled = running;
  byId('cw-one').disabled = running || !page.current;
  byId('cw-stop').hidden = !running;
  if (isUploading) return;
  const { done, total } = now?.aside ?? now ?? {};
  if (running) showBar(done, total || 1, words());
  else showBar(0, 0, '');
}

/** Offered where some pictures have a caption and others none. */
function offerEmpty() {
  const empty = emptyIds().length;
  byId('cw-caption-empty').hidden = !empty || empty === page.rows.length;
  byId('cw-caption-empty').textContent = `Caption ${empty.toLocaleString()} empty`;
}

/** The set's newest job as the server tells it; also those that another tab started. */
export function takeJob(job) {
  const before = now;
  now = job;
  if (now && isRunning() && before?.id !== now.id) began();
  if (now && before && before.id === now.id && before.state !== now.state && !isRunning()) ended();
  show();
  announce('job', { isRunning: isRunning() });
}

let hasLooked = false;

/** Says whose settings a run takes that this tab did not begin. */
function began() {
  isSeenFromStart = hasLooked;
  if (isSeenFromStart && now.kind === 'caption' && !own.has(now.id))
    brief('Captioning began in another tab, with the settings of that tab');
}

function ended() {
  if (toldEnd === now.id) return;
  toldEnd = now.id;
  markTitle(now.state === 'failed' || now.failed ? 'failed' : now.state === 'cancelled' ? 'stopped' : 'done');
  ENDS[now.kind]?.(now);
}

function prepared({ state, message }) {
  if (state === 'failed') notice('bad', 'Preparing stopped', [message]);
  else brief(state === 'cancelled' ? 'Stopped: what is prepared is kept' : 'Prepared', [], { stays: true });
}

function captioned({ state, message, done, failed }) {
  const made = done - failed;
  const did = `${plural(made, 'picture', 'pictures')} captioned`;
  const actions = made ? [undoAction] : [];
  if (state === 'failed') notice('bad', 'Captioning stopped', [message]);
  else if (failed) tellFailed(`${did}, ${failed.toLocaleString()} failed`);
  else if (state === 'cancelled') brief(`Stopped: ${did}, they are kept`, actions, { stays: true });
  else brief(did, actions, { stays: true });
}

const ENDS = { caption: captioned, prepare: prepared };

/** Has another kind of jobs' end told by whoever shows what they made. @param {function} tell takes the ended job */
export function tellEnd(kind, tell) {
  ENDS[kind] = tell;
}

/** Which pictures failed and why, by name. */
function tellFailed(title) {
  const failed = page.rows.filter((row) => row.error);
  const lines = failed.slice(0, NAMED).map((row) => `${pathOf(row)}: ${row.error}`);
  if (failed.length > NAMED) lines.push(`and ${(failed.length - NAMED).toLocaleString()} more`);
  const showFailed = () => {
    listOnly(
      failed.map((row) => row.id),
      'failed',
    );
    if (page.shown.length) select(page.shown[0].id);
  };
  const actions = [
    { text: 'Show failed', run: showFailed },
    { text: 'Try again', run: () => startJob(failed.map((row) => row.id)) },
  ];
  notice('bad', title, lines.length ? lines : [now.message], failed.length ? actions : []);
}

/** What the settings name and is not here, which captioning all then downloads first. */
export function offerDownload(models) {
  missing = models;
  const names = missing.map(({ name, download_mb: size }) => (size ? `${name}, ${size.toLocaleString()} MB` : name));
  byId('cw-caption-all').textContent = missing.length ? 'Download and caption' : 'Caption all';
  byId('cw-caption-all').title = missing.length ? `Downloads first: ${names.join('; ')}` : '';
}

/** As `takeJob`, of one that this tab has just begun. */
export function takeOwnJob(job) {
  own.add(job.id);
  takeJob(job);
}

/** Captions pictures. @param {string[] | null} ids null for the whole set. @param downloads what is missing, first
 * @param {{allKinds: boolean}} how allKinds: of every kind of caption that the set has */
export async function startJob(ids, downloads = false, { allKinds = false } = {}) {
  if (missing.length && !downloads) {
    const names = missing.map(({ name }) => name).join(', ');
    notice('bad', 'Captioning did not start', [`${names}: not downloaded yet. The settings on the right offer it.`]);
    return;
  }
  const request = { set: page.set, ids, settings: page.settings, downloads, all_kinds: allKinds };
  const reply = await askOrTell('Captioning did not start', 'start_job', request);
  if (!reply) return;
  if (reply.job) takeOwnJob(reply.job);
  else brief('Nothing to do: these settings made the captions already');
  lookSoon();
}

/** Captions the whole set, after downloading what is missing, as the button says. */
export const captionAll = (how) => startJob(null, missing.length > 0, how);

byId('cw-caption-empty').addEventListener('click', () => startJob(emptyIds()));
byId('cw-one').addEventListener('click', () => startJob([page.current]));
byId('cw-stop').addEventListener('click', async () => {
  byId('cw-progress-text').textContent = 'Stopping…';
  await askOrTell('The job could not be stopped', 'stop_job', { set: page.set });
  lookSoon();
});
on('listed', show);
on('selected', show);
on('listed', offerEmpty);
on('rows', offerEmpty);
on('told', (reply) => {
  takeJob(reply.job);
  hasLooked = true;
});
on('stored', ({ is_changed: isChanged }) => {
  if (!isChanged || !isRunning() || now.kind !== 'caption' || toldSettings === now.id) return;
  toldSettings = now.id;
  brief('The run goes on with the settings it began with');
});
on('uploading', ({ done, total }) => {
  isUploading = total > 0;
  if (isUploading) showBar(done, total, `${done.toLocaleString()} of ${total.toLocaleString()} added`);
  else show();
});
