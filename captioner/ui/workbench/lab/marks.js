// What a rating and a caption's words look like. A rating is told by its sign as well as by its colour.

import { html } from '../core/html.js';

const line = (path) =>
  html`<path d="${path}" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"/>`;

export const RATING_WORDS = { green: 'Green', yellow: 'Yellow', red: 'Red' };
const SIGNS = {
  green: line('M3 8.500 6.500 12 13 4.500'),
  yellow: line('M2.500 9.500C4.500 5 6.500 6 8 8s3.500 3 5.500-1.500'),
  red: line('M4 4l8 8M12 4l-8 8'),
};

export const ratingIcon = (rating) => html`<svg viewBox="0 0 16 16" aria-hidden="true">${SIGNS[rating]}</svg>`;

/** How surely a word is false, as its line shows it. */
export const strength = ({ is_strong: isStrong }) => (isStrong ? 'thick' : 'thin');

function piece({ text, isChanged, doubt }) {
  const word = doubt ? html`<u data-doubt="${strength(doubt)}" title="${doubt.why}">${text}</u>` : text;
  return isChanged ? html`<mark>${word}</mark>` : word;
}

/** A caption's pieces (`layout.piecesOf`): what differs from the base cell marked, what is doubted underlined. */
export const captionMarkup = (pieces) => html`${pieces.map(piece)}`;
