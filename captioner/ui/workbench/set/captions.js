// A picture's caption and state as the person sees them: what was typed here and is not saved yet goes before what the
// server has.

import * as unsaved from './unsaved.js';

/** What a person edits: the caption without the set's frame. */
export function textOf(row) {
  const entry = unsaved.entry(row.id);
  return entry && entry.text !== null ? entry.text : row.text;
}

/** The caption as it is exported. Where it is not saved yet, the server did not put the frame around it yet. */
export function captionOf(row) {
  const entry = unsaved.entry(row.id);
  return entry && entry.text !== null && entry.text !== row.text ? entry.text : row.caption;
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
