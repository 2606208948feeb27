// The set's name, and the sets that this browser opened.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, notice } from '../core/messages.js';
import * as storage from '../core/storage.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { setTitle } from '../core/title.js';
import * as arrivals from '../set/arrivals.js';
import { ensureSet } from '../set/creation.js';
import { page } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';

const KEPT = 'captioner/sets';
const name = byId('cw-rename');

const kept = () => storage.list(KEPT);

function remember() {
  storage.note(KEPT, JSON.stringify([page.set, ...kept().filter((id) => id !== page.set)].slice(0, 100)));
}

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
  const reply = await askOrTell('The list of sets is not there', 'known_sets', { sets: kept() });
  if (!reply) return;
  const others = reply.sets.filter((set) => set.id !== page.set);
  const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
  const line = (set) => {
    const address = new URL(location);
    address.search = '';
    address.searchParams.set('set', set.id);
    const about = `${plural(set.pictures, 'picture', 'pictures')}, ${when.format(new Date(set.changed_at * 1000))}`;
    return html`<a class="cw-set" href="${address.href}"><b>${set.name || 'Unnamed set'}</b> <span
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
  storage.note(KEPT, JSON.stringify(kept().filter((id) => id !== set)));
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
  remember();
  show(name.value.trim());
});
on('told', (reply) => {
  if (reply.name !== null) show(reply.name);
});
show('');
