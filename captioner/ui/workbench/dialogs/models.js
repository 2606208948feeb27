// The models of this machine: what there is, what is in memory and what it takes; loading, freeing, fetching, checking.
// What goes on shows while the dialog is open; nothing is asked of the server otherwise.

import { byId } from '../core/elements.js';
import { html, renderChanged } from '../core/html.js';
import { orTold, saying } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';

const BUSY_MS = 1000;
const QUIET_MS = 4000;
const GIB = 2 ** 30;

const dialog = byId('cw-models');
const free = byId('cw-models-free');
let waiting = 0;
let fetched = new Set(); // names that were being downloaded when it was last looked
let isFailing = false;

const say = saying('cw-models-said');
const orSay = (run) => orTold(say, run);

// Words

const gib = (bytes) =>
  bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.max(1, Math.round(bytes / 2 ** 20))} MiB`;

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

const WORDS = {
  absent: 'not here',
  downloading: 'downloading',
  downloaded: 'on this machine',
  loading: 'loading',
  resident: 'in memory',
  offloaded: 'stepped back',
  failed: 'failed',
};

const GROUPS = [
  ['In memory', ['loading', 'resident', 'offloaded']],
  ['Failed', ['failed']],
  ['Being downloaded', ['downloading']],
  ['On this machine', ['downloaded']],
  ['To be downloaded', ['absent']],
];

const CAN = {
  prompt: 'asked in words',
  tasks: 'told one of its tasks',
  beams: 'beams',
  draws: 'several draws',
  scores: 'scores captions',
  live: 'live on every move',
  tags: 'tags',
  compares: 'compares captions',
};

const runtimes = { CUDAExecutionProvider: 'ONNX on CUDA', CPUExecutionProvider: 'ONNX on the CPU' };

/** Where it runs and what it takes, or would. */
function facts(model) {
  if (model.device) {
    const used = model.is_in_use ? 'in use' : `used ${clock.format(new Date(model.last_used * 1000))}`;
    const runtime = runtimes[model.runtime] ?? model.runtime;
    return [model.device, model.precision, runtime, gib(model.size_bytes), used].filter(Boolean);
  }
  const parts = [];
  if (model.state === 'absent' && model.download_mb) parts.push(`${model.download_mb.toLocaleString()} MB to download`);
  if (model.is_here && model.disk_bytes)
    parts.push(`${Math.round(model.disk_bytes / 1e6).toLocaleString()} MB on disk`);
  if (model.needs_bytes) parts.push(`takes about ${gib(model.needs_bytes)} of memory`);
  return parts;
}

function progress({ name, download }) {
  if (!download) return '';
  const { done_bytes: done, total_bytes: total, bytes_a_second: rate, seconds_left: left } = download;
  const words = [
    total
      ? `${Math.round(done / 1e6).toLocaleString()} of ${Math.round(total / 1e6).toLocaleString()} MB`
      : 'asking the hub',
    rate ? `${(rate / 1e6).toFixed(1)} MB/s` : '',
    left ? `${duration(left)} left` : '',
  ].filter(Boolean);
  const share = total ? done / total : 0;
  return html`<p class="cw-model-progress"><progress max="1" value="${share}" aria-label="Download of ${name}"></progress>
    <span>${words.join(', ')}</span></p>`;
}

const ACTIONS = {
  absent: [],
  downloading: [['stop', 'Stop']],
  downloaded: [
    ['load', 'Load'],
    ['verify', 'Verify'],
  ],
  loading: [],
  resident: [['unload', 'Unload']],
  offloaded: [
    ['load', 'Bring back'],
    ['unload', 'Unload'],
  ],
  failed: [['load', 'Try again']],
};

function actions(model, mayManage) {
  if (!mayManage) return '';
  let offered = ACTIONS[model.state];
  if (model.can_download) offered = [['download', model.state === 'failed' ? 'Download again' : 'Download']];
  if (!model.repo) offered = offered.filter(([action]) => action !== 'verify');
  return offered.map(
    ([action, word]) => html`<button type="button" class="cw-button cw-small" data-action="${action}"
      data-name="${model.name}" aria-label="${word} ${model.name}" ${model.is_in_use ? html`disabled` : ''}>${word}</button>`,
  );
}

function row(model, { memory, may_manage: mayManage }, isTold) {
  const told = [model.failure, model.warning, model.note && `${model.name} ${model.note}`].filter(Boolean);
  const back =
    memory?.budget_bytes && model.needs_bytes > memory.budget_bytes
      ? 'more than models may take'
      : model.steps_back.length
        ? `${model.steps_back.join(', ')} would step back for it`
        : '';
  const state = isTold ? '' : html`<span class="cw-tag">${WORDS[model.state]}</span>`;
  return html`<li class="cw-model" data-state="${model.state}"><div class="cw-model-what">
      <p><b>${model.name}</b> ${state}</p>
      <p class="cw-quiet">${[model.about, model.licence, model.source].filter(Boolean).join(' · ')}</p>
      <p class="cw-quiet">${model.can.map((ability) => CAN[ability]).join(', ')}</p>
      <p>${[...facts(model), back].filter(Boolean).join(' · ')}</p>
      ${progress(model)}${told.map((line) => html`<p class="cw-model-told">${line}</p>`)}</div>
    <div class="cw-model-does">${actions(model, mayManage)}</div></li>`;
}

function memoryMarkup(memory) {
  if (!memory) return html`<p class="cw-quiet">No model is in memory; each is loaded when it is first used.</p>`;
  const { used_bytes: used, budget_bytes: budget, offloaded_bytes: waits } = memory;
  const of = budget === null ? '' : ` of ${gib(budget)} that they may take`;
  const rest = waits ? `, and ${gib(waits)} wait in the processor's memory` : '';
  return html`<p>Models take <b>${gib(used)}</b>${of} on ${memory.device}${rest}.</p>
    ${budget === null ? '' : html`<meter min="0" max="${budget}" value="${used}" aria-label="Memory that models take"></meter>`}`;
}

function groupMarkup([title, states], reply) {
  const found = reply.models.filter(({ state }) => states.includes(state));
  const count = html`<span class="cw-quiet">${plural(found.length, 'model', 'models')}</span>`;
  const rows = found.map((model) => row(model, reply, states.length === 1));
  return found.length ? html`<h3>${title} ${count}</h3><ul class="cw-models">${rows}</ul>` : '';
}

// Looking

function draw(reply) {
  const { models, memory, may_manage: mayManage } = reply;
  renderChanged(byId('cw-models-memory'), memoryMarkup(memory));
  const parts = GROUPS.map((group) => groupMarkup(group, reply));
  const list = byId('cw-models-list');
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset : null;
  if (renderChanged(list, html`${parts}`) && focused) {
    const same = [...list.querySelectorAll('button')].find(({ dataset }) => dataset.name === focused.name);
    (same ?? byId('cw-models-close')).focus();
  }
  free.hidden = !mayManage;
  free.textContent = memory?.device.startsWith('cuda') ? 'Free the card' : 'Free the memory';
  free.disabled = !models.some(({ state }) => state === 'resident');
  byId('cw-models-locked').hidden = mayManage;
  byId('cw-models-locked').textContent = reply.locked && reply.locked[0].toUpperCase() + reply.locked.slice(1);
  const left = ({ name, reason }) => html`<p class="cw-model-told">The models of ${name} are left out: ${reason}</p>`;
  renderChanged(byId('cw-models-left'), html`${reply.left_out.map(left)}`);
  const fetching = new Set(models.filter(({ state }) => state === 'downloading').map(({ name }) => name));
  const isBusy = fetching.size > 0 || models.some(({ state }) => state === 'loading');
  if ([...fetched].some((name) => !fetching.has(name))) byId('cw-look-for-models').click();
  fetched = fetching;
  return isBusy;
}

async function look() {
  clearTimeout(waiting);
  if (!dialog.open) return;
  let isBusy = false;
  try {
    isBusy = draw(await ask('list_models', {}));
    if (isFailing) say('');
    isFailing = false;
  } catch (error) {
    throwBug(error);
    isFailing = true;
    say(error.message);
  }
  clearTimeout(waiting);
  if (dialog.open) waiting = setTimeout(look, isBusy ? BUSY_MS : QUIET_MS);
}

async function act(action, name = '') {
  say(action === 'verify' ? `Every byte of ${name} is looked at…` : '');
  const answer = await orSay(() => ask('act_on_model', { action, name }));
  if (answer && !['load', 'download'].includes(action)) say(answer.said); // of those its row says how they go on
  await look();
}

byId('cw-models-list').addEventListener('click', ({ target }) => {
  const { action, name } = target.closest('[data-action]')?.dataset ?? {};
  if (action) act(action, name);
});
free.addEventListener('click', () => act('free'));
byId('cw-models-close').addEventListener('click', () => dialog.close());
byId('cw-models-open').addEventListener('click', () => {
  say('');
  dialog.showModal();
  byId('cw-models-close').focus();
  look();
});
