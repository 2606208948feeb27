// Models that must prepare something long before their first picture: what is missing is said under the suggestion, with
// a button to begin; a download alone is offered beside the model's name. It is a job like captioning, so the toolbar
// shows how far it is and can stop it.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell } from '../core/messages.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { isRunning, takeJob } from './job.js';
import { suggest } from './suggestion.js';

const box = byId('cw-unprepared');
let missing = null; // {text, action, download_mb}
let wasRunning = false;

function show() {
  box.hidden = !missing;
  if (!missing) return;
  byId('cw-unprepared-text').textContent = missing.text;
  byId('cw-prepare').hidden = !missing.action;
  byId('cw-prepare').textContent = missing.action;
  byId('cw-prepare').disabled = isRunning();
  byId('cw-fetch').disabled = isRunning();
  byId('cw-fetch').hidden = !missing.download_mb;
  byId('cw-fetch').textContent = `Download published ones (${missing.download_mb.toLocaleString()} MB)`;
}

async function start(published) {
  const request = { set: page.set, settings: page.settings, published };
  const reply = await askOrTell('Preparing did not start', 'prepare_models', request);
  if (!reply) return;
  takeJob(reply.job);
  lookSoon();
}

byId('cw-prepare').addEventListener('click', () => start(false));
byId('cw-fetch').addEventListener('click', () => start(true));
on('suggested', (reply) => {
  missing = reply.unprepared;
  show();
});
on('job', () => {
  if (wasRunning && !isRunning() && missing) suggest();
  wasRunning = isRunning();
  show();
});
