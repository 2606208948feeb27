// What the chosen trainer would read otherwise: a row for each rule, with the pictures it means and what mends it.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { plural } from '../core/text.js';
import { titleOfFormat } from './download_wishes.js';

const table = byId('cw-download-findings');
let found = [];

const WORDS = { error: 'Error', warning: 'Warning' };

/** What is left for the person to do; what the export mends by itself is not. */
const isOpen = (finding) => !finding.is_mended;

export const errors = () => found.filter((finding) => isOpen(finding) && finding.level === 'error');

/** @param {object[]} findings as `export_check` in Python gives them */
export function show(findings) {
  found = findings.toSorted((a, b) => isOpen(b) - isOpen(a)); // stable: errors stay first
  table.hidden = !found.length;
  table.caption.textContent = `What ${titleOfFormat()} would read otherwise`;
  render(table.tBodies[0], html`${found.map(rowOf)}`);
}

function rowOf(finding, place) {
  const { level, what, advice, ids, is_mended: isMended, mend } = finding;
  const kind = isMended ? 'mended' : level;
  const does = isMended ? 'The export mends this.' : `${advice[0].toUpperCase()}${advice.slice(1)}.`;
  return html`<tr class="cw-finding" data-rule="${finding.rule}" data-kind="${kind}">
    <th scope="row"><span class="cw-level">${isMended ? 'Mended' : WORDS[level]}</span> <b>${plural(ids.length, 'picture', 'pictures')}</b> ${what}</th>
    <td>${does}</td>
    <td><button type="button" class="cw-button cw-small" data-do="show" data-place="${place}"
      aria-label="Show ${what}">Show</button>${
        mend
          ? html` <button type="button" class="cw-button cw-small" data-do="mend"
      data-place="${place}">${mend.operation ? `${mend.title}…` : mend.title}</button>`
          : ''
      }</td></tr>`;
}

/**
 * @param {{show: function, mend: function}} actions called with a finding
 */
export function onPressed(actions) {
  table.addEventListener('click', ({ target }) => {
    const { do: action, place } = target.closest('button')?.dataset ?? {};
    if (action) actions[action](found[place]);
  });
}
