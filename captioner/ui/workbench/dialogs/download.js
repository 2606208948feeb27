// The zip: made by the server when asked, after everything typed here has been saved.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { page } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';

const form = byId('cw-download-form');
const menu = byId('cw-download-menu');

const wishes = () => ({
  format: form.elements.format.value,
  with_pictures: form.elements.with_pictures.checked,
});

/** Says what the zip will hold that one may not expect: other names, empty captions, captions of several lines. */
async function look() {
  const box = byId('cw-download-notes');
  if (!menu.open || !page.rows.length) return;
  try {
    const reply = await ask('export_notes', { set: page.set, export: wishes() });
    render(box, html`${reply.notes.map((note) => html`<li>${note}</li>`)}`);
  } catch (error) {
    throwBug(error); // what it says then, the download says too
    box.replaceChildren();
  }
}

menu.addEventListener('toggle', look);
form.addEventListener('change', look);
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  menu.open = false;
  if (!page.rows.length) {
    notice('bad', 'There is nothing to download yet', ['Add pictures first.']);
    return;
  }
  if (!(await savedOrTold('The zip would lack them. Settle conflicts, or wait for the server, and try again.'))) return;
  const wanted = new URLSearchParams(wishes());
  const link = document.createElement('a');
  link.href = `sets/${encodeURIComponent(page.set)}/export?${wanted}`;
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
});
