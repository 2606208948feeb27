// What the page tells the person beside its own places: messages that stay, and words that go away.

import { byId } from './elements.js';
import { html, render } from './html.js';
import { ask, throwBug } from './server.js';

const BRIEF_MS = 6000;
const ACTION_MS = 12_000; // to reach a button

/**
 * A message above the workbench that stays until it is closed; `lines` may be long lists.
 * @param {{text: string, run: function}[]} actions buttons; each closes the message
 */
export function notice(kind, title, lines = [], actions = []) {
  const box = document.createElement('div');
  box.className = `cw-notice cw-notice-${kind}`;
  const list = lines.length ? html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>` : '';
  const buttons = actions.map(({ text }) => html`<button type="button" class="cw-button cw-small">${text}</button>`);
  render(
    box,
    html`<div><b>${title}</b>${list}${actions.length ? html`<p>${buttons}</p>` : ''}</div><button type="button" class="cw-close" aria-label="Close">×</button>`,
  );
  box.querySelector('.cw-close').addEventListener('click', () => box.remove());
  box.querySelectorAll('p .cw-button').forEach((button, index) => {
    button.addEventListener('click', () => {
      box.remove();
      actions[index].run();
    });
  });
  byId('cw-notices').append(box);
  return box;
}

/** A call whose refusal becomes a message under `title`; undefined then. */
export async function askOrTell(title, name, request) {
  return orTold(
    (text) => notice('bad', title, [text]),
    () => ask(name, request),
  );
}

/** A function that puts words into a dialog's own line. @param {string} id of the line */
export const saying = (id) => (text) => {
  byId(id).textContent = text;
};

/** What `run` gives; undefined where the server refused or was not reached, which `say` is told in words. */
export async function orTold(say, run) {
  try {
    return await run();
  } catch (error) {
    throwBug(error);
    say(error.message);
    return undefined;
  }
}

let clearing = 0;
let shown_ms = 0; // how long the words in sight stay; 0 until they are dismissed

function clear() {
  clearTimeout(clearing);
  byId('cw-brief').textContent = '';
  byId('cw-brief-actions').replaceChildren();
}

function clearLater() {
  clearTimeout(clearing);
  if (shown_ms) clearing = setTimeout(clear, shown_ms);
}

/**
 * Words over the page's lower edge, in the place of the last ones. They go away by themselves, but not under the hand.
 * @param {{text: string, run: function}[]} actions buttons; each takes the words away
 * @param {{stays: boolean}} how stays: until they are dismissed, or others come
 */
export function brief(text, actions = [], { stays = false } = {}) {
  clear();
  byId('cw-brief').textContent = text;
  for (const { text: word, run } of actions) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'cw-button cw-small';
    button.textContent = word;
    button.addEventListener('click', () => {
      clear();
      run();
    });
    byId('cw-brief-actions').append(button);
  }
  shown_ms = stays ? 0 : actions.length ? ACTION_MS : BRIEF_MS;
  clearLater();
}

/** Takes the buttons off the words in sight, which other things were done since. */
export const withdrawActions = () => byId('cw-brief-actions').replaceChildren();

const toast = byId('cw-toast');
byId('cw-brief-close').addEventListener('click', clear);
for (const event of ['pointerenter', 'focusin']) toast.addEventListener(event, () => clearTimeout(clearing));
for (const event of ['pointerleave', 'focusout']) toast.addEventListener(event, clearLater);
