// The values that a person writes for an axis: which are good, and what is wrong with the others. Pure. An axis is as
// `lab_offer` tells it: {name, title, kind, min, max, step, choices, suggested}.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The values in a text, at its commas. */
export const written = (text) =>
  text
    .split(/[,;\n]/)
    .map((value) => value.trim())
    .filter(Boolean);

export const isNumber = ({ kind }) => kind === 'range' || kind === 'whole';

/** Whether the values are chosen from a list: [[title, value]]. */
export const isChosen = ({ choices }) => !!choices?.length;

function wrongNumber({ title, kind, min, max }, value) {
  const number = Number(value);
  const what = kind === 'whole' ? 'a whole number' : 'a number';
  if (!NUMBER.test(value) || (kind === 'whole' && !Number.isInteger(number))) return `“${value}” is not ${what}.`;
  if (number < min || number > max) return `${value} is out of range: ${title} lies between ${min} and ${max}.`;
  return '';
}

/** Why a value will not do beside those that are there; an empty text where it will. @param {string[]} others */
export function wrongWith(axis, value, others) {
  if (isNumber(axis)) {
    const wrong = wrongNumber(axis, value);
    if (wrong) return wrong;
  }
  const isSame = (other) => other === value || (isNumber(axis) && Number(other) === Number(value));
  return others.some(isSame) ? `${value} is there already.` : '';
}

/** What is allowed, in words, beside the box. */
export function allowed({ kind, min, max }) {
  if (kind === 'whole') return `Whole numbers from ${min} to ${max}`;
  return kind === 'range' ? `From ${min} to ${max}` : 'Any text';
}

/** How many cells the axes have together; 0 while one of them has no value. */
export const cellsOf = (axes) => axes.reduce((count, { values }) => count * values.length, axes.length ? 1 : 0);
