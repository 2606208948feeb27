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
  let bin;
  try {
    ({ sets: others, bin } = await known.allOthers());
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
  const empty = html`<button type="button" class="cw-button cw-small" data-bin="all">Empty the bin…</button>`;
  const binned = bin.length ? html`<p class="cw-quiet cw-bin-head">In the bin ${empty}</p>${bin.map(binMarkup)}` : '';
  render(byId('cw-sets'), html`${title}${others.map(line)}${binned}`);
}

function binMarkup({ id, name: called, pictures, goes_at: goesAt }) {
  const days = Math.max(0, Math.ceil((goesAt - Date.now() / 1000) / 86_400));
  const title = called || 'Unnamed set';
  return html`<div class="cw-binned"><b>${title}</b> <span class="cw-quiet">${plural(pictures, 'picture', 'pictures')},
    ${plural(days, 'day', 'days')} left</span> <span class="cw-binned-does"><button type="button" class="cw-button cw-small" data-bin="restore_set"
    data-set="${id}" aria-label="Restore ${title}">Restore</button> <button type="button" class="cw-button cw-small"
    data-bin="delete_for_good" data-set="${id}" aria-label="Delete ${title} for good">Delete</button></span></div>`;
}

/** Whether a set is gone for good, from the server and from what this browser knows. */
async function deleteForGood(set) {
  if (!(await askOrTell('The set was not deleted', 'delete_for_good', { set }))) return false;
  known.forget(set);
  unsaved.forget(set);
  arrivals.forget(set);
  return true;
}

const inBin = () =>
  [...byId('cw-sets').querySelectorAll('[data-bin=delete_for_good]')].map(({ dataset }) => dataset.set);

const BIN_DOES = {
  restore_set: (set) => askOrTell('The set is not back', 'restore_set', { set }),
  delete_for_good: (set) =>
    confirm('Delete this set with its pictures and captions for good? This cannot be undone.') && deleteForGood(set),
  async all() {
    const sets = inBin();
    const what = plural(sets.length, 'set', 'sets');
    if (!confirm(`Delete ${what} with all pictures and captions for good? This cannot be undone.`)) return false;
    for (const set of sets) if (!(await deleteForGood(set))) break;
    return true;
  },
};

byId('cw-sets').addEventListener('click', async ({ target }) => {
  const { bin: name, set } = target.closest('[data-bin]')?.dataset ?? {};
  if (!name || !(await BIN_DOES[name](set))) return;
  byId('cw-rename').focus();
  await list();
});

async function remove() {
  const pictures = plural(page.rows.length, 'picture', 'pictures');
  if (!confirm(`Delete this set, ${pictures} with their captions? It waits in the bin of this menu for 30 days.`))
    return;
  const set = page.set;
  if (!(await askOrTell('The set was not deleted', 'delete_set', { set }))) return;
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
