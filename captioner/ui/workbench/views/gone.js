// An address of a set that is not here: the page says so, and offers a way on.

import { bench, byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { page } from '../set/pictures.js';

const OF_A_SET = [
  'cw-add',
  'cw-add-folder',
  'cw-caption-all',
  'cw-download-open',
  'cw-undo',
  'cw-redo',
  'cw-bulk-open',
  'cw-overview-open',
];

/** @param {string} reason as the server gave it */
export function tellGone(reason) {
  const fresh = new URL(location);
  fresh.searchParams.delete('set');
  const box = document.createElement('div');
  box.className = 'cw-gone';
  box.setAttribute('role', 'alert');
  render(
    box,
    html`<h2>This caption set is not here</h2><p>${reason}</p><p><a class="cw-button cw-primary"
      href="${fresh.href}">Start a new set</a></p>`,
  );
  bench().classList.add('cw-is-gone');
  bench().append(box);
  page.isGone = true;
  for (const id of OF_A_SET) byId(id).hidden = true;
}
