// The zip: made by the server when asked, after everything typed here has been saved.

import { byId } from '../core/elements.js';
import { notice } from '../core/messages.js';
import { page } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';

const form = byId('cw-download-form');
const menu = byId('cw-download-menu');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  menu.open = false;
  if (!page.rows.length) {
    notice('bad', 'There is nothing to download yet', ['Add pictures first.']);
    return;
  }
  if (!(await savedOrTold('The zip would lack them. Settle conflicts, or wait for the server, and try again.'))) return;
  const wanted = new URLSearchParams({ format: form.elements.format.value });
  if (form.elements.with_pictures.checked) wanted.set('with_pictures', 'true');
  const link = document.createElement('a');
  link.href = `sets/${encodeURIComponent(page.set)}/export?${wanted}`;
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
});
