// How many CLIP tokens a caption takes, counted exactly by the server; what lies beyond the limit is shown.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { ask, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { page } from '../set/pictures.js';

const known = new Map();
let wanted = '';

function paint(text) {
  const count = known.get(text);
  const box = byId('cw-tokens');
  box.textContent = `${count.tokens} / ${count.limit} tokens`;
  box.dataset.state = count.tokens > count.limit ? 'over' : 'fits';
  const beyond = byId('cw-beyond');
  beyond.hidden = !count.beyond;
  render(beyond, count.beyond ? html`Beyond the limit: <mark>${count.beyond}</mark>` : html``);
}

const fetchCount = debounced(120, async (text) => {
  try {
    known.set(text, await ask('count_tokens', { text }));
  } catch (error) {
    throwBug(error);
    return;
  }
  if (known.size > 500) known.delete(known.keys().next().value);
  if (text === wanted) paint(text);
});

// A count never stands beside another picture's caption.
on('selected', () => {
  byId('cw-tokens').textContent = '';
});

/** Shows how many tokens the selected picture's caption takes, now or when the server has counted. */
export function showTokens(text) {
  wanted = text;
  if (!page.current) {
    byId('cw-tokens').textContent = '';
    byId('cw-beyond').hidden = true;
  } else if (known.has(text)) paint(text);
  else fetchCount(text);
}
