// Files of the person's own that are a setting (a vocabulary): picked from a list, added, taken off the list. Files belong
// to the server, which never changes one; the list belongs to the browser, as the list of sets does.

import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, orTold } from '../core/messages.js';
import { ask } from '../core/server.js';
import * as storage from '../core/storage.js';
import { plural } from '../core/text.js';
import { page } from '../set/pictures.js';
import { boxOf, put as putInto } from './boxes.js';

const LISTS = 'captioner/kept/';

const listed = (field) => storage.list(LISTS + field);

const list = (field, names) => storage.note(LISTS + field, JSON.stringify(names));

/** Gradio knows the value by a hidden box. */
const put = (field, name) => putInto(boxOf(field), name);

/** Brings one field's box to life; called when its tab is first shown. */
export function bringToLife(root) {
  const box = root.querySelector('.cw-kept');
  const field = box.dataset.field;
  const choice = box.querySelector('select');
  const input = box.querySelector('input[type=file]');
  const add = box.querySelector('[data-do=add]');
  const remove = box.querySelector('[data-do=remove]');
  const drop = box.querySelector('[data-do=delete]');
  const bin = box.querySelector('.cw-kept-bin');
  const message = box.querySelector('[role=alert]');
  const texts = new Map();

  function say(text) {
    message.textContent = text;
    message.hidden = !text;
    if (text) message.scrollIntoView({ block: 'nearest' });
  }

  function draw() {
    const chosen = page.settings?.[field] || '';
    const names = [...texts.keys()];
    if (chosen && !texts.has(chosen)) names.push(chosen);
    const isTwice = (text) => [...texts.values()].filter((other) => other === text).length > 1;
    const shown = (name) => {
      const text = texts.get(name) ?? `${name} (not here)`;
      return isTwice(text) ? `${text} ${name.slice(-8)}` : text;
    };
    const options = names.map((name) => html`<option value="${name}">${shown(name)}</option>`);
    render(choice, html`<option value="">None</option>${options}`);
    choice.value = chosen;
    remove.disabled = !chosen;
    drop.disabled = !texts.has(chosen);
  }

  function drawBin(deleted) {
    const left = (goesAt) => plural(Math.max(0, Math.ceil((goesAt - Date.now() / 1000) / 86_400)), 'day', 'days');
    const place = (goesAt) => (goesAt === null ? 'In the bin' : `In the bin, ${left(goesAt)} left`);
    const line = ({
      name,
      text,
      goes_at: goesAt,
    }) => html`<p><span>${place(goesAt)}: ${text}</span><button type="button" class="cw-button cw-small" data-bin="restore_file" data-name="${name}"
      aria-label="Restore ${text}">Restore</button><button type="button" class="cw-button cw-small"
      data-bin="delete_file_for_good" data-name="${name}" aria-label="Delete ${text} for good">Delete for good…</button></p>`;
    render(bin, html`${deleted.map(line)}`);
  }

  /** Calls what deletes or restores a file; whether that was done. */
  async function change(name, request) {
    say('');
    return Boolean(await orTold(say, () => ask(name, { field, ...request })));
  }

  /** Asks which of the listed files are there still, and what to show for them. */
  async function look() {
    const chosen = page.settings?.[field] || '';
    const names = [...new Set([...listed(field), ...(chosen ? [chosen] : [])])];
    const reply = names.length
      ? await askOrTell('The list of files cannot be shown', 'kept_files', { field, names })
      : { files: [], bin: [] };
    if (!reply) return;
    texts.clear();
    for (const { name, text } of reply.files) texts.set(name, text);
    draw();
    drawBin(reply.bin);
  }

  async function upload(file) {
    say('');
    add.disabled = true;
    try {
      const reply = await fetch(`kept/${field}?name=${encodeURIComponent(file.name)}`, { method: 'POST', body: file });
      const answer = await reply.json();
      if (answer.error) {
        say(answer.error.message);
        return;
      }
      list(field, [...new Set([...listed(field), answer.name])]);
      texts.set(answer.name, answer.text);
      put(field, answer.name);
    } catch (error) {
      say(`The file could not be sent: ${error.message}`);
    } finally {
      add.disabled = false;
      draw();
    }
  }

  choice.addEventListener('change', () => {
    say('');
    put(field, choice.value);
  });
  add.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = '';
    if (file) upload(file);
  });
  remove.addEventListener('click', () => {
    const name = choice.value;
    list(
      field,
      listed(field).filter((other) => other !== name),
    );
    texts.delete(name);
    say('');
    put(field, '');
  });
  drop.addEventListener('click', async () => {
    const name = choice.value;
    if (!confirm('Delete this file? It can be restored from the bin below.')) return;
    if (!(await change('delete_file', { name, set: page.set ?? '' }))) return;
    list(field, [...new Set([...listed(field), name])]); // whence it can be restored
    put(field, '');
    await look();
  });
  bin.addEventListener('click', async ({ target }) => {
    const { bin: does, name } = target.closest('[data-bin]')?.dataset ?? {};
    if (!does) return;
    if (does === 'delete_file_for_good' && !confirm('Delete this file for good? This cannot be undone.')) return;
    if (!(await change(does, { name }))) return;
    choice.focus();
    await look();
  });
  on('settings', ({ values }) => {
    if (values[field] && !texts.has(values[field])) look();
    else draw();
  });
  look();
}
