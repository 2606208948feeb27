// A picture's caption and state as the person sees them: what was typed here and is not saved yet goes before what the
// server has.

import * as unsaved from './unsaved.js';

export function captionOf(row) {
  const entry = unsaved.entry(row.id);
  return entry && entry.text !== null ? entry.text : row.caption;
}

export function stateOf(row) {
  const entry = unsaved.entry(row.id);
  if (entry?.conflict) return 'conflict';
  return entry && entry.text !== null ? 'edited' : row.state;
}

/** A caption's parts, at its commas. */
export const partsOf = (text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
