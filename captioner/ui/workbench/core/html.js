// HTML made of constant text and data, where data can never become markup. The only place that writes HTML into a page.

const SIGNS = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => SIGNS[sign]);

/** HTML that `html` made; nothing else makes one, so what holds a text is never taken for markup. */
class Markup {
  #text;

  constructor(text) {
    this.#text = text;
  }

  toString() {
    return this.#text;
  }
}

function written(value) {
  if (value instanceof Markup) return String(value);
  if (Array.isArray(value)) return value.map(written).join('');
  return escaped(value ?? '');
}

/**
 * A template whose values are escaped: captions and file names are data. Markup and lists of it go in as they are, null
 * and undefined as nothing. An attribute that holds a value stands in quotes.
 */
export const html = (strings, ...values) =>
  new Markup(strings.reduce((text, next, index) => text + written(values[index - 1]) + next));

/** Replaces what is inside an element. Throws: what to show is not made by `html`. */
export function render(element, markup) {
  if (!(markup instanceof Markup)) throw new TypeError('render takes what the html template made');
  element.innerHTML = String(markup);
}

const shown = new WeakMap(); // element -> the markup that `renderChanged` put into it

/**
 * As `render`, but what is the same already stays, with its focus and a press that has not ended yet. For elements that
 * nothing else fills. @returns whether it was drawn
 */
export function renderChanged(element, markup) {
  if (shown.get(element) === String(markup)) return false;
  render(element, markup);
  shown.set(element, String(markup));
  return true;
}
