// What the set takes on the disk, and its removed pictures to be deleted for good: in the menu of sets.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief } from '../core/messages.js';
import { plural, size } from '../core/text.js';
import { page } from '../set/pictures.js';

const box = byId('cw-set-use');
const DAYS = 30;

function markup({ pictures, removed, picture_bytes: bytes, own_bytes: own, removed_bytes: free }) {
  const shared = own < bytes ? `, ${size(bytes - own)} of it shared with other sets` : '';
  const whole = html`<p class="cw-quiet">${plural(pictures, 'picture', 'pictures')}, ${size(bytes)} on the disk${shared}</p>`;
  if (!removed) return whole;
  const waits = `${plural(removed, 'removed picture waits', 'removed pictures wait')} ${DAYS} days for an undo`;
  return html`${whole}<p class="cw-quiet">${waits}${free ? ` (${size(free)})` : ''}</p><button type="button"
    class="cw-button cw-small" id="cw-delete-removed" data-removed="${removed}">Delete the removed for good…</button>`;
}

async function show() {
  const set = page.set;
  box.hidden = !set;
  if (!set) return;
  const use = await askOrTell('What the set takes is not known', 'set_use', { set });
  if (use && set === page.set) render(box, markup(use));
}

box.addEventListener('click', async ({ target }) => {
  const button = target.closest('#cw-delete-removed');
  if (!button) return;
  const what = plural(Number(button.dataset.removed), 'removed picture', 'removed pictures');
  if (!confirm(`Delete ${what} with their captions for good? Undo will not bring them back.`)) return;
  const reply = await askOrTell('Nothing was deleted', 'delete_removed', { set: page.set });
  if (!reply) return;
  brief(`${plural(reply.deleted, 'picture', 'pictures')} deleted for good`);
  byId('cw-rename').focus();
  await show();
});
byId('cw-sets-menu').addEventListener('toggle', () => {
  if (byId('cw-sets-menu').open) show();
});
