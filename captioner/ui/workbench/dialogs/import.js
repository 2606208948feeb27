// Captions that others wrote: files that may list them, and sets in archives, go to the server, which says what they
// are. The form, the number and the first three pairs are shown before anything happens, and what has no partner.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { brief, notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { differing } from '../core/word_diffs.js';
import { page, takeRows } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';

const NOTHING = ['nothing_to_import', 'unknown_encoding']; // the server's codes
const dialog = byId('cw-import');
const choices = { form: byId('cw-import-form'), lines: byId('cw-import-lines'), encoding: byId('cw-import-encoding') };
const go = byId('cw-import-go');

const waiting = []; // what was chosen while the dialog is open
let token = '';
let isBusy = false;

const settings = () => ({
  form: choices.form.value || 'auto',
  lines: choices.lines.value || 'all',
  encoding: choices.encoding.value || 'utf-8',
  replace: byId('cw-import-replace').checked,
});

async function send(files) {
  const form = new FormData();
  form.append('paths', JSON.stringify(files.map(({ path }) => path)));
  for (const { file } of files) form.append('files', file);
  const reply = await fetch(`sets/${encodeURIComponent(page.set)}/imports`, { method: 'POST', body: form });
  const answer = await reply.json();
  if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer;
}

const namesOf = (files) => {
  const names = files.slice(0, 3).map(({ path }) => path);
  return files.length > 3 ? `${names.join(', ')} and ${(files.length - 3).toLocaleString()} more` : names.join(', ');
};

/** @param {{files: {file: File, path: string}[], isAlone: boolean}} chosen isAlone: no pictures or captions came along */
async function offer({ files, isAlone }) {
  if (token || isBusy) {
    waiting.push({ files, isAlone });
    return;
  }
  isBusy = true;
  brief(`Looking at ${namesOf(files)}…`, [], { stays: true });
  try {
    const answer = await send(files);
    brief('');
    token = answer.token;
    choices.lines.value = 'all';
    byId('cw-import-replace').checked = false;
    fill(choices.encoding, answer.encodings, 'utf-8');
    show(answer, answer.form);
    dialog.showModal();
  } catch (error) {
    brief('');
    tellNothing(error, files, isAlone);
  } finally {
    isBusy = false;
  }
  if (!token) next();
}

function tellNothing(error, files, isAlone) {
  const isQuiet = NOTHING.includes(error.code) && !isAlone;
  const title = isQuiet ? plural(files.length, 'file was not added', 'files were not added') : 'Nothing was imported';
  const reason = error.code ? error.message : 'the server was not reached; choose the files again.';
  const line = isQuiet ? `Neither pictures nor captions: ${namesOf(files)}.` : `${namesOf(files)}: ${reason}`;
  notice(isQuiet ? 'plain' : 'bad', title, [line]);
}

const next = () => waiting.length && offer(waiting.shift());

function fill(select, options, value) {
  render(select, html`${options.map(([name, title]) => html`<option value="${name}">${title}</option>`)}`);
  select.value = value;
}

/** Shows what the server says of the import; a refusal of a choice stands in the place of the pairs. */
function show(look, form) {
  fill(choices.form, look.forms, form);
  const isCaptioned = look.captions > 0;
  const captions = plural(look.captions, 'caption', 'captions');
  const pictures = look.pictures ? `, with ${plural(look.pictures, 'picture', 'pictures')}` : '';
  byId('cw-import-what').textContent = `${look.title[0].toUpperCase()}${look.title.slice(1)}: ${captions}${pictures}.`;
  const pair = ([name, text]) => html`<dt>${name}</dt><dd>${text || html`<span class="cw-quiet">no words</span>`}</dd>`;
  render(byId('cw-import-first'), html`${look.first.map(pair)}`);
  byId('cw-import-form-label').hidden = look.forms.length < 2;
  byId('cw-import-lines-label').hidden = !look.has_lines && choices.lines.value === 'all';
  byId('cw-import-encoding-label').hidden = !look.counts.other_encoding && choices.encoding.value === 'utf-8';
  byId('cw-import-replace-label').hidden = !look.replaced;
  byId('cw-import-replaced').textContent = plural(
    look.replaced,
    'picture has another caption; take this one instead',
    'pictures have other captions; take these instead',
  );
  const lists = [
    ['other_encoding', 'file is not UTF-8: choose its encoding', 'files are not UTF-8: choose their encoding'],
    ['without_picture', 'caption has no picture', 'captions have no picture'],
    ['without_caption', 'picture has no caption', 'pictures have no caption'],
  ];
  const list = ([name, one, many]) =>
    look.counts[name]
      ? html`<details><summary>${plural(look.counts[name], one, many)}</summary><ul>${look[name].map((line) => html`<li>${line}</li>`)}</ul></details>`
      : '';
  const change = ({ name, pieces }) => html`<li><b>${name}</b> ${differing(pieces)}</li>`;
  byId('cw-import-replaces').hidden = !look.replaced;
  render(byId('cw-import-changes'), html`${look.replaces.map(change)}`);
  render(byId('cw-import-told'), html`${lists.map(list)}${look.notes.map((note) => html`<p>${note}</p>`)}`);
  go.disabled = !isCaptioned && !look.pictures;
  go.textContent = look.pictures
    ? `Add ${plural(look.pictures, 'picture', 'pictures')}${isCaptioned ? ` with ${captions}` : ''}`
    : `Import ${captions}`;
}

async function lookAgain() {
  try {
    show(await ask('import_look', { set: page.set, import: token, settings: settings() }), choices.form.value);
  } catch (error) {
    throwBug(error);
    byId('cw-import-what').textContent = error.message;
    go.disabled = true;
  }
}

async function take() {
  const asked = { set: page.set, import: token, settings: settings() };
  token = '';
  isBusy = true;
  dialog.close();
  const told = { refused: [], notes: [] };
  let added = 0;
  try {
    for (let done = 0, isWhole = false; !isWhole; ) {
      const answer = await ask('import_take', { ...asked, done });
      takeRows(answer.rows);
      told.refused.push(...answer.refused.map(({ name, message }) => `${name}: ${message}`));
      told.notes.push(...answer.notes);
      added += answer.rows.length;
      done = answer.done;
      isWhole = answer.is_whole;
      if (answer.total) announce('uploading', { done, total: answer.total });
    }
    tell(told);
  } catch (error) {
    throwBug(error);
    notice('bad', 'The import stopped', [`${error.message} What came so far stays.`, ...told.refused]);
  }
  isBusy = false;
  announce('uploading', { done: 0, total: 0 });
  announce('uploaded');
  if (added) lookSoon();
  next();
}

function tell({ refused, notes }) {
  if (refused.length)
    notice('bad', plural(refused.length, 'file was not added', 'files were not added'), [...refused, ...notes]);
  else brief(['Imported; undo takes the captions back.', ...notes].join(' '));
}

function drop() {
  if (token) ask('import_drop', { import: token }).catch(throwBug);
  token = '';
  if (!isBusy) next();
}

on('lists', offer);
dialog.addEventListener('close', drop);
byId('cw-import-cancel').addEventListener('click', () => dialog.close());
go.addEventListener('click', take);
for (const control of [...Object.values(choices), byId('cw-import-replace')])
  control.addEventListener('change', lookAgain);
window.addEventListener('beforeunload', (event) => {
  if (isBusy) event.preventDefault(); // the browser asks
});
