// A caption's parts, at its commas, and what takes one out, in, or to the front. Pure text.

import { partsOf } from './captions.js';

/** What makes two parts the same: capitals, spaces at commas and a sentence's full stop do not count. */
export const keyOf = (text) => partsOf(text.toLowerCase()).join(', ').replace(/\.$/, '');

/**
 * The parts of a text in their order.
 * @param {string[]} wholes what may have commas in it and is one thing all the same: a sentence, some tags
 */
export function partsIn(text, wholes) {
  const parts = partsOf(text);
  const keys = parts.map(keyOf);
  const known = wholes
    .filter((whole) => whole.includes(','))
    .map((whole) => partsOf(whole).map(keyOf))
    .sort((a, b) => b.length - a.length);
  const found = [];
  for (let at = 0; at < parts.length; ) {
    const whole = known.find((some) => some.every((key, place) => keys[at + place] === key));
    const count = whole?.length || 1;
    found.push(parts.slice(at, at + count).join(', '));
    at += count;
  }
  return found;
}

/** Whether a text says a part or a tag, each piece of it between commas. @param {Set<string>} keys the text's pieces */
export const says = (keys, part) => partsOf(part).every((piece) => keys.has(keyOf(piece)));

/** The pieces of a text between commas, as `says` wants them. */
export const keysOf = (text) => new Set(partsOf(text).map(keyOf));

/** The text with parts at its end, without those it has; what stands there stays as it is written. */
export function withAtEnd(text, added) {
  const keys = keysOf(text);
  const fresh = added.filter((part) => !says(keys, part));
  const before = text.trimEnd().replace(/,$/, '');
  return fresh.length ? [before, ...fresh].filter(Boolean).join(', ') : text;
}
