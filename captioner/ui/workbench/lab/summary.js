// The comparison summed up: each row and column in words, how well each score agrees with the person's ratings, the
// probabilities made by them, and which phrases are rare or said of all pictures.

import './frame.js';
import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { plural } from '../core/text.js';
import { meanFigure, RATINGS, tallyWords } from './layout.js';
import { open, useSlope } from './sweep.js';

const NEEDED = 12; // ratings, before agreement says anything
const box = byId('cw-compare-summary');

const titleOf = (axis) => open.sweep.axes.find(({ name }) => name === axis)?.title ?? axis;

/** A row or a column: its ratings as a bar and in words, its scores' means, how much its captions vary. */
function line(found) {
  const rated = RATINGS.reduce((count, rating) => count + found[rating], 0);
  const bar = RATINGS.filter((rating) => found[rating]).map(
    (rating) => html`<i data-rating="${rating}" style="flex-grow: ${found[rating]}"></i>`,
  );
  const means = open.sweep.scores
    .filter(({ name }) => Number.isFinite(found.scores?.[name]))
    .map((score) => `${score.title.toLowerCase()} ${meanFigure(found.scores[score.name], score)}`);
  const variety = Number.isFinite(found.diversity.distinct_2)
    ? [`${Math.round(100 * found.diversity.distinct_2)} % different pairs of words`]
    : [];
  const facts = [...means, ...variety].join(' · ');
  return html`<li><b>${titleOf(found.axis)} ${found.value}</b>: ${rated ? tallyWords(found) : 'no ratings'}
    ${rated ? html`<span class="cw-tally-bar" aria-hidden="true">${bar}</span>` : ''}
    ${facts ? html`<span class="cw-compare-facts">${facts}</span>` : ''}</li>`;
}

const lines = (title, found) =>
  found.length ? html`<h4>${title}</h4><ul class="cw-compare-lines">${found.map(line)}</ul>` : '';

function agreement({ agreement: found, rows, columns }) {
  const side = columns.length ? columns : rows;
  const rated = side
    .filter(({ axis }) => axis === side[0].axis)
    .reduce((count, one) => count + RATINGS.reduce((sum, rating) => sum + one[rating], 0), 0);
  const about = html`<h4>Do the scores say what you say?</h4>`;
  if (!found.length) {
    const missing = NEEDED - rated;
    const words =
      missing > 0 ? `${plural(missing, 'more rating is', 'more ratings are')} needed to tell.` : 'Not to be told yet.';
    return html`${about}<p class="cw-quiet">${words}</p>`;
  }
  const told = found.map(({ score, rho, low, high, count }) => {
    const title = open.sweep.scores.find(({ name }) => name === score)?.title ?? score;
    return html`<tr><th scope="row">${title}</th><td>${rho.toFixed(2)}</td><td class="cw-quiet">${low.toFixed(2)} to ${high.toFixed(2)}</td><td class="cw-quiet">${count}</td></tr>`;
  });
  return html`${about}<p class="cw-quiet">Rank correlation with your ratings: 1 is full agreement, 0 none; the range is where it lies with 95 % certainty.</p>
    <table class="cw-compare-agreement"><thead><tr><th scope="col">Score</th><th scope="col">agrees</th><th scope="col">range</th><th scope="col">ratings</th></tr></thead><tbody>${told}</tbody></table>`;
}

function slope({ slope: found }) {
  if (!found) return '';
  const does = found.is_used
    ? 'Back to the probabilities that came with the models'
    : 'Use my ratings for the probabilities';
  return html`<p>${found.about} <button type="button" class="cw-button cw-small" data-slope="${!found.is_used}">${does}</button></p>`;
}

function phrases({ phrases: found }) {
  if (!found) return '';
  const list = (title, words) =>
    words.length ? html`<p><b>${title}</b>: ${words.map((word, place) => html`${place ? ', ' : ''}${word}`)}</p>` : '';
  const all = [
    list(
      'In most captions',
      found.shared.map(([phrase, share]) => `${phrase} (${Math.round(100 * share)} %)`),
    ),
    list('In one only', found.rare),
  ].filter(Boolean);
  return all.length ? html`<h4>Phrases</h4>${all}` : '';
}

const notes = () => open.sweep.notes.map((note) => html`<p class="cw-quiet">${note}</p>`);

function draw() {
  const { summary, sweep } = open;
  if (!sweep || !summary) {
    render(box, html`<p class="cw-quiet">There is nothing to sum up yet.</p>`);
    return;
  }
  const hadFocus = box.contains(document.activeElement);
  render(
    box,
    html`${notes()}${lines('Columns', summary.columns)}${lines('Rows', summary.rows)}${agreement(summary)}${slope(summary)}${phrases(summary)}`,
  );
  if (hadFocus) box.focus();
}

box.addEventListener('click', (event) => {
  const { slope: isUsed } = event.target.closest('button')?.dataset ?? {};
  if (isUsed !== undefined) useSlope(isUsed === 'true');
});
on('summed', draw);
on('sweep', ({ isNew }) => {
  if (isNew) draw();
});
