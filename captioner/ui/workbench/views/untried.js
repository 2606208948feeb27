// Models that take too long to be asked at every move: which of them wait is said under the suggestion, with a button to
// ask them about the selected picture. One that answered quickly is asked by itself, once the settings rest.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { suggest } from './suggestion.js';

const RESTS_AFTER_MS = 400;

const button = byId('cw-try');
let untried = null; // {text, is_quick}
let isTrying = false;
let timer = 0;

function show() {
  byId('cw-untried').hidden = !untried;
  if (!untried) return;
  byId('cw-untried-text').textContent = isTrying ? 'This may take a while; settings can be moved.' : untried.text;
  button.textContent = isTrying ? 'Trying…' : 'Try it';
  button.setAttribute('aria-disabled', isTrying); // a button that is really disabled loses the focus
}

function tryIt() {
  clearTimeout(timer);
  if (!untried || isTrying) return;
  isTrying = true;
  show();
  suggest({ isWhole: true, isAsked: true });
}

button.addEventListener('click', tryIt);
on('suggested', (reply) => {
  untried = reply.untried;
  clearTimeout(timer);
  if (untried?.is_quick) timer = setTimeout(tryIt, RESTS_AFTER_MS);
  show();
});
on('settings', () => clearTimeout(timer));
on('selected', () => {
  clearTimeout(timer);
  untried = null;
  show();
});
on('tried', () => {
  isTrying = false;
  show();
});
