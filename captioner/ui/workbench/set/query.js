// The language of the filter box: red car -blurry "on grass" tag:cat tokens:>75. Knows no set and no page: a picture is
// asked for its facts, {path, name, folder, caption, state, tokens, score, isReviewed, isGlitch}, the first four in small
// letters; what is not known of it yet (undefined) leaves it listed.

import { STATE_WORDS } from './states.js';

/** Why a part of the text cannot be read, in words; it filters nothing then. */
class Unreadable extends Error {}

const COMPARISONS = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '=': (a, b) => a === b,
  '>=': (a, b) => a >= b,
  '>': (a, b) => a > b,
};

/** A test of a figure: a comparison and a number; a number alone means that number. */
function figure(field, value, factOf) {
  const [, sign = '=', number] = value.match(/^(<=|>=|<|>|=)?(\d+(?:\.\d+)?|\.\d+)$/) ?? [];
  const example = field === 'score' ? '>0.5' : '>75';
  if (number === undefined) throw new Unreadable(`${field}: takes a number, such as ${field}:${example}.`);
  return (picture) => {
    const fact = factOf(picture);
    return fact === undefined ? undefined : COMPARISONS[sign](fact, Number(number));
  };
}

function stateIn(value) {
  const all = Object.entries(STATE_WORDS);
  const exact = all.filter((names) => names.includes(value));
  const found = exact.length ? exact : all.filter((names) => names.some((name) => name.startsWith(value)));
  if (found.length === 1) return found[0][0];
  throw new Unreadable(
    `state: is one of ${all.map(([, word]) => (word.includes(' ') ? `"${word}"` : word)).join(', ')}.`,
  );
}

const tagOf = (text) => text.replaceAll('_', ' ').trim();

/** What stands before a colon: from its value to the test, and the places where its value is a hit. */
const FIELDS = {
  tag: (value) => {
    const tag = tagOf(value);
    return { test: ({ caption }) => caption.split(',').some((part) => tagOf(part) === tag), hits: { caption: 'part' } };
  },
  tokens: (value) => ({ test: figure('tokens', value, (picture) => picture.tokens) }),
  name: (value) => ({ test: ({ name }) => name.includes(value), hits: { path: 'anywhere' } }),
  folder: (value) => ({ test: ({ folder }) => folder.includes(value), hits: { path: 'anywhere' } }),
  state: (value) => {
    const wanted = stateIn(value);
    return { test: ({ state }) => state === wanted };
  },
  reviewed: (value) => {
    if (!['yes', 'no'].includes(value)) throw new Unreadable('reviewed: is yes or no.');
    return { test: ({ isReviewed }) => isReviewed === (value === 'yes') };
  },
  is: (value) => {
    const fact = { glitch: 'isGlitch', reviewed: 'isReviewed' }[value];
    if (!fact) throw new Unreadable('is: takes glitch or reviewed.');
    return { test: (picture) => picture[fact] === true };
  },
  score: (value) => ({ test: figure('score', value, (picture) => picture.score) }),
};

const word = (value) => ({
  test: ({ path, caption }) => caption.includes(value) || path.includes(value),
  hits: { caption: 'anywhere', path: 'anywhere' },
});

function termOf([, minus, field, quoted, plain]) {
  const value = (quoted ?? plain).toLowerCase();
  const key = field?.toLowerCase();
  const made = { value, key, isExcluded: !!minus };
  if (key === undefined) return value && { ...made, ...word(value) };
  if (!Object.hasOwn(FIELDS, key))
    throw new Unreadable(`“${key}:” is nothing to filter by; to look for the words, put them in quotes.`);
  if (!value.trim()) throw new Unreadable(`${key}: needs a value behind it.`);
  return { ...made, ...FIELDS[key](value) };
}

// A minus, a field, and a value in quotes, of which the last may be still to come, or up to the next space.
const TERM = /(-?)(?:([a-z]+):)?(?:"([^"]*)(?:"|$)|(\S*))/gi;
const SPACED_FIGURE = /\b(tokens|score):\s*(<=|>=|<|>|=)\s*(?=[\d.])/gi;

/**
 * Reads the text of the filter box.
 * @returns {{text: string, terms: object[], problems: string[], fields: Set<string>}} terms: what all must hold, for
 * `accepts` and `hitsIn`; problems: sentences about what could not be read; fields: those that are asked about
 */
export function parse(text) {
  const terms = [];
  const problems = new Set();
  for (const found of text.replace(SPACED_FIGURE, '$1:$2').matchAll(TERM)) {
    try {
      const term = termOf(found);
      if (term) terms.push(term);
    } catch (problem) {
      if (!(problem instanceof Unreadable)) throw problem;
      problems.add(problem.message);
    }
  }
  const fields = new Set(terms.map((term) => term.key).filter(Boolean));
  return { text, terms, problems: [...problems], fields };
}

/** A text as the filter box takes it to look for it as it stands; of quotes in it, what is between them. */
export const phrase = (text) =>
  text
    .split('"')
    .filter((part) => part.trim())
    .map((part) => `"${part}"`)
    .join(' ');

/** Whether a picture is what a query asks for. */
export function accepts(query, picture) {
  for (const { test, isExcluded } of query.terms) if (test(picture) === isExcluded) return false;
  return true;
}

function* placesOf(value, text, how) {
  if (how === 'anywhere') {
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length))
      yield [at, at + value.length];
    return;
  }
  let start = 0;
  for (const part of text.split(',')) {
    if (tagOf(part) === tagOf(value)) {
      const from = start + part.length - part.trimStart().length;
      yield [from, from + part.trim().length];
    }
    start += part.length + 1;
  }
}

/**
 * Where in a text what was looked for stands.
 * @param {'caption' | 'path'} where which of a picture's texts it is
 * @returns {[number, number][]} from and to, in order, without overlaps
 */
export function hitsIn(query, text, where) {
  const small = text.toLowerCase();
  if (small.length !== text.length) return []; // letters that grow when made small: the places would be others
  const wanted = query.terms.filter(({ isExcluded, hits }) => !isExcluded && hits?.[where]);
  const places = wanted.flatMap(({ value, hits }) => [...placesOf(value, small, hits[where])]);
  places.sort((a, b) => a[0] - b[0]);
  const joined = [];
  for (const [from, to] of places) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}
