// Three first steps for who opens the page for the first time: each is ticked off as it is done, and they go for good
// with the last one or by a click. Only beside the first set that this browser makes; who has sets knows the way.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import * as storage from '../core/storage.js';
import { stateOf } from '../set/captions.js';
import { page } from '../set/pictures.js';

const KEPT = 'captioner/first-steps'; // the id of the set they stand beside, or GONE
const GONE = 'gone';
const SETS = 'captioner/sets'; // that this browser opened
const box = byId('cw-steps');
const done = new Set();
let isShown = false;

function isWanted() {
  const kept = storage.read(KEPT);
  if (kept === null) return !page.set && !storage.list(SETS).length;
  return kept !== GONE && kept === page.set;
}

function show() {
  box.hidden = !isShown;
  const steps = [...box.querySelectorAll('li')];
  const next = steps.find((step) => !done.has(step.dataset.step));
  for (const step of steps) {
    step.toggleAttribute('data-done', done.has(step.dataset.step));
    if (step === next) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  }
}

function leave() {
  isShown = false;
  storage.note(KEPT, GONE);
  show();
}

function finish(step) {
  if (!isShown || done.has(step)) return;
  done.add(step);
  if (step === 'download') leave();
  else show();
}

on('opened', () => {
  if (isShown) storage.note(KEPT, page.set);
});
on('listed', () => {
  if (page.rows.length) finish('add');
});
on('rows', () => {
  if (!isShown || done.has('tune')) return;
  if (page.rows.some((row) => ['generated', 'edited'].includes(stateOf(row)))) finish('tune');
});
byId('cw-download-form').addEventListener('submit', () => {
  if (page.rows.length) finish('download');
});
byId('cw-steps-close').addEventListener('click', leave);

isShown = isWanted();
show();
