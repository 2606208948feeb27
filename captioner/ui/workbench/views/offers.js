// Models that the settings name and that are not on the app's machine: an offer to download them under each one's box,
// whatever the set holds, and in what "Caption all" says. The download is a job, which the toolbar shows and can stop.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { ensureSet } from '../set/creation.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { isRunning, offerDownload, takeJob } from './job.js';
import { modelsIn } from './settings.js';

let wanted = []; // {key, name, download_mb}
let isAsking = false;
let isAskingAgain = false;
let lookedFor = ''; // the models that were asked for; other settings need no question
let wasRunning = false;
let taken = null; // key -> name of the real models, until the controls have them

/** Shown in boxes among Gradio's own controls, which are made when their tab is opened, so they are looked for anew. */
function show() {
  for (const box of document.querySelectorAll('.cw-offer')) {
    const model = wanted.find(({ key }) => box.id === `offer-${key}`);
    const state = model ? `${model.name} ${isRunning()}` : '';
    if ((box.dataset.state ?? '') === state) continue;
    box.dataset.state = state;
    box.hidden = !model;
    if (!model) continue;
    const size = model.download_mb ? ` (${model.download_mb.toLocaleString()} MB)` : '';
    const isOff = isRunning() ? html`disabled` : '';
    render(
      box,
      html`<span>${model.name} is not on the machine of this app.</span>
        <button type="button" class="cw-button cw-small cw-primary" ${isOff}>Download${size}</button>`,
    );
  }
  offerDownload(wanted);
}

/** Asks what is missing: one question at a time, the newest settings last. */
async function look() {
  isAskingAgain = true;
  if (isAsking || !page.settings) return;
  isAsking = true;
  while (isAskingAgain) {
    isAskingAgain = false;
    lookedFor = modelsIn(page.settings);
    try {
      const reply = await ask('models_to_download', { settings: page.settings });
      wanted = reply.models;
    } catch (error) {
      throwBug(error); // what is wrong with the settings is said beside them
      wanted = [];
      lookedFor = '';
    }
  }
  isAsking = false;
  show();
}

async function download() {
  const set = await ensureSet();
  const request = { set, settings: page.settings, published: false };
  const reply = await askOrTell('The download did not start', 'prepare_models', request);
  if (!reply) return;
  takeJob(reply.job);
  lookSoon();
}

/** Puts the real models in the place of the demo ones; those that are switched on are downloaded once they are chosen. */
function takeReal(models) {
  taken = models;
  byId('cw-set-real').click();
}

/** The ways to the real models, in the toolbar and on the empty page, are gone while those are chosen. */
function showReal(values) {
  for (const button of document.querySelectorAll('[data-take-real]')) {
    const models = Object.entries(JSON.parse(button.dataset.takeReal));
    button.closest('.cw-real, .cw-pill').hidden = models.every(([key, name]) => values[key] === name);
  }
}

document.addEventListener('click', ({ target }) => {
  if (target.closest('.cw-offer button')) download();
  const real = target.closest('[data-take-real]');
  if (!real) return;
  const note = real.closest('details');
  if (note) note.open = false;
  takeReal(JSON.parse(real.dataset.takeReal));
});
on('settings', ({ values }) => {
  if (!taken || Object.entries(taken).some(([key, name]) => values[key] !== name)) return;
  taken = null;
  download();
});
new MutationObserver(() => {
  if (wanted.length) show();
}).observe(byId('cw-side'), { childList: true, subtree: true });
on('settings', ({ values }) => {
  showReal(values);
  if (modelsIn(values) !== lookedFor) look();
});
on('job', () => {
  if (wasRunning && !isRunning()) {
    look();
    if (wanted.length) byId('cw-look-for-models').click();
    if (wanted.some(({ key }) => key === 'captioner')) byId('cw-take-defaults').click();
  }
  if (wasRunning !== isRunning()) show();
  wasRunning = isRunning();
});
