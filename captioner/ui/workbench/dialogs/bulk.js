// One change to many captions: always shown first, with before and after, then done as one step that undo takes back.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { byName, plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { isFiltered } from '../set/listing.js';
import { page } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { offerParts } from '../views/add_tag.js';

const dialog = byId('cw-bulk');
const form = byId('cw-bulk-form');
const field = (name) => form.elements[name];
const SHOWN = 200;
let found = null;
let asked = 0;

const VALUES = {
  replace: () => ({
    find: field('find').value,
    replacement: field('replacement').value,
    how: field('how').value,
    match_case: field('match_case').checked,
  }),
  affix: () => ({ text: field('text').value, where: field('affix_where').value }),
  tag: () => ({ tag: field('tag').value, what: field('what').value, where: field('tag_where').value }),
  subject: () => ({ class_name: field('class_name').value, subject_name: field('subject_name').value }),
  clear: () => ({}),
};
const NEEDED = { replace: 'find', affix: 'text', tag: 'tag', subject: 'class_name' };

function idsOf(scope) {
  if (scope === 'selected') return [...page.selection];
  return scope === 'shown' ? page.shown.map((row) => row.id) : null;
}

function say(text) {
  byId('cw-bulk-message').textContent = text;
}

function forget() {
  found = null;
  byId('cw-bulk-apply').disabled = true;
  byId('cw-bulk-apply').textContent = 'Change';
  byId('cw-bulk-preview').replaceChildren();
}

/** The parts of two texts that differ, marked. */
function marked(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end))
    end += 1;
  const show = (text, mark) => {
    if (!text) return html`<i>empty</i>`;
    const middle = text.slice(start, text.length - end);
    return html`${text.slice(0, start)}${middle ? mark(middle) : ''}${text.slice(text.length - end)}`;
  };
  return [show(before, (gone) => html`<del>${gone}</del>`), show(after, (come) => html`<ins>${come}</ins>`)];
}

const look = debounced(250, async () => {
  asked += 1;
  const number = asked;
  const operation = field('operation').value;
  if (NEEDED[operation] && !field(NEEDED[operation]).value) return;
  try {
    const ids = idsOf(field('scope').value);
    const reply = await ask('preview_bulk', { set: page.set, ids, operation, values: VALUES[operation]() });
    if (number !== asked) return;
    found = { ...reply, changes: reply.changes.sort((a, b) => byName(a.name, b.name)) };
    show();
  } catch (error) {
    throwBug(error);
    if (number === asked) say(error.message);
  }
});

function show() {
  const { changes, looked_at } = found;
  const fresh = changes.filter((change) => !change.was_edited).length;
  say(
    `${changes.length.toLocaleString()} of ${plural(looked_at, 'caption', 'captions')} would change` +
      (fresh ? `; ${fresh.toLocaleString()} of them become edits.` : '.') +
      (found.note ? ` ${found.note}` : ''),
  );
  byId('cw-bulk-apply').disabled = !changes.length;
  byId('cw-bulk-apply').textContent = changes.length ? `Change ${changes.length.toLocaleString()}` : 'Change';
  const line = ({ name, before, after }) => {
    const [old, changed] = marked(before, after);
    return html`<div class="cw-change"><b>${name}</b><p>${old}</p><p>${changed}</p></div>`;
  };
  const more = changes.length - SHOWN;
  const rest = more > 0 ? html`<p class="cw-quiet">and ${more.toLocaleString()} more</p>` : '';
  render(byId('cw-bulk-preview'), html`${changes.slice(0, SHOWN).map(line)}${rest}`);
}

function changed() {
  const operation = field('operation').value;
  for (const part of form.querySelectorAll('[data-operation]')) part.hidden = part.dataset.operation !== operation;
  forget();
  say('');
  look();
}

async function apply() {
  const changes = Object.fromEntries(found.changes.map(({ id, after, revision }) => [id, { after, revision }]));
  const label = found.label;
  forget();
  const reply = await askOrTell('Nothing was changed', 'apply_bulk', { set: page.set, label, changes });
  if (!reply) return;
  if (reply.ok) {
    dialog.close();
    brief(`${plural(reply.changed, 'caption', 'captions')} changed; Undo takes it back`);
    lookSoon();
    return;
  }
  say(
    `Nothing was changed: ${plural(reply.conflicts.length, 'caption was', 'captions were')} edited meanwhile. Look again.`,
  );
  look();
}

form.addEventListener('input', changed);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (found?.changes.length) apply();
});
byId('cw-bulk-close').addEventListener('click', () => dialog.close());
byId('cw-bulk-open').addEventListener('click', async () => {
  if (!(await savedOrTold())) return;
  const scope = field('scope');
  scope.querySelector('[value=selected]').disabled = !page.selection.size;
  scope.querySelector('[value=shown]').disabled = !isFiltered();
  const narrower = isFiltered() ? 'shown' : 'all';
  scope.value = page.selection.size ? 'selected' : narrower;
  offerParts();
  changed();
  dialog.showModal();
});
on('listed', () => {
  byId('cw-bulk-open').disabled = !page.rows.length;
});
