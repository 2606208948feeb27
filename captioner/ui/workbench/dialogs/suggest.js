// Find settings: a search on a sample of the set, as a job; what each settings promise, drawn and as a table; those that
// are clearly better, with the captions that differ. Nothing is applied unless a button is pressed.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { brief, orTold, saying } from '../core/messages.js';
import { ask } from '../core/server.js';
import { plural } from '../core/text.js';
import { differing } from '../core/word_diffs.js';
import { page, pathOf, pictureUrl, rowOf } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';
import { takeJob, tellEnd } from '../views/job.js';
import { undoAction } from '../views/undo.js';
import { chart } from './suggest_chart.js';

const SAMPLE = 30;
const dialog = byId('cw-suggest');
const form = byId('cw-suggest-form');
const start = byId('cw-suggest-start');
const stop = byId('cw-suggest-stop');
let reply = null; // as `suggested` answers
let drawn = ''; // what is on the page
let diffs = new Map(); // before and after, to pieces

const say = saying('cw-suggest-said');
const orSay = (run) => orTold(say, run);

const isRunning = () => ['waiting', 'running'].includes(reply?.state);

// Drawing

const key = ({ before, after }) => JSON.stringify([before, after]);

/** Asks what differs in captions, before they are drawn. */
async function knowDiffs(found) {
  const pairs = [...found.proposals, ...(found.fitted ? [found.fitted] : [])]
    .flatMap((proposal) => proposal.examples)
    .map(({ before, after }) => ({ before, after }));
  if (!pairs.length) return;
  const answer = await ask('word_diffs', { pairs });
  diffs = new Map(pairs.map((pair, at) => [key(pair), answer.diffs[at]]));
}

const lengths = ({ tokens_before: before, tokens_after: after }) =>
  before === after ? `${after} tokens` : `${after} tokens instead of ${before}`;

function example(one) {
  if (!rowOf.has(one.name)) return '';
  return html`<li><img src="${pictureUrl(one.name, 'thumbnail')}" alt="" loading="lazy" width="56" height="56">
    <div><b>${pathOf(rowOf.get(one.name))}</b> <span class="cw-quiet">${lengths(one)}</span>
    <p>${differing(diffs.get(key(one)) ?? [['same', one.after]])}</p></div></li>`;
}

function proposalMarkup(proposal, heading) {
  const dot = reply.found.dots[proposal.dot];
  const { differing: count, examples } = proposal;
  const words = count ? `${plural(count, 'caption differs', 'captions differ')}; of them:` : 'No caption differs.';
  return html`<article class="cw-suggest-card"><div class="cw-suggest-line"><div><h4>${heading || dot.title}</h4>
      <p>${proposal.about}</p></div>
      <button type="button" class="cw-button ${dot.is_clear ? 'cw-primary' : ''}" data-dot="${proposal.dot}"
        aria-label="Use ${dot.title}">Use these settings</button></div>
    <p class="cw-quiet">${words}</p><ul class="cw-suggest-examples">${examples.map(example)}</ul></article>`;
}

function tableMarkup({ dots }) {
  const row = (
    dot,
  ) => html`<tr><th scope="row">${dot.is_base ? 'yours' : dot.title}</th><td>${dot.true_words.toFixed(2)}</td>
    <td>${dot.false_words.toFixed(2)}</td><td>${
      dot.is_base
        ? ''
        : `${dot.gain > 0 ? '+' : ''}${dot.gain.toFixed(2)}${dot.error === null ? '' : ` ± ${dot.error.toFixed(2)}`}`
    }</td><td>${dot.is_clear ? 'yes' : ''}</td></tr>`;
  return html`<details class="cw-suggest-table"><summary>The figures as a table</summary><div class="cw-suggest-scroll" tabindex="0" role="region"
    aria-label="What each settings promise"><table><thead><tr><th scope="col">Settings</th><th scope="col">True words</th>
    <th scope="col">False, at least</th><th scope="col">Gain</th><th scope="col">Clearly better</th></tr></thead>
    <tbody>${dots.map(row)}</tbody></table></div></details>`;
}

function outcome({ found, failed, rule }) {
  const lines = [...found.cautions, ...found.notes, ...failed.slice(0, 4)];
  const isFittedListed = found.proposals.some(({ dot }) => dot === found.fitted?.dot);
  return html`<p class="cw-suggest-sentence" role="status"><b>${found.sentence}</b></p>
    <p class="cw-quiet">${plural(found.pictures, 'picture', 'pictures')} tried; asked: ${found.asked.join(', ')}. ${rule}</p>
    ${lines.length ? html`<ul class="cw-quiet">${lines.map((line) => html`<li>${line}</li>`)}</ul>` : ''}
    ${chart(found.dots)}${tableMarkup(found)}
    ${found.proposals.map((proposal) => proposalMarkup(proposal, ''))}
    ${found.fitted && !isFittedListed ? html`<h3>Fit the length to each picture</h3><p class="cw-quiet">Simple pictures get short captions, by the captioner's own wish to stop.</p>${proposalMarkup(found.fitted, '')}` : ''}`;
}

async function draw() {
  const { found, job } = reply;
  start.hidden = isRunning();
  stop.hidden = !isRunning();
  for (const select of form.elements) if (select.matches('select')) select.disabled = isRunning();
  const { done, total } = job?.aside ?? job ?? {};
  byId('cw-suggest-bar').hidden = !isRunning();
  byId('cw-suggest-bar').max = total || 1;
  byId('cw-suggest-bar').value = done || 0;
  if (isRunning()) say(job.aside?.text ?? 'Waiting for its turn');
  else if (reply.state === 'failed') say(job.message);
  else say(reply.state === 'cancelled' ? 'Stopped.' : '');
  const text = JSON.stringify(found);
  if (!found || text === drawn) return;
  drawn = text;
  await knowDiffs(found);
  const isOpen = dialog.querySelector('.cw-suggest-table')?.open;
  render(byId('cw-suggest-found'), outcome(reply));
  if (isOpen) dialog.querySelector('.cw-suggest-table').open = true;
}

async function look() {
  if (!dialog.open || !page.set) return;
  reply = await ask('suggested', { set: page.set });
  await draw();
}

// Doing

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!(await savedOrTold())) return;
  await orSay(async () => {
    say('Starting…');
    const request = {
      set: page.set,
      settings: page.settings,
      is_whole: form.elements.sample.value === 'all',
      has_penalties: form.elements.grid.value === 'penalties',
    };
    takeJob((await ask('start_suggesting', request)).job);
    byId('cw-suggest-found').replaceChildren();
    drawn = '';
    await look();
    stop.focus();
    lookSoon();
  });
});

stop.addEventListener('click', () =>
  orSay(async () => {
    say('Stopping…');
    await ask('stop_job', { set: page.set });
    lookSoon();
  }),
);

let arrived = () => {};
on('settings', () => arrived());

/** Makes a dot's settings the set's, and shows them in the controls. */
async function use(dot) {
  const answer = await orSay(() => inTurn(() => ask('use_suggested', { set: page.set, dot, settings: page.settings })));
  if (!answer) return;
  const isSame = Object.entries(answer.settings).every(([name, value]) => page.settings[name] === value);
  if (!isSame)
    await new Promise((done) => {
      arrived = done;
      byId('cw-reload-settings').click();
    });
  dialog.close();
  brief('These settings are in use now; Caption all makes captions with them', [undoAction]);
  lookSoon();
}

dialog.addEventListener('click', (event) => {
  const { dot } = event.target.closest('[data-dot]')?.dataset ?? {};
  if (dot) use(+dot);
});

function open() {
  const count = page.rows.length;
  const [some, all] = form.elements.sample.options;
  some.textContent =
    count > SAMPLE ? `${SAMPLE} pictures spread over the set` : `all ${plural(count, 'picture', 'pictures')}`;
  all.textContent = `all ${plural(count, 'picture', 'pictures')}`;
  all.hidden = count <= SAMPLE;
  if (all.hidden) form.elements.sample.value = 'some';
  start.disabled = !count;
  dialog.showModal();
  (count ? start : byId('cw-suggest-close')).focus();
  say(count ? '' : 'Add pictures first.');
  orSay(look);
}

// Gradio makes the button among the settings when their tab is opened; Compare has one too.
document.addEventListener('click', ({ target }) => {
  if (target.closest('.cw-suggest-open')) open();
});
byId('cw-suggest-close').addEventListener('click', () => dialog.close());
on('told', () => {
  if (dialog.open && (isRunning() || reply?.state === 'none')) orSay(look);
});
tellEnd('suggest', ({ state, message }) => {
  if (dialog.open) orSay(look);
  else if (state === 'done') brief('Settings were looked for', [{ text: 'Show', run: open }], { stays: true });
  else if (state === 'failed') brief(`Finding settings stopped: ${message}`, [], { stays: true });
});
