// How many CLIP tokens a caption takes, counted exactly by the server; what lies beyond the limit is shown.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { ask, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { textOf } from '../set/captions.js';
import { page } from '../set/pictures.js';

const known = new Map();
let wanted = '';

function paint(count) {
  const box = byId('cw-tokens');
  box.textContent = `${count.tokens} / ${count.limit} tokens`;
  box.dataset.state = count.tokens > count.limit ? 'over' : 'fits';
  const beyond = byId('cw-beyond');
  beyond.hidden = !count.beyond;
  render(beyond, count.beyond ? html`Beyond the limit: <mark>${count.beyond}</mark>` : html``);
}

const fetchCount = debounced(120, async (text, set) => {
  let count;
  try {
    count = await ask('count_tokens', { text, set });
  } catch (error) {
    throwBug(error);
    return;
  }
  if (!set) known.set(text, count);
  if (known.size > 500) known.delete(known.keys().next().value);
  if (text === wanted) paint(count);
});

// A count never stands beside another picture's caption.
on('selected', () => {
  byId('cw-tokens').textContent = '';
});

/**
 * Shows how many tokens the selected picture's caption takes with its frame, now or when the server has counted. What is
 * not saved yet has no frame here, and the server puts the set's around it.
 */
export function showTokens(row) {
  const isSaved = !row || textOf(row) === row.text;
  const text = row ? (isSaved ? row.caption : textOf(row)) : '';
  wanted = text;
  if (!row) {
    byId('cw-tokens').textContent = '';
    byId('cw-beyond').hidden = true;
  } else if (isSaved && known.has(text)) paint(known.get(text));
  else fetchCount(text, isSaved ? undefined : page.set);
}
