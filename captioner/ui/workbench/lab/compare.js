// Compare as a whole: opened by its button or the key C, the form first or the comparison that was open, and its head.

import './frame.js';
import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render, renderChanged } from '../core/html.js';
import { brief, notice } from '../core/messages.js';
import { debounced } from '../core/timing.js';
import { page } from '../set/pictures.js';
import { tellEnd } from '../views/job.js';
import { scaleNow } from './cells.js';
import { listEarlier, rename } from './earlier.js';
import { figure } from './layout.js';
import './panel.js';
import { setUp } from './setup.js';
import './summary.js';
import { colourBy, goOn, leave, open, show as showSweep } from './sweep.js';
import { focusCell } from './table.js';
import { close, isShown, show } from './view.js';

const section = byId('cw-compare');
const panel = byId('cw-compare-panel');
const files = byId('cw-compare-files');
const name = byId('cw-compare-name');
const colour = byId('cw-compare-colour');
let last = ''; // the comparison that was open when Compare was closed
let isEntered = false; // the open comparison has had the focus

async function enter() {
  if (!page.rows.length) return;
  if (isShown()) {
    close();
    return;
  }
  show();
  if (last && (await showSweep(last))) return;
  home(true);
}

/** The form and the earlier ones. @param {boolean} isFresh as `setUp` */
async function home(isFresh) {
  last = '';
  leave();
  const before = document.activeElement;
  await Promise.all([setUp(isFresh), listEarlier()]);
  if (![before, document.body].includes(document.activeElement)) return; // the person was quicker
  byId('cw-compare-form').querySelector('[name=preset]:checked')?.focus(); // from where Enter starts
}

/** How far it is; why it ended, where it ended early. */
function stateWords({ state, message, done, total }) {
  if (state === 'waiting') return message || 'Waiting for its turn';
  if (state === 'running')
    return message || (done < total ? `${done.toLocaleString()} of ${total.toLocaleString()}` : 'Scoring');
  return message;
}

function drawColours() {
  const scores = open.sweep.scores.map(({ name: score, title }) => [score, title]);
  const choices = [['rating', 'My ratings'], ...scores];
  renderChanged(colour, html`${choices.map(([value, title]) => html`<option value="${value}">${title}</option>`)}`);
  colour.value = open.colour;
}

function drawLegend() {
  const scale = open.sweep && scaleNow();
  if (!scale) {
    render(byId('cw-compare-legend'), html``);
    return;
  }
  const { low, high, score } = scale;
  const better = score.better ? `, ${score.better} is better` : '';
  const ends = score.better === 'low' ? [high, low] : [low, high];
  render(
    byId('cw-compare-legend'),
    html`<span title="${score.about}">${score.title}: ${figure(ends[0], score)} <i aria-hidden="true"></i> ${figure(ends[1], score)}${better}</span>`,
  );
}

function draw({ isNew }) {
  const { sweep } = open;
  byId('cw-compare-home').hidden = !!sweep;
  for (const part of ['sweep', 'name', 'colouring', 'new', 'files', 'panel-open'])
    byId(`cw-compare-${part}`).hidden = !sweep;
  byId('cw-compare-state').textContent = sweep ? stateWords(sweep) : '';
  byId('cw-compare-continue').hidden = !['cancelled', 'failed'].includes(sweep?.state);
  if (isNew) isEntered = false;
  if (!sweep) return;
  last = sweep.id;
  if (document.activeElement !== name) name.value = sweep.name;
  drawColours();
  drawLegend();
  for (const link of files.querySelectorAll('[data-file]'))
    link.href = `sets/${encodeURIComponent(page.set)}/sweeps/${encodeURIComponent(sweep.id)}.${link.dataset.file}`;
  if (!isEntered) {
    isEntered = true;
    const isOneColumn = byId('cw-compare-panel-open').checkVisibility(); // which is read from its top
    focusCell(!isOneColumn);
    if (isOneColumn) section.scrollIntoView({ block: 'start' });
  }
}

const renameSoon = debounced(500, () => {
  if (open.sweep && name.value.trim()) rename(open.sweep.id, name.value.trim());
});

on('sweep', draw);
on('cells', drawLegend);
on('cell', drawLegend); // another picture's cells may be shown
name.addEventListener('input', renameSoon);
name.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') focusCell();
});
colour.addEventListener('change', () => colourBy(colour.value));
byId('cw-compare-continue').addEventListener('click', goOn);
byId('cw-compare-new').addEventListener('click', () => home(false));
byId('cw-compare-close').addEventListener('click', close);
files.addEventListener('click', (event) => {
  if (event.target.closest('[data-file]')) files.open = false;
});
byId('cw-compare-open').addEventListener('click', enter);
on('compare', ({ isShown: isOpen }) => {
  byId('cw-compare-open').setAttribute('aria-pressed', isOpen);
  if (!isOpen) leaveKeeping();
});
section.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing) return;
  if (panel.dataset.open === 'true' && byId('cw-compare-panel-close').checkVisibility()) {
    panel.dataset.open = false;
    focusCell();
  } else close();
});
on('listed', () => {
  byId('cw-compare-open').disabled = !page.rows.length;
});

/** Said where the person looks at something else meanwhile; in Compare it stands at the comparison. */
function tellFinished({ state, message }) {
  if (isShown()) return;
  if (state === 'failed') notice('bad', 'The comparison stopped', [message]);
  else if (state === 'done') brief('The comparison is there', [{ text: 'Show', run: enter }], { stays: true });
}
tellEnd('sweep', tellFinished);

/** Reads no more of the comparison while Compare is closed, and opens it again next time. */
function leaveKeeping() {
  const kept = open.sweep?.id ?? '';
  leave();
  last = kept;
}
