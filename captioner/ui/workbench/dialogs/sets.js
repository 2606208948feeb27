// The set's name, and the sets that this browser opened.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, notice } from '../core/messages.js';
import { throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { setTitle } from '../core/title.js';
import * as arrivals from '../set/arrivals.js';
import { ensureSet } from '../set/creation.js';
import * as known from '../set/known.js';
import { page } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';

const name = byId('cw-rename');

function show(text) {
  byId('cw-set-name').textContent = text || (page.set ? 'Unnamed set' : 'New set');
  setTitle(text ? `${text} – Captioner` : 'Captioner');
  if (document.activeElement !== name) name.value = text || '';
}

const rename = debounced(400, async () => {
  const text = name.value.trim();
  try {
    await ensureSet();
  } catch (error) {
    notice('bad', 'The set was not named', [error.message]);
    return;
  }
  if (await askOrTell('The set was not named', 'rename_set', { set: page.set, name: text })) show(text);
});

async function list() {
  let others;
  try {
    others = await known.otherSets();
  } catch (error) {
    throwBug(error);
    notice('bad', 'The list of sets is not there', [error.message]);
    return;
  }
  const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
  const line = (set) => {
    const about = `${plural(set.pictures, 'picture', 'pictures')}, ${when.format(new Date(set.changed_at * 1000))}`;
    return html`<a class="cw-set" href="${set.address}"><b>${set.name || 'Unnamed set'}</b> <span
      class="cw-quiet">${about}</span></a>`;
  };
  const title = others.length ? html`<p class="cw-quiet">Opened in this browser</p>` : '';
  render(byId('cw-sets'), html`${title}${others.map(line)}`);
}

async function remove() {
  const pictures = plural(page.rows.length, 'picture', 'pictures');
  if (!confirm(`Delete this set, ${pictures} with their captions, for good? This cannot be undone.`)) return;
  const set = page.set;
  if (!(await askOrTell('The set was not deleted', 'delete_set', { set }))) return;
  known.forget(set);
  unsaved.forget(set);
  arrivals.forget(set);
  location.assign(location.pathname);
}

byId('cw-delete-set').addEventListener('click', remove);
name.addEventListener('input', rename);
name.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') byId('cw-sets-menu').open = false;
});
byId('cw-new-set').href = location.pathname;
byId('cw-sets-menu').addEventListener('toggle', () => {
  if (byId('cw-sets-menu').open) list();
});
on('opened', () => {
  byId('cw-delete-set').hidden = false;
  known.remember();
  show(name.value.trim());
});
on('told', (reply) => {
  if (reply.name !== null) show(reply.name);
});
show('');
