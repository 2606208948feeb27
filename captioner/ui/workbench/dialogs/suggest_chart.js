// What settings promise, drawn: a dot each, false words across and true words up, so that better is to the upper left.

import { html } from '../core/html.js';

const [WIDTH, HEIGHT, LEFT, FOOT] = [620, 300, 46, 44];
const MARGIN = 14;
const TICKS = 5;

/** Round values that lie evenly between two. */
function ticksBetween(low, high) {
  const rough = (high - low) / TICKS;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= rough);
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, at) => ({
    value: (first + at) * step,
    words: ((first + at) * step).toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0),
  }));
}

/** The range of values with some room, and where a value lies between two ends. */
function scale(values, from, to) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = Math.max((most - least) * 0.08, 0.02);
  const [low, high] = [least - room, most + room];
  return { ticks: ticksBetween(low, high), at: (value) => from + ((value - low) / (high - low)) * (to - from) };
}

const kindOf = (dot) => (dot.is_base ? 'base' : dot.is_clear ? 'clear' : dot.is_fitted ? 'fitted' : 'other');

const wordsOf = (dot) =>
  `${dot.is_base ? 'yours' : dot.title}: ${dot.true_words.toFixed(2)} true words, at least ${dot.false_words.toFixed(2)} false`;

function mark(dot, x, y) {
  const kind = kindOf(dot);
  const about = html`<title>${wordsOf(dot)}</title>`;
  if (kind === 'base') return html`<path class="cw-dot-base" d="M${x - 7} ${y}h14M${x} ${y - 7}v14">${about}</path>`;
  if (kind === 'fitted')
    return html`<rect class="cw-dot-fitted" x="${x - 5}" y="${y - 5}" width="10" height="10">${about}</rect>`;
  return html`<circle class="cw-dot-${kind}" cx="${x}" cy="${y}" r="${kind === 'clear' ? 7 : 5}">${about}</circle>`;
}

/** @param {object[]} dots as `suggested` gives them; those that count stand over the others */
export function chart(dots) {
  const x = scale(
    dots.map((dot) => dot.false_words),
    LEFT + MARGIN,
    WIDTH - MARGIN,
  );
  const y = scale(
    dots.map((dot) => dot.true_words),
    HEIGHT - FOOT,
    MARGIN,
  );
  const order = ['other', 'fitted', 'clear', 'base'];
  const sorted = [...dots].sort((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)));
  const across = x.ticks.map(
    ({ value, words }) => html`<text x="${x.at(value)}" y="${HEIGHT - FOOT + 18}" text-anchor="middle">${words}</text>`,
  );
  const up = y.ticks.map(
    ({
      value,
      words,
    }) => html`<line class="cw-chart-line" x1="${LEFT}" x2="${WIDTH}" y1="${y.at(value)}" y2="${y.at(value)}"/>
      <text x="${LEFT - 8}" y="${y.at(value) + 4}" text-anchor="end">${words}</text>`,
  );
  return html`<svg class="cw-chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
    aria-label="True and false words a caption, by settings; the table below has the figures">${up}${across}
    <line x1="${LEFT}" x2="${WIDTH}" y1="${HEIGHT - FOOT}" y2="${HEIGHT - FOOT}"/>
    <text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 6}" text-anchor="middle">false words a caption, at least so many</text>
    <text transform="translate(12 ${(HEIGHT - FOOT) / 2}) rotate(-90)" text-anchor="middle">true words</text>
    ${sorted.map((dot) => mark(dot, x.at(dot.false_words), y.at(dot.true_words)))}</svg>
    <p class="cw-chart-key"><span><b class="cw-key-base">+</b> yours</span> <span><b class="cw-key-other">●</b> other settings</span>
    <span><b class="cw-key-clear">●</b> clearly better</span> <span><b class="cw-key-fitted">■</b> a length for each picture</span></p>`;
}
