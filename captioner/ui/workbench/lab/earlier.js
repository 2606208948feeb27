// The comparisons that the set keeps: opened again, renamed, deleted.

import './frame.js';
import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { askOrTell } from '../core/messages.js';
import { plural } from '../core/text.js';
import { page } from '../set/pictures.js';
import { show } from './sweep.js';

const box = byId('cw-compare-earlier');
const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
let known = [];
let renaming = '';
let asked = 0; // how often the list was asked for: only the last answer counts

function line({ id, name, created_at: created, pictures, cells, rated, is_damaged: isDamaged }) {
  const about = isDamaged
    ? 'Damaged on the disk; it cannot be opened.'
    : `${plural(pictures, 'picture', 'pictures')} × ${plural(cells, 'cell', 'cells')}, ${rated.toLocaleString()} rated · ${when.format(new Date(created * 1000))}`;
  if (id === renaming)
    return html`<li><form data-id="${id}"><input type="text" name="name" value="${name}" maxlength="200" autocomplete="off" aria-label="Name">
      <button type="submit" class="cw-button cw-small cw-primary">Rename</button><button type="button" class="cw-button cw-small" data-do="keep">Cancel</button></form></li>`;
  return html`<li><button type="button" class="cw-compare-again" data-do="open" data-id="${id}"><b>${name}</b><br><span class="cw-quiet">${about}</span></button>
    <button type="button" class="cw-button cw-small" data-do="rename" data-id="${id}" aria-label="Rename ${name}">Rename</button>
    <button type="button" class="cw-button cw-small" data-do="delete" data-id="${id}" aria-label="Delete ${name}">Delete</button></li>`;
}

function draw() {
  const none = html`<p class="cw-quiet">None yet. Each one is kept here with its ratings.</p>`;
  render(box, known.length ? html`<ul>${known.map(line)}</ul>` : none);
  if (renaming) box.querySelector('input').select();
}

/** Puts the focus on a comparison's button, since the one that had it is gone; on another one's where it is gone too. */
function focusOn(sweep, action) {
  const buttons = [...box.querySelectorAll(`[data-do="${action}"]`)];
  const own = buttons.find(({ dataset }) => dataset.id === sweep);
  (own ?? buttons[0] ?? byId('cw-compare-close')).focus();
}

export async function listEarlier() {
  asked += 1;
  const question = asked;
  const reply = await askOrTell('The earlier comparisons are not there', 'sweeps', { set: page.set });
  if (!reply || question !== asked) return;
  known = reply.sweeps;
  renaming = '';
  draw();
}

export async function rename(sweep, name) {
  return askOrTell('The comparison was not renamed', 'rename_sweep', { set: page.set, sweep, name });
}

async function remove(sweep) {
  const { name } = known.find(({ id }) => id === sweep);
  if (!confirm(`Delete the comparison “${name}”? Ratings of its captions stay. This cannot be undone.`)) return;
  if (!(await askOrTell('The comparison was not deleted', 'delete_sweep', { set: page.set, sweep }))) return;
  await listEarlier();
  focusOn(sweep, 'delete');
}

const ACTIONS = {
  open: show,
  delete: remove,
  rename: (id) => {
    renaming = id;
    draw();
  },
  keep: () => {
    const kept = renaming;
    renaming = '';
    draw();
    focusOn(kept, 'rename');
  },
};

box.addEventListener('click', (event) => {
  const { do: name, id } = event.target.closest('button')?.dataset ?? {};
  if (name) ACTIONS[name](id);
});
box.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { dataset, elements } = event.target;
  if (!(await rename(dataset.id, elements.name.value.trim()))) return;
  await listEarlier();
  focusOn(dataset.id, 'rename');
});
box.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !renaming) return;
  event.stopPropagation();
  ACTIONS.keep();
});
