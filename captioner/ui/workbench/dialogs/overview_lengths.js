// Captions by their length, drawn.

import { html } from '../core/html.js';
import { plural } from '../core/text.js';

const BIN = 5;
const TICKS = 12;
const [WIDTH_PX, HEIGHT_PX, FOOT_PX] = [640, 200, 24];

/**
 * A column every BIN tokens, as an SVG of WIDTH_PX x HEIGHT_PX with room for figures around it.
 * @param {Object<string, number>} counts tokens by picture  @param {function} group from a title and ids to the number
 *   that stands for them
 */
export function histogram(counts, limit, group) {
  const entries = Object.entries(counts);
  const longest = entries.reduce((most, [, count]) => Math.max(most, count), limit);
  const bins = Array.from({ length: Math.floor(longest / BIN) + 1 }, () => []);
  for (const [id, count] of entries) bins[Math.floor(count / BIN)].push(id);
  const most = bins.reduce((found, ids) => Math.max(found, ids.length), 1);
  const step = WIDTH_PX / bins.length;
  const every = Math.ceil(bins.length / TICKS);
  const at = (limit / BIN) * step;
  const column = (ids, index) => {
    if (!ids.length) return html``;
    const words = `${index * BIN} to ${index * BIN + BIN - 1} tokens`;
    const tall = Math.max(2, (HEIGHT_PX * ids.length) / most);
    const label = `${words}: ${plural(ids.length, 'caption', 'captions')}`;
    return html`<rect x="${index * step + 1}" y="${HEIGHT_PX - tall}" width="${Math.max(1, step - 2)}"
      height="${tall}" rx="2" tabindex="0" role="button" aria-label="${label}" data-group="${group(words, ids)}"
      class="${index * BIN >= limit ? 'cw-over' : ''}"><title>${label}</title></rect>`;
  };
  const tick = (_, index) =>
    index % every ? html`` : html`<text x="${index * step}" y="${HEIGHT_PX + 16}">${index * BIN}</text>`;
  return html`<svg class="cw-histogram" viewBox="-4 -16 ${WIDTH_PX + 8} ${HEIGHT_PX + FOOT_PX + 16}" role="group"
    aria-label="Captions by length in tokens">${bins.map(column)}<line x1="0" x2="${WIDTH_PX}" y1="${HEIGHT_PX}"
    y2="${HEIGHT_PX}"/><line class="cw-limit" x1="${at}" x2="${at}" y1="-4" y2="${HEIGHT_PX}"/><text class="cw-limit"
    x="${at - 4}" y="-6" text-anchor="end">limit ${limit}</text>${bins.map(tick)}</svg>`;
}
