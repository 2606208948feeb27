// What goes and comes between two texts, as the server's word_diffs gives it, marked in one text.

import { html } from './html.js';

const AROUND = 36; // letters of unchanged text beside a change

/** @param {[string, string][]} pieces in order, "same", "gone" or "come" and the text of each */
export const differing = (pieces) => html`${pieces.map(marked)}`;

function marked([kind, text], index, pieces) {
  const words = text.trimStart() || text; // blanks before a word are not marked
  const isAfterGone = index > 0 && pieces[index - 1][0] === 'gone'; // of which nothing stands there later
  const blanks = text.slice(0, text.length - words.length) || (isAfterGone && !words.startsWith(',') ? ' ' : '');
  if (kind === 'gone') return html`${blanks}<del>${words}</del>`;
  if (kind === 'come') return html`${blanks}<ins>${words}</ins>`;
  return shortened(blanks + words, index > 0, index < pieces.length - 1);
}

/** Unchanged text, of which only what stands beside a change is shown. */
function shortened(text, isBehind, isAhead) {
  const room = (isBehind ? AROUND : 0) + (isAhead ? AROUND : 0);
  if (text.length <= room + 3) return text;
  const start = isBehind ? text.slice(0, AROUND).replace(/\S*$/, '') : '';
  const end = isAhead ? text.slice(-AROUND).replace(/^\S*/, '') : '';
  return `${start}…${end}`;
}
