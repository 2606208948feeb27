// A change that the overview offers: what it would do is said first, then it is one step that undo takes back.

import { byId } from '../core/elements.js';
import { ask, Refused, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { undo } from '../views/undo.js';

const form = byId('cw-overview-change');
const field = byId('cw-overview-new');
const apply = byId('cw-overview-apply');
const cancel = byId('cw-overview-cancel');
let offered = null;
let found = null;
let asked = 0;
let back = null; // what had the focus

/** Tells something in the overview's head. @param {boolean} canUndo with a button that takes the last step back */
export function say(text, canUndo = false) {
  byId('cw-overview-said').textContent = text;
  byId('cw-overview-undo').hidden = !canUndo;
}

/** Runs what asks the server; what it says no to is told in the head. */
export async function orSay(run) {
  try {
    return await run();
  } catch (error) {
    throwBug(error);
    say(error.message);
    return undefined;
  }
}

/** What was found is of a text that stands there no more. */
function forget() {
  asked += 1;
  found = null;
  apply.disabled = true;
}

async function look() {
  forget();
  const number = asked;
  try {
    const answer = await offered.look(field.value.trim());
    if (number !== asked || !offered) return;
    found = answer;
    byId('cw-overview-count').textContent = answer.words;
    apply.disabled = !answer.count;
    if (document.activeElement === cancel) apply.focus();
  } catch (error) {
    throwBug(error);
    if (number === asked) byId('cw-overview-count').textContent = error.message;
  }
}
const lookLater = debounced(250, () => {
  if (offered) look();
});

/**
 * Asks the person before a change.
 * @param {object} change title: what it is; verb: on its button; text: what may be written anew, where something may;
 *   look: from that text to {count, words, run}: what it would do, and what does it and says so
 */
export function offer(change) {
  back = document.activeElement;
  offered = change;
  byId('cw-overview-what').textContent = change.title;
  byId('cw-overview-count').textContent = '';
  apply.textContent = change.verb;
  field.hidden = change.text === undefined;
  field.value = change.text ?? '';
  form.hidden = false;
  say('');
  if (field.hidden) cancel.focus();
  else field.select();
  look();
}

export function withdraw() {
  if (!offered) return;
  forget();
  offered = null;
  form.hidden = true;
  if (back?.isConnected) back.focus();
  else byId('cw-overview-search').focus();
}

/** A bulk change as `offer` takes it. @param {string[]} ids null for all pictures */
export async function bulkChange(operation, values, ids = null) {
  const { changes, label, note } = await ask('preview_bulk', { set: page.set, ids, operation, values });
  const fresh = changes.filter((change) => !change.was_edited).length;
  let words = plural(changes.length, 'caption changes', 'captions change');
  if (fresh) words += changes.length === 1 ? ' and becomes an edit' : `, ${fresh.toLocaleString()} become edits`;
  words += note ? `. ${note}` : '.';
  const run = async () => {
    const each = Object.fromEntries(changes.map(({ id, after, revision }) => [id, { after, revision }]));
    const reply = await ask('apply_bulk', { set: page.set, label, changes: each });
    if (reply.ok) return `${plural(reply.changed, 'caption', 'captions')} changed.`;
    const others = plural(reply.conflicts.length, 'caption was', 'captions were');
    throw new Refused({ code: 'conflict', message: `Nothing was changed: ${others} edited meanwhile. Try again.` });
  };
  return { count: changes.length, words, run };
}

async function go() {
  const { run } = found;
  const doing = offered;
  apply.disabled = true;
  let said;
  try {
    said = await run();
  } catch (error) {
    throwBug(error);
    if (offered === doing) byId('cw-overview-count').textContent = error.message;
    return;
  }
  if (offered === doing) withdraw();
  say(said, true);
  lookSoon();
}

field.addEventListener('input', () => {
  forget();
  lookLater();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (found?.count) go();
});
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  event.preventDefault();
  withdraw();
});
cancel.addEventListener('click', withdraw);
async function takeBack() {
  say('');
  await undo();
  byId('cw-overview-search').focus();
}
byId('cw-overview-undo').addEventListener('click', takeBack);
byId('cw-overview').addEventListener('keydown', (event) => {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z';
  if (!isUndo || event.target.matches('input')) return;
  event.preventDefault();
  takeBack();
});
