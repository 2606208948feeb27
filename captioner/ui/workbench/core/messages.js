// What the page tells the person beside its own places: messages that stay, and words that go away.

import { byId } from './elements.js';
import { html, render } from './html.js';
import { ask, throwBug } from './server.js';

const BRIEF_MS = 6000;

/**
 * A message above the workbench that stays until it is closed; `lines` may be long lists.
 * @param {Object<string, function>} actions what a button of that name does, which closes the message too
 */
export function notice(kind, title, lines = [], actions = {}) {
  const box = document.createElement('div');
  box.className = `cw-notice cw-notice-${kind}`;
  const list = lines.length ? html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>` : '';
  render(
    box,
    html`<div class="cw-grow"><b>${title}</b>${list}</div>${Object.keys(actions).map(
      (name) => html`<button type="button" class="cw-button cw-small" data-action="${name}">${name}</button>`,
    )}<button type="button" class="cw-close" aria-label="Close">×</button>`,
  );
  box.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    box.remove();
    actions[button.dataset.action]?.();
  });
  byId('cw-notices').append(box);
  return box;
}

/** A call whose refusal becomes a message under `title`; undefined then. */
export async function askOrTell(title, name, request) {
  try {
    return await ask(name, request);
  } catch (error) {
    throwBug(error);
    notice('bad', title, [error.message]);
    return undefined;
  }
}

let clearing = 0;

/** A word that goes away by itself. */
export function brief(text) {
  const box = byId('cw-brief');
  box.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => {
    box.textContent = '';
  }, BRIEF_MS);
}
