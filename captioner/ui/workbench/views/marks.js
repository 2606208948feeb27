// Lines under words of the editor, and filler greyed: a layer over the box that holds the same text, invisible, and wraps
// and scrolls as the box does. While a person types the marks move along with their words.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';

const text = byId('cw-editor');
const layer = byId('cw-marks');
let marks = []; // {start, end, kind, index} in order, without overlaps
let base = ''; // the text that they are of

/** Where two texts begin and end alike. */
function changeBetween(before, after) {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < most - start && before.at(-1 - same) === after.at(-1 - same)) same += 1;
  return { start, end: before.length - same, by: after.length - before.length };
}

/** The marks as they are after a change of the text; one whose word was touched is gone. */
function moved(list, { start, end, by }) {
  return list.flatMap((mark) => {
    if (mark.end < start || (mark.end === start && end > start)) return [mark];
    if (mark.start > end || (mark.start === end && end > start)) {
      return [{ ...mark, start: mark.start + by, end: mark.end + by }];
    }
    return [];
  });
}

/** As wide as the text's own lines, whether or not the box has a scroll bar. */
function fit() {
  const edges = text.offsetWidth - text.clientWidth; // and the scroll bar
  layer.style.width = `${text.getBoundingClientRect().width - edges}px`;
  layer.style.height = `${text.clientHeight}px`;
  layer.scrollTop = text.scrollTop;
}

function draw() {
  layer.hidden = !marks.length;
  if (!marks.length) {
    layer.replaceChildren();
    return;
  }
  let at = 0;
  const pieces = [];
  for (const { start, end, kind, index } of marks) {
    pieces.push(
      base.slice(at, start),
      html`<i data-kind="${kind}" data-index="${index}">${base.slice(start, end)}</i>`,
    );
    at = end;
  }
  render(layer, html`${pieces}${base.slice(at)}\u200b`); // so that a last line break makes a line
  fit();
}

/** Shows marks of a text: {start, end, kind, index}. Returns: whether one is touched in the text that stands in the box. */
export function mark(of, list) {
  base = of;
  marks = [...list].sort((a, b) => a.start - b.start);
  const isTouched = follow();
  draw();
  return isTouched;
}

/** Brings the marks to the text that stands in the box now. Returns: whether one was touched. */
export function follow() {
  if (text.value === base) return false;
  const before = marks.length;
  marks = moved(marks, changeBetween(base, text.value));
  base = text.value;
  draw();
  return marks.length < before;
}

/** The marks as they stand now. */
export const marksNow = () => marks;

const spanOf = (index) => layer.querySelector(`i[data-index="${index}"]`);

/** The boxes of a mark on the screen, one a line. */
export const boxesOf = (index) => [...(spanOf(index)?.getClientRects() ?? [])];

/** The mark at a place on the screen; undefined where there is none. */
export function markAt(x, y) {
  const box = text.getBoundingClientRect();
  if (!marks.length || y < box.top || y > box.bottom) return undefined;
  const isIn = ({ left, right, top, bottom }) => x >= left && x <= right && y >= top - 3 && y <= bottom + 4;
  return marks.find(({ index }) => boxesOf(index).some(isIn));
}

/** Scrolls a mark's word into sight within the box. */
export function reveal(index) {
  const span = spanOf(index);
  if (!span) return;
  const [top, bottom] = [span.offsetTop, span.offsetTop + span.offsetHeight];
  if (top < text.scrollTop) text.scrollTop = top - 8;
  if (bottom > text.scrollTop + text.clientHeight) text.scrollTop = bottom - text.clientHeight + 8;
  layer.scrollTop = text.scrollTop;
}

text.addEventListener('scroll', () => {
  layer.scrollTop = text.scrollTop;
});
new ResizeObserver(() => {
  if (marks.length) fit();
}).observe(text);
