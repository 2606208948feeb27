// What one picture looks like on the left: a thumbnail, or a row of the list with its caption.

import { html, render } from '../core/html.js';
import { captionOf, stateOf } from '../set/captions.js';
import { glitchOf } from '../set/glitches.js';
import { queryNow } from '../set/listing.js';
import { page, pathOf, pictureUrl } from '../set/pictures.js';
import { hitsIn } from '../set/query.js';
import { readingOf } from '../set/readings.js';
import { isReviewed } from '../set/reviewed.js';
import { tokenLimit, tokensOf } from '../set/token_counts.js';
import { glitchIcon, reviewedIcon, STATES, stateIcon } from './states.js';

const BEFORE_HIT = 40; // letters that are shown before a hit which would else lie beyond the two lines
const FAR = 90;

/** A text with what was looked for marked; one that is hit far behind its beginning begins shortly before that. */
function marked(text, where) {
  const hits = hitsIn(queryNow(), text, where);
  const isFar = where === 'caption' && hits.length && hits[0][0] > FAR;
  let at = isFar ? text.indexOf(' ', hits[0][0] - BEFORE_HIT) + 1 : 0;
  if (at > (hits[0]?.[0] ?? 0)) at = hits[0][0];
  const pieces = [at ? '… ' : ''];
  for (const [from, to] of hits) {
    pieces.push(text.slice(at, from), html`<mark>${text.slice(from, to)}</mark>`);
    at = to;
  }
  return [...pieces, text.slice(at)];
}

/** An element for a picture, to be kept up to date by `markCell`. */
export function makeCell(row, isInList) {
  const cell = document.createElement('div');
  cell.className = isInList ? 'cw-cell cw-line' : 'cw-cell';
  cell.id = `cw-cell-${row.id}`;
  cell.dataset.id = row.id;
  cell.setAttribute('role', 'option');
  const image = html`<img alt="" decoding="async" draggable="false" src="${pictureUrl(row.id, 'thumbnail')}">`;
  const marks = html`<b>${reviewedIcon}</b><i></i>`;
  const wrong = html`<span class="cw-cell-glitch">${glitchIcon}</span>`;
  render(
    cell,
    isInList
      ? html`${image}<div class="cw-line-text"><div class="cw-line-head"><span class="cw-line-name"></span><span
          class="cw-line-doubt" aria-hidden="true">?</span>${wrong}<span
          class="cw-line-tokens cw-quiet"></span>${marks}</div><p></p></div>`
      : html`${image}<span class="cw-cell-folder">${row.folder.split('/').at(-1)}</span>${wrong}${marks}`,
  );
  return cell;
}

const shown = new WeakMap(); // a row of the list -> what it says

function markLine(cell, row) {
  const caption = captionOf(row);
  const says = JSON.stringify([caption, pathOf(row), page.filter]);
  if (shown.get(cell) !== says) {
    shown.set(cell, says);
    render(cell.querySelector('.cw-line-name'), html`${marked(pathOf(row), 'path')}`);
    render(cell.querySelector('p'), html`${marked(caption, 'caption')}`);
  }
  const tokens = tokensOf(row);
  const figure = cell.querySelector('.cw-line-tokens');
  figure.textContent = tokens ?? '';
  figure.title = tokens === undefined ? '' : `${tokens} of ${tokenLimit()} tokens`;
  figure.dataset.state = tokens > tokenLimit() ? 'over' : 'fits';
}

/** Brings a picture's element up to date. */
export function markCell(cell, row) {
  const state = stateOf(row);
  if (cell.dataset.state !== state) {
    cell.dataset.state = state;
    render(cell.querySelector('i'), stateIcon(state));
  }
  const isCurrent = row.id === page.current;
  const isPicked = page.selection.has(row.id);
  cell.setAttribute('aria-selected', isCurrent || isPicked);
  cell.classList.toggle('cw-current', isCurrent);
  cell.classList.toggle('cw-picked', isPicked);
  cell.dataset.reviewed = isReviewed(row);
  const isDoubtful = !!readingOf(row)?.has_doubt;
  cell.dataset.doubtful = isDoubtful;
  const wrong = glitchOf(row);
  cell.dataset.glitch = !!wrong;
  const marks = `${isReviewed(row) ? ' and reviewed' : ''}${isDoubtful ? ', with a doubtful word' : ''}${wrong && `, looks wrong: ${wrong}`}`;
  const words = `${STATES[state].title}${marks}`;
  const isInList = cell.classList.contains('cw-line');
  cell.setAttribute('aria-label', `${pathOf(row)}, ${words}${isInList ? `: ${captionOf(row)}` : ''}`);
  cell.title = `${pathOf(row)} (${words})${row.error ? `: ${row.error}` : ''}`;
  if (isInList) markLine(cell, row);
}
