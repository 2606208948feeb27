// The bar along the lower edge of a phone, for the thumbs: previous, next, Good, Use, and whether all is saved. It is
// there on every window and shown by the stylesheet.

import { bench, byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { move, page } from '../set/pictures.js';
import { PHONE, rehouse } from './narrow.js';
import { useSuggestion } from './suggestion.js';

const bar = document.createElement('nav');
bar.className = 'cw-thumbs';
bar.setAttribute('aria-label', 'Through the pictures');
render(
  bar,
  html`<button type="button" id="cw-thumb-before" class="cw-button cw-step" aria-label="Previous picture">‹</button>
    <span id="cw-thumb-place" class="cw-thumb-place"></span>
    <button type="button" id="cw-thumb-after" class="cw-button cw-step" aria-label="Next picture">›</button>
    <span id="cw-thumb-slot" class="cw-thumb-slot"></span>
    <button type="button" id="cw-thumb-use" class="cw-button cw-primary" disabled aria-label="Use the suggestion">Use</button>`,
);
bench().append(bar);

function show() {
  const count = page.shown.length;
  const at = page.shown.findIndex((row) => row.id === page.current);
  bar.hidden = !page.rows.length;
  byId('cw-thumb-before').disabled = at <= 0;
  byId('cw-thumb-after').disabled = at >= count - 1;
  byId('cw-thumb-place').textContent = at < 0 ? '' : `${(at + 1).toLocaleString()}/${count.toLocaleString()}`;
}

byId('cw-thumb-before').addEventListener('click', () => move(-1));
byId('cw-thumb-after').addEventListener('click', () => move(1));
byId('cw-thumb-use').addEventListener('click', useSuggestion);
on('selected', show);
on('listed', show);
show();

// There is something to use while the suggestion's own button is in sight, whoever shows it.
const suggestion = byId('cw-suggestion');
const watched = { attributes: true, attributeFilter: ['hidden'] };
const offers = new MutationObserver(() => {
  byId('cw-thumb-use').disabled = suggestion.hidden || byId('cw-use').hidden;
});
offers.observe(suggestion, watched);
offers.observe(byId('cw-use'), watched);

rehouse(byId('cw-good'), PHONE, (button) => byId('cw-thumb-slot').append(button));
rehouse(byId('cw-save'), PHONE, (mark) => bar.append(mark));

// A screen keyboard lies over the page's lower edge; the bar stands on it.
const seen = window.visualViewport;
const lift = () => {
  const covered = Math.max(0, innerHeight - seen.height - seen.offsetTop);
  document.body.style.setProperty('--cw-lift', seen.scale > 1 ? '0px' : `${Math.round(covered)}px`);
};
seen?.addEventListener('resize', lift);
seen?.addEventListener('scroll', lift);
