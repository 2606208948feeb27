// A change that a dialog offers: what it would do is said first, then it is one step that undo takes back. Each dialog
// that offers some has such a bar in its head, of elements whose ids begin alike.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { ask, Refused, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { differing } from '../core/word_diffs.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { undo } from '../views/undo.js';

const EXAMPLES = 3;
const LOOK_AGAIN = ['conflict', 'preview_gone']; // the captions are others than those that were seen

/** A bulk change as `offer` takes it. @param {string[]} ids null for all pictures */
export async function bulkChange(operation, values, ids = null) {
  const { changes, preview, note } = await ask('preview_bulk', { set: page.set, ids, operation, values });
  const fresh = changes.filter((change) => !change.was_edited).length;
  let words = plural(changes.length, 'caption changes', 'captions change');
  if (fresh) words += changes.length === 1 ? ' and becomes an edit' : `, ${fresh.toLocaleString()} become edits`;
  words += note ? `. ${note}` : '.';
  const run = async () => {
    const reply = await ask('apply_bulk', { set: page.set, preview, left_out: [] });
    if (reply.ok) return `${plural(reply.changed, 'caption', 'captions')} changed.`;
    const others = plural(reply.conflicts.length, 'caption was', 'captions were');
    throw new Refused({ code: 'conflict', message: `${others} edited meanwhile.` });
  };
  return { count: changes.length, words, run, examples: changes.slice(0, EXAMPLES) };
}

/**
 * The bar of a dialog.
 * @param {string} name its elements are called so, and -said, -undo, -change, -what, -new, -count, -apply, -cancel; with
 *   -examples, what would change is shown of a few captions
 * @param {string} home the id of what has the focus where nothing else has
 */
export function changeBar(name, home) {
  const of = (part) => byId(`${name}-${part}`);
  const [form, field, apply, cancel, examples] = ['change', 'new', 'apply', 'cancel', 'examples'].map(of);
  let offered = null;
  let found = null;
  let asked = 0;
  let back = null; // what had the focus

  /** Tells something in the head. @param {boolean} canUndo with a button that takes the last step back */
  function say(text, canUndo = false) {
    of('said').textContent = text;
    of('undo').hidden = !canUndo;
  }

  /** Runs what asks the server; what it says no to is told in the head. */
  async function orSay(run) {
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
    examples?.replaceChildren();
  }

  async function showExamples(number) {
    const pairs = (found.examples ?? []).map(({ before, after }) => ({ before, after }));
    if (!examples || !pairs.length) return;
    const { diffs } = await ask('word_diffs', { pairs });
    if (number === asked) render(examples, html`${diffs.map((pieces) => html`<li>${differing(pieces)}</li>`)}`);
  }

  /** @param {string} before said before what it would do */
  async function look(before = '') {
    forget();
    const number = asked;
    try {
      const answer = await offered.look(field.value.trim());
      if (number !== asked || !offered) return;
      found = answer;
      of('count').textContent = before + answer.words;
      apply.disabled = !answer.count;
      if (document.activeElement === cancel) apply.focus();
      await showExamples(number);
    } catch (error) {
      throwBug(error);
      if (number === asked) of('count').textContent = error.message;
    }
  }
  const lookLater = debounced(250, () => {
    if (offered) look();
  });

  /**
   * Asks the person before a change.
   * @param {object} change title: what it is; verb: on its button; text: what may be written anew, where something may;
   *   look: from that text to {count, words, run, examples}: what it would do, what does it and says so, and captions
   *   {before, after} of which it is shown
   */
  function offer(change) {
    back = document.activeElement;
    offered = change;
    of('what').textContent = change.title;
    of('count').textContent = '';
    apply.textContent = change.verb;
    field.hidden = change.text === undefined;
    field.value = change.text ?? '';
    form.hidden = false;
    say('');
    if (field.hidden) cancel.focus();
    else field.select();
    look();
  }

  function withdraw() {
    if (!offered) return;
    forget();
    offered = null;
    form.hidden = true;
    if (back?.isConnected) back.focus();
    else byId(home).focus();
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
      if (offered !== doing) return;
      if (LOOK_AGAIN.includes(error.code)) await look(`Nothing was changed. ${error.message} Now `);
      else of('count').textContent = error.message;
      return;
    }
    if (offered === doing) withdraw();
    say(said, true);
    lookSoon();
  }

  async function takeBack() {
    say('');
    await undo();
    byId(home).focus();
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
  of('undo').addEventListener('click', takeBack);
  byId(name).addEventListener('keydown', (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z';
    if (!isUndo || event.target.matches('input')) return;
    event.preventDefault();
    takeBack();
  });
  return { say, orSay, offer, withdraw };
}
