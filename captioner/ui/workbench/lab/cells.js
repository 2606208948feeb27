// What stands in a cell of the open comparison and in the heads of its rows and columns. Makes markup, and draws nothing.

import { html } from '../core/html.js';
import { plural } from '../core/text.js';
import { figure, meanFigure, piecesOf, RATINGS, shades, tally, tallyWords, whereOf, whereWords } from './layout.js';
import { captionMarkup, RATING_WORDS, ratingIcon } from './marks.js';
import { cellOf, isFilling, open, pictureIds } from './sweep.js';

const scoreNow = () => open.sweep.scores.find(({ name }) => name === open.colour);

/** How a score colours the cells in sight: as `shades`, with the score; null while cells are coloured by ratings. */
export function scaleNow() {
  const score = scoreNow();
  if (!score) return null;
  const inSight = [...open.cells.values()].filter(({ picture }) => open.isWhole || picture === open.at.picture);
  const values = inSight.map(({ scores }) => scores?.[score.name]).filter(Number.isFinite);
  const scale = shades(values, score.better);
  return scale && { ...scale, score };
}

/** What colours a cell: a rating, or a score's shade from 0 to 1. @param scale as `scaleNow` */
export function paintOf(found, scale) {
  const value = scale && found?.scores?.[scale.score.name];
  return {
    rating: scale ? null : (found?.rating ?? null),
    shade: Number.isFinite(value) ? scale.of(value) : null,
  };
}

/** A cell as it is read out. */
export function labelOf(found, cell) {
  const where = whereWords(open.sweep, cell);
  if (!found) return `${isFilling() ? 'Not there yet' : 'Not made'}; ${where}`;
  if (found.error) return `Failed: ${found.error}; ${where}`;
  const rated = found.rating ? `, rated ${found.rating}` : '';
  const same = found.group ? `, equal ${found.group}` : '';
  return `${found.caption || 'Empty'}; ${where}${rated}${same}${cell === open.sweep.base_cell ? ', the one compared with' : ''}`;
}

const whereMarkup = (cell) =>
  html`<div class="cw-compare-where">${whereOf(open.sweep, cell).map(({ title, value }) => html`<span>${title} <b>${value}</b></span>`)}</div>`;

const rateButtons = (found) =>
  RATINGS.map(
    (rating, place) => html`<button type="button" tabindex="-1" class="cw-rate" data-rate="${rating}"
      aria-pressed="${found.rating === rating}" aria-label="${RATING_WORDS[rating]}"
      title="${RATING_WORDS[rating]} (${place + 1})">${ratingIcon(rating)}</button>`,
  );

function foot(found) {
  const reason = open.groups[found.picture]?.[found.group];
  const score = scoreNow();
  const value = score && found.scores?.[score.name];
  return html`<div class="cw-compare-foot">
    ${found.group ? html`<b class="cw-letter" title="${found.group}: ${reason}">${found.group}</b>` : ''}
    ${score ? html`<span title="${score.title}">${figure(value, score) || '–'}</span>` : html`<span class="cw-count" title="${plural(found.tokens ?? 0, 'token', 'tokens')}">${found.tokens}<span class="cw-unit"> ${found.tokens === 1 ? 'token' : 'tokens'}</span></span>`}
    <span class="cw-space"></span>${rateButtons(found)}
    <button type="button" tabindex="-1" class="cw-cell-menu" aria-haspopup="menu" aria-label="More for this cell">⋯</button></div>`;
}

/** @param found the cell as the server told it, undefined while it is not there yet */
export function cellMarkup(found, cell) {
  const where = whereMarkup(cell);
  if (!found)
    return html`${where}<p class="cw-compare-text cw-quiet" aria-hidden="true">${isFilling() ? '…' : '–'}</p>`;
  if (found.error) return html`${where}<p class="cw-compare-text cw-failed"><b>Failed.</b> ${found.error}</p>`;
  const pieces = piecesOf(found.caption, found.marks, found.doubts ?? []);
  return html`${where}<p class="cw-compare-text">${found.caption ? captionMarkup(pieces) : '(empty)'}</p>${foot(found)}`;
}

/** The mean of a score over a row or a column, as the summary has it. */
function meanOf(side, axis, value) {
  const score = scoreNow();
  const found = score && open.summary?.[side].find((one) => one.axis === axis && one.value === value);
  return found ? meanFigure(found.scores[score.name], score) : '';
}

const head = (sweep, axis, place) => {
  const { title, values } = sweep.axes[axis];
  return html`<span class="cw-compare-value"><small title="${title}">${title}</small> <b>${values[place]}</b></span>`;
};

/**
 * A head of a column or a row.
 * @param {number[]} cells those it stands over or beside  @param {number} meant the cell whose settings its menu takes
 */
export function headMarkup(cells, meant, axes) {
  const { sweep } = open;
  const words = tallyWords(tally(pictureIds().flatMap((picture) => cells.map((cell) => cellOf(picture, cell)))));
  const places = whereOf(sweep, cells[0]);
  const means =
    axes.length === 1 ? meanOf(axes[0] ? 'rows' : 'columns', sweep.axes[axes[0]].name, places[axes[0]].value) : '';
  const said = [words, means ? `mean ${means}` : ''].filter(Boolean).join(' · ');
  const place = (axis) => sweep.axes[axis].values.indexOf(places[axis].value);
  return html`${axes.map((axis) => head(sweep, axis, place(axis)))}
    <button type="button" class="cw-cell-menu" data-meant="${meant}" aria-haspopup="menu"
      aria-label="More for ${axes.map((axis) => `${places[axis].title} ${places[axis].value}`).join(', ')}">⋯</button>
    ${said ? html`<span class="cw-compare-tally">${said}</span>` : ''}`;
}
