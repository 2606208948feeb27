// A comparison's cells as rows and columns: where each stands, what the arrow keys lead to, and what a caption's words
// are. Pure; knows no server and no element. A comparison is as `read_sweep` tells it; the first axis runs along a row.

import { plural } from '../core/text.js';

export const RATINGS = ['green', 'yellow', 'red'];

/** How many cells each picture has. */
export const cellCount = (sweep) => sweep.axes.reduce((count, { values }) => count * values.length, 1);

export const columnCount = (sweep) => sweep.axes[0].values.length;

/** The cells of each row, from the top: [[0, 1, 2], [3, 4, 5]]. */
export function rowsOf(sweep) {
  const columns = columnCount(sweep);
  const rows = Array.from({ length: cellCount(sweep) / columns }, (_, row) => row * columns);
  return rows.map((first) => Array.from({ length: columns }, (_, column) => first + column));
}

/** The place on each axis: cell 7 of 5 x 5 is [2, 1]. */
export function placesOf(sweep, cell) {
  const places = [];
  let rest = cell;
  for (const { values } of sweep.axes) {
    places.push(rest % values.length);
    rest = Math.floor(rest / values.length);
  }
  return places;
}

/** What is set in a cell: [{title, value}], an axis each. */
export const whereOf = (sweep, cell) =>
  placesOf(sweep, cell).map((place, axis) => ({
    title: sweep.axes[axis].title,
    value: sweep.axes[axis].values[place],
  }));

/** The same in words: "q_factor 1.4, min length 22". */
export const whereWords = (sweep, cell) =>
  whereOf(sweep, cell)
    .map(({ title, value }) => `${title} ${value}`)
    .join(', ');

/**
 * The cell to which an arrow leads; at an edge the next picture's, where there is one.
 * @param {string[]} pictures ids in their order  @param {{picture: string, cell: number}} from
 * @param {number} right 1, 0 or -1  @param {number} down 1, 0 or -1
 */
export function neighbour(sweep, pictures, { picture, cell }, right, down) {
  const columns = columnCount(sweep);
  const rows = cellCount(sweep) / columns;
  const [column, row] = [(cell % columns) + right, Math.floor(cell / columns) + down];
  const ahead = right > 0 || down > 0 ? 1 : -1;
  if (column >= 0 && column < columns && row >= 0 && row < rows) return { picture, cell: row * columns + column };
  const other = pictures[pictures.indexOf(picture) + ahead];
  if (other === undefined) return { picture, cell };
  const entered = [(column + columns) % columns, (row + rows) % rows];
  return { picture: other, cell: entered[1] * columns + entered[0] };
}

/** How many cells have each rating: {green, yellow, red}. @param cells as the server tells them, or undefined */
export function tally(cells) {
  const counts = { green: 0, yellow: 0, red: 0 };
  for (const cell of cells) if (cell?.rating) counts[cell.rating] += 1;
  return counts;
}

/** "7 green, 2 yellow, 1 red"; what no cell has is left out, and where none is rated there are no words. */
export const tallyWords = (counts) =>
  RATINGS.filter((rating) => counts[rating])
    .map((rating) => `${counts[rating].toLocaleString()} ${rating}`)
    .join(', ');

/**
 * A caption in pieces that are one thing each: [{text, isChanged, doubt}].
 * @param {[number, number][]} marks where it differs from the base cell  @param {object[]} doubts with start and end;
 *   both in characters as Python counts them, which are code points
 */
export function piecesOf(caption, marks, doubts) {
  const signs = [...caption];
  const edges = new Set([0, signs.length]);
  for (const [start, end] of marks) edges.add(start).add(end);
  for (const { start, end } of doubts) edges.add(start).add(end);
  const sorted = [...edges].filter((edge) => edge <= signs.length).sort((a, b) => a - b);
  return sorted.slice(0, -1).map((start, place) => ({
    text: signs.slice(start, sorted[place + 1]).join(''),
    isChanged: marks.some(([from, to]) => from <= start && start < to),
    doubt: doubts.find((doubt) => doubt.start <= start && start < doubt.end),
  }));
}

/**
 * How strongly a score colours a cell, 0 to 1: the best one most, or the highest where neither end is better. By rank, so
 * that one cell far from all others does not make those look alike.
 * @param {number[]} values all there are  @param {string} better "high", "low" or ""
 * @returns {{low: number, high: number, of: function(number): number}} null where there is no value
 */
export function shades(values, better) {
  if (!values.length) return null;
  const ranked = [...new Set(values)].sort((a, b) => a - b);
  const share = (value) => (ranked.length > 1 ? ranked.indexOf(value) / (ranked.length - 1) : 0.5);
  return { low: ranked[0], high: ranked.at(-1), of: better === 'low' ? (value) => 1 - share(value) : share };
}

/** A score's value as it is shown; an empty text where there is none. @param {{digits: number}} score */
export const figure = (value, { digits }) => (Number.isFinite(value) ? value.toFixed(digits) : '');

/** The mean of a score over several captions; of whole numbers with a digit behind the point. */
export const meanFigure = (value, { digits }) => figure(value, { digits: Math.max(1, digits) });

/** "4 pictures x 25 cells: 100 captions". */
export const sizeWords = (pictures, cells) =>
  `${plural(pictures, 'picture', 'pictures')} × ${plural(cells, 'cell', 'cells')}: ${plural(pictures * cells, 'caption', 'captions')}`;
