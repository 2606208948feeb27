// The jobs of the set: what was done to it, with which settings, how it ended; going on with what the app's end cut off,
// and trying the failed once more.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { plural } from '../core/text.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { isRunning, takeOwnJob } from '../views/job.js';

const dialog = byId('cw-jobs');
const DONE = {
  caption: 'Captioning',
  prepare: 'Preparing models',
  read: 'Reading for doubtful words',
  suggest: 'Search for better settings',
  sweep: 'Comparison',
};
const STATES = {
  waiting: 'waits for its turn',
  running: 'goes on',
  interrupted: 'cut off when the app ended',
  resumed: 'cut off when the app ended, gone on with later',
  left: 'cut off when the app ended',
  done: 'done',
  cancelled: 'stopped',
  failed: 'failed',
};
const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
let offered = null; // {id, box}: the notice about a job that was cut off

function counts({ done, total, failed, state }) {
  if (!total || (!done && state !== 'waiting' && state !== 'running')) return '';
  const text = `${done.toLocaleString()} of ${total.toLocaleString()}`;
  return failed ? `${text}, ${failed.toLocaleString()} failed` : text;
}

function line(job) {
  const settings = Object.entries(job.settings).map(([name, value]) => `${name} ${value === '' ? '(empty)' : value}`);
  const with_ = [...job.models, ...settings].join(', ');
  const about = [when.format(new Date(job.started_at * 1000)), STATES[job.state], counts(job)].filter(Boolean);
  return html`<li class="cw-job"><b>${DONE[job.kind] ?? job.kind}</b> <span>${about.join(' · ')}</span>
    ${with_ ? html`<span class="cw-quiet">${with_}</span>` : ''}
    ${job.message && job.state !== 'done' ? html`<span class="cw-quiet">${job.message}</span>` : ''}</li>`;
}

async function open() {
  byId('cw-sets-menu').open = false;
  const reply = await askOrTell('The jobs are not there', 'jobs', { set: page.set });
  if (!reply) return;
  const none = html`<p class="cw-quiet">Nothing was done to this set yet.</p>`;
  render(byId('cw-jobs-list'), reply.jobs.length ? html`<ul>${reply.jobs.map(line)}</ul>` : none);
  const retry = byId('cw-jobs-retry');
  retry.hidden = !reply.failed;
  retry.disabled = isRunning();
  retry.textContent = `Try the ${plural(reply.failed, 'failed picture', 'failed pictures')} again`;
  byId('cw-jobs-resume').hidden = !offered;
  if (!dialog.open) dialog.showModal();
}

async function start(title, name, request) {
  if (dialog.open) dialog.close();
  const reply = await askOrTell(title, name, { set: page.set, ...request });
  if (!reply) return;
  if (reply.job) takeOwnJob(reply.job);
  else brief('Nothing was left to do');
  lookSoon();
}

const resume = (id) => start('The job does not go on', 'resume_job', { job: id });

/** Offers to go on with what the app's end cut off, until somebody decides, in this tab or another. */
function offer(job) {
  if (offered?.id === job?.id) return;
  offered?.box.remove();
  offered = null;
  if (!job) return;
  const far = counts(job);
  const title = `${DONE[job.kind] ?? 'A job'} stopped${far ? ` at ${far}` : ''} when the app ended`;
  const isBegunAnew = job.kind === 'suggest'; // what it makes of a picture is not kept
  const about = isBegunAnew
    ? 'A search begins again with the first picture, with its own settings.'
    : 'What is done is kept; it goes on with its own settings.';
  const actions = [
    { text: isBegunAnew ? 'Search again' : 'Resume', run: () => resume(job.id) },
    { text: 'Leave it', run: () => askOrTell('It is still offered', 'leave_job', { set: page.set }) },
  ];
  const box = notice('info', title, [about], actions);
  offered = { id: job.id, box };
}

byId('cw-jobs-open').addEventListener('click', open);
byId('cw-jobs-close').addEventListener('click', () => dialog.close());
byId('cw-jobs-resume').addEventListener('click', () => resume(offered.id));
byId('cw-jobs-retry').addEventListener('click', () => start('Captioning did not start', 'retry_failed', {}));
on('opened', () => {
  byId('cw-jobs-open').hidden = false;
});
on('told', (reply) => offer(reply.interrupted));
