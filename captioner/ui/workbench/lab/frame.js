// The elements of Compare, empty and hidden, beside thumbnails and picture. Imported by all that fill them.

import { bench } from '../core/elements.js';
import { html, render } from '../core/html.js';

const FILES = {
  png: ['Picture (PNG)', 'The grid as you see it, to show others'],
  html: ['Page (HTML)', 'One file that opens in any browser'],
  csv: ['Table (CSV)', 'A line a cell, for a spreadsheet'],
  json: ['Data (JSON)', 'Everything, for programs'],
};

const section = document.createElement('section');
section.id = 'cw-compare';
section.className = 'cw-compare';
section.hidden = true;
section.setAttribute('aria-labelledby', 'cw-compare-title');
const files = Object.entries(FILES).map(
  ([kind, [title, about]]) => html`<a class="cw-button" data-file="${kind}" download title="${about}">${title}</a>`,
);
render(
  section,
  html`<header class="cw-compare-head">
      <h2 id="cw-compare-title">Compare</h2>
      <input type="text" id="cw-compare-name" maxlength="200" autocomplete="off" aria-label="Name of this comparison" hidden>
      <span id="cw-compare-state" class="cw-quiet" role="status"></span>
      <button type="button" id="cw-compare-continue" class="cw-button cw-small" hidden title="Makes what is not there, and what failed, again">Continue</button>
      <span class="cw-space"></span>
      <span id="cw-compare-legend" class="cw-compare-legend cw-quiet"></span>
      <label id="cw-compare-colouring" class="cw-compare-colouring" hidden>Colour by <select id="cw-compare-colour"></select></label>
      <button type="button" id="cw-compare-panel-open" class="cw-button" hidden>Details</button>
      <button type="button" id="cw-compare-new" class="cw-button" hidden title="Another grid, and those made before">New, earlier ones</button>
      <details class="cw-menu" id="cw-compare-files" hidden>
        <summary class="cw-button">Save as</summary>
        <div class="cw-menu-body">${files}</div>
      </details>
      <button type="button" class="cw-button cw-suggest-open" title="Tries settings on a sample of the set, and says which promise clearly more">Find settings…</button>
      <button type="button" id="cw-compare-close" class="cw-button" title="Back to the pictures (Escape)">Close</button>
    </header>
    <div id="cw-compare-home" class="cw-compare-home">
      <form id="cw-compare-form" class="cw-compare-form" novalidate></form>
      <section class="cw-compare-earlier" aria-labelledby="cw-compare-earlier-title">
        <h3 id="cw-compare-earlier-title">Earlier ones of this set</h3>
        <div id="cw-compare-earlier"></div>
      </section>
    </div>
    <div id="cw-compare-sweep" class="cw-compare-sweep" hidden>
      <aside class="cw-compare-side" aria-label="Pictures and details">
        <div id="cw-compare-pictures" class="cw-compare-pictures" role="group" aria-label="Pictures compared"></div>
        <figure class="cw-compare-figure"><img id="cw-compare-image" alt=""><figcaption id="cw-compare-of" class="cw-quiet"></figcaption></figure>
        <div id="cw-compare-panel" class="cw-compare-panel">
          <div class="cw-compare-tabs">
            <span role="tablist" aria-label="Details">
              <button type="button" role="tab" id="cw-compare-tab-cell" aria-controls="cw-compare-cell" aria-selected="true">This caption</button>
              <button type="button" role="tab" id="cw-compare-tab-summary" aria-controls="cw-compare-summary" aria-selected="false" tabindex="-1">Summary</button>
            </span>
            <button type="button" id="cw-compare-panel-close" class="cw-close" aria-label="Close the details">×</button>
          </div>
          <div id="cw-compare-cell" class="cw-compare-details" role="tabpanel" aria-labelledby="cw-compare-tab-cell" tabindex="0"></div>
          <div id="cw-compare-summary" class="cw-compare-details" role="tabpanel" aria-labelledby="cw-compare-tab-summary" tabindex="0" hidden></div>
        </div>
      </aside>
      <div class="cw-compare-scroll" id="cw-compare-scroll"><div id="cw-compare-table" class="cw-compare-table" role="grid"></div></div>
    </div>`,
);
bench().append(section);
