// Kinds of captions (main, short, tags, ...): the one in front is chosen over the captioner, whose settings are its own;
// what the selected picture has of the others stands below its caption, where "Use" makes it the caption.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render, renderChanged } from '../core/html.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { throwBug } from '../core/server.js';
import { textOf } from '../set/captions.js';
import { ensureSet } from '../set/creation.js';
import { detailsNow } from '../set/details.js';
import { page, rowOf } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';
import * as unsaved from '../set/unsaved.js';
import { letSettingsMove, waitForSettings } from './settings.js';
import { undoAction } from './undo.js';

const dialog = byId('cw-kind-new');
const field = byId('cw-kind-name');
const others = byId('cw-other-kinds');
let kinds = { front: '', all: [{ name: '', title: 'main', captioner: '' }] };
let isChanging = false;
let drawn = '';

/** The kinds that the set has, the main one first: {name, title, captioner}. */
export const allKinds = () => kinds.all;

/** What the kind in front is called. */
export const frontTitle = () => kinds.all.find(({ name }) => name === kinds.front).title;

/** Shown among Gradio's own controls, which may not be there yet. */
function show() {
  const box = byId('cw-kind');
  if (!box) return;
  const options = kinds.all.map(
    ({ name, title, captioner }) =>
      html`<option value="${name}" title="${captioner || 'no captioner'}">${title}</option>`,
  );
  renderChanged(box, html`${options}`); // an open list stays open
  if (box.value !== kinds.front) box.value = kinds.front;
  byId('cw-kind-remove').hidden = !kinds.front;
}

function take(told) {
  kinds = told;
  page.kind = told.front;
  show();
}

/** Changes the set's kinds; until the controls show the settings of the one in front nothing can be moved. */
async function change(title, name, kind) {
  try {
    await ensureSet();
  } catch (error) {
    throwBug(error);
    notice('bad', title, [error.message]);
    return false;
  }
  if (isChanging || !(await savedOrTold())) {
    show();
    return false;
  }
  isChanging = true;
  waitForSettings();
  const reply = await inTurn(() => askOrTell(title, name, { set: page.set, kind, settings: page.settings }));
  isChanging = false;
  if (reply) take(reply);
  else show();
  if (reply && page.settings.kind !== kinds.front) byId('cw-reload-settings').click();
  else letSettingsMove();
  lookSoon();
  return !!reply;
}

async function add() {
  const name = field.value.trim();
  if (!name) return;
  dialog.close();
  if (await change('The kind was not added', 'add_kind', name))
    brief(`The captions are ${frontTitle()} ones now; choose their captioner and settings`, [undoAction]);
}

async function remove() {
  const title = frontTitle();
  if (await change('The kind was not removed', 'remove_kind', title)) brief(`Removed: ${title}`, [undoAction]);
}

/** What the selected picture has of the other kinds. */
function draw() {
  const found = detailsNow();
  const row = found && rowOf.get(found.id);
  const there = row ? found.kinds : [];
  const text = row && textOf(row);
  others.hidden = !there.length;
  const wanted = html`${there.map(
    ({ title, caption }, index) =>
      html`<li><small>${title}</small><span title="${caption}">${caption}</span><button type="button"
        class="cw-button cw-small" data-index="${index}" aria-pressed="${caption === text}" aria-label="Use: ${caption}"
        >${caption === text ? 'Used' : 'Use'}</button></li>`,
  )}`;
  if (String(wanted) === drawn) return;
  drawn = String(wanted);
  const focused = others.contains(document.activeElement) ? document.activeElement.dataset.index : null;
  render(others, wanted);
  if (focused !== null) others.querySelector(`button[data-index="${focused}"]`)?.focus();
}

others.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const found = detailsNow();
  const row = found && rowOf.get(found.id);
  if (!button || row?.id !== page.current) return; // what is shown is still that of the picture before
  const { caption } = found.kinds[+button.dataset.index];
  if (caption !== textOf(row)) unsaved.edit(row.id, caption, { isStep: true });
});
document.addEventListener('change', ({ target }) => {
  if (target.id === 'cw-kind') change('The kind was not chosen', 'choose_kind', target.value);
});
document.addEventListener('click', ({ target }) => {
  if (target.id === 'cw-kind-remove') remove();
  if (target.id !== 'cw-kind-add') return;
  field.value = '';
  dialog.showModal();
});
byId('cw-kind-form').addEventListener('submit', (event) => {
  event.preventDefault();
  add();
});
byId('cw-kind-cancel').addEventListener('click', () => dialog.close());
on('told', (reply) => {
  if (isChanging) return; // its own answer comes
  take(reply.kinds);
  if (page.settings && page.settings.kind !== kinds.front) byId('cw-reload-settings').click(); // another tab chose it
});
on('settings', ({ values, isFirst }) => {
  show();
  if (!isFirst && values.kind === kinds.front) letSettingsMove();
});
on('details', draw);
on('edited', (id) => {
  if (id === page.current) draw();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) draw();
});
