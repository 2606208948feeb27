// Adding pictures, with their folders and the caption files beside them. The server says what each chosen file is
// before any is sent; each picture is one request, with the bytes of its caption files, which the server reads. Captions
// whose pictures are in the set already go last, and then what an import may know. What is refused or left out is told with its reason.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { brief, notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import * as arrivals from '../set/arrivals.js';
import { ensureSet } from '../set/creation.js';
import { page, pathOf, rowOf, takeRows } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { ofDrop, ofInput } from './chosen.js';
import { removeThese } from './selection.js';

const AT_ONCE = 3;
const CAPTIONS_AT_ONCE = 200;
const CAPTIONS_BYTES = 3_000_000; // of one request
const CAPTION_BYTES = 1_000_001; // what is longer is refused, and need not be sent whole
const START_BYTES = 16;
const HAS_CAPTION = 'has_caption'; // the server's code

const queue = [];
let running = 0;
let sorting = 0; // selections of files that are being looked at
let done = 0;
let total = 0;
let told = nothingTold();
const strays = []; // caption files whose pictures did not come with them
const lists = []; // files that may list captions, or hold a set
let uploadId = '';
let before = new Set(); // ids of the pictures that were here when the upload began, and of those it added
let isFinishing = false;

/**
 * What there is to tell in the end. kept: caption files whose pictures have another caption. known: pictures that were
 * there under their names. equal: rows of those that were there under another one. attached: captions of pictures that
 * were there.
 */
function nothingTold() {
  return { refused: [], notes: [], leftOut: 0, isBad: false, masks: null, kept: [], known: 0, equal: [], attached: 0 };
}

const isBusy = () => sorting > 0 || total > 0 || isFinishing;
const words = ({ name, message }) => (message.startsWith(name) ? message : `${name}: ${message}`);

async function startOf(file) {
  const bytes = new Uint8Array(await file.slice(0, START_BYTES).arrayBuffer());
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Asks the server what the files are; of those whose names do not tell, the first bytes go along. */
async function sorted(found, includeMasks) {
  const files = found.map(({ path }) => ({ name: path })); // what is called a path, the guard takes for an upload's
  const look = () => ask('sort_files', { files, include_masks: includeMasks });
  const reply = await look();
  const unsure = reply.files.flatMap(({ kind }, index) => (kind === 'unsure' ? [index] : []));
  if (!unsure.length) return reply;
  for (const index of unsure) files[index].start = await startOf(found[index].file).catch(() => '');
  return look();
}

/** @param {{file: File, path: string}[]} found files with their path below what was chosen */
export async function add(found, { unreadable = [], includeMasks = false } = {}) {
  if (page.isGone) return;
  sorting += 1;
  told.refused.push(...unreadable);
  try {
    if (found.length) {
      const reply = await sorted(found, includeMasks);
      await ensureSet();
      take(found, reply);
    }
  } catch (error) {
    throwBug(error);
    told.refused.push(`${plural(found.length, 'file', 'files')}: ${error.message}; add them again`);
  } finally {
    sorting -= 1;
  }
  while (running < AT_ONCE && queue.length) work();
  if (!running) finish();
}

function take(found, reply) {
  if (!uploadId) before = new Set(rowOf.keys());
  uploadId ||= Math.random().toString(36).slice(2) + Date.now().toString(36);
  const jobs = new Map();
  const captions = [];
  reply.files.forEach(({ folder, name, kind, picture }, index) => {
    const { file } = found[index];
    if (kind === 'picture') jobs.set(index, { folder, name, file, captions: [] });
    else if (kind === 'caption') captions.push({ folder, name, file, picture });
    else if (kind === 'list') lists.push(found[index]);
  });
  for (const caption of captions) (jobs.get(caption.picture)?.captions ?? strays).push(caption);
  told.notes.push(...reply.notes);
  told.leftOut += reply.left_out;
  told.isBad ||= reply.is_missed;
  if (reply.masks) told.masks = { found, count: reply.masks };
  arrivals.expect([...jobs.values()].map(({ folder, name, file }) => [folder, name, file.size]));
  queue.push(...jobs.values());
  total += jobs.size;
  progress();
}

async function work() {
  running += 1;
  while (queue.length) {
    await sendPicture(queue.shift());
    done += 1;
    progress();
  }
  running -= 1;
  if (!running) finish();
}

const address = (end) => `sets/${encodeURIComponent(page.set)}/${end}`;

/** Sends a form. @returns the answer, or undefined after telling why there is none */
async function send(end, form, name) {
  try {
    const reply = await fetch(address(end), { method: 'POST', body: form });
    const answer = await reply.json();
    if (!answer.error) return answer;
    told.refused.push(words({ name, ...answer.error }));
  } catch {
    told.refused.push(`${name}: the server was not reached; add it again`);
  }
  return undefined;
}

function formOf(captions) {
  const form = new FormData();
  form.append('upload', uploadId);
  form.append('caption_names', JSON.stringify(captions.map(({ name }) => name)));
  for (const { file } of captions) form.append('captions', file.slice(0, CAPTION_BYTES));
  return form;
}

/** Takes what an answer tells of caption files. */
function takeTold({ refused, notes }, captions) {
  told.notes.push(...notes);
  for (const one of refused) {
    const caption = one.code === HAS_CAPTION && captions.find((caption) => pathOf(caption) === one.name);
    if (caption) told.kept.push(caption);
    else told.refused.push(words(one));
  }
}

async function sendPicture({ folder, name, file, captions }) {
  const form = formOf(captions);
  form.append('name', name);
  form.append('folder', folder);
  form.append('file', file);
  const answer = await send('pictures', form, pathOf({ folder, name }));
  if (!answer) return;
  // Not by what is on the page: what the server tells of the set may have shown the picture before its own answer came.
  if (before.has(answer.row.id)) told.known += 1;
  else if (answer.row.equal_to) told.equal.push(answer.row);
  before.add(answer.row.id);
  takeRows([answer.row]);
  takeTold(answer, captions);
}

/** Sends caption files of pictures that are in the set, a folder's together so that those of one picture meet. */
async function sendCaptions(captions, isReplacing) {
  const inOrder = [...captions].sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
  while (inOrder.length) {
    const some = [inOrder.shift()];
    let bytes = some[0].file.size;
    const isNext = ({ folder, name }) => folder === some.at(-1).folder && stem(name) === stem(some.at(-1).name);
    while (inOrder.length && ((some.length < CAPTIONS_AT_ONCE && bytes < CAPTIONS_BYTES) || isNext(inOrder[0]))) {
      bytes += Math.min(CAPTION_BYTES, inOrder[0].file.size);
      some.push(inOrder.shift());
    }
    const form = formOf(some);
    form.append('caption_folders', JSON.stringify(some.map(({ folder }) => folder)));
    if (isReplacing) form.append('replace', 'true');
    const answer = await send('captions', form, plural(some.length, 'caption file', 'caption files'));
    if (!answer) continue;
    takeRows(answer.rows);
    told.attached += answer.rows.length;
    takeTold(answer, some);
  }
}

const stem = (name) => name.replace(/\.[^.]*$/, '').toLowerCase();
const progress = () => announce('uploading', { done, total });

async function finish() {
  if (isFinishing) return;
  isFinishing = true;
  while (strays.length && !running && !sorting) await sendCaptions(strays.splice(0), false);
  isFinishing = false;
  if (running || sorting) return; // more came meanwhile, which ends with this again
  arrivals.settle();
  tell();
  const isAlone = !total && !told.attached && !told.refused.length;
  told = nothingTold();
  done = total = 0;
  uploadId = '';
  progress();
  announce('uploaded');
  tellMissing();
  if (page.set) lookSoon();
  // Last, so that the pictures they are about are here.
  if (lists.length) announce('lists', { files: lists.splice(0), isAlone });
}

/** One notice for everything: how many were not added, and why. */
function tell() {
  const { refused, notes, leftOut, isBad, masks, kept, known, equal, attached } = told;
  const lines = [...refused, ...notes];
  const actions = [];
  if (kept.length) {
    lines.push(
      `${plural(kept.length, 'caption file was', 'caption files were')} not taken, since the pictures have other ` +
        `captions: ${shortList(kept.map(pathOf))}`,
    );
    actions.push({ text: 'Take these captions instead', run: () => replaceBy(kept) });
  }
  if (masks)
    actions.push({
      text: masks.count === 1 ? 'Add the mask as a picture' : `Add the ${masks.count} masks as pictures`,
      run: () => add(masks.found, { includeMasks: true }),
    });
  const twins = equal.filter(({ id }) => rowOf.has(id));
  const wereThere = `${plural(twins.length, 'was', 'were')} there already`;
  if (twins.length) {
    const pairs = twins.map((row) => {
      const first = rowOf.get(row.equal_to);
      return first ? `${pathOf(row)} (as ${pathOf(first)})` : pathOf(row);
    });
    lines.push(`The same picture under another name: ${shortList(pairs)}`);
    actions.push({
      text: twins.length === 1 ? 'Remove it' : `Remove the ${twins.length.toLocaleString()}`,
      run: () => removeThese(twins.map(({ id }) => id)),
    });
  }
  const count = refused.length + leftOut + kept.length;
  if (count) {
    const isHarmless = !refused.length && !isBad;
    notice(isHarmless ? 'plain' : 'bad', plural(count, 'file was not added', 'files were not added'), lines, actions);
  } else if (lines.length) {
    const isOfTwinsOnly = twins.length > 0 && lines.length === 1;
    notice('plain', isOfTwinsOnly ? wereThere : 'Added, with a word on some', lines, actions);
  }
  const said = [];
  if (known) said.push(`${plural(known, 'picture was', 'pictures were')} in the set already`);
  if (attached) said.push(`${plural(attached, 'caption came', 'captions came')} to pictures of the set`);
  if (said.length) brief(said.join('; '));
}

function shortList(names) {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${(names.length - 3).toLocaleString()} more.` : `${shown}.`;
}

async function replaceBy(captions) {
  uploadId ||= Math.random().toString(36).slice(2);
  await sendCaptions(captions, true);
  if (!running) finish();
}

/** After a reload or a crash: what of the last upload is not here. */
function tellMissing() {
  byId('cw-notices').querySelector('[data-about=missing]')?.remove();
  const files = arrivals.missing();
  arrivals.keepOnly(files);
  if (!files.length) return;
  const names = files.map(([folder, name]) => pathOf({ folder, name }));
  const box = notice(
    'bad',
    plural(files.length, 'picture of the last upload was not added', 'pictures of the last upload were not added'),
    [shortList(names), 'Add the same files or folders again: what is here already is not doubled.'],
    [{ text: 'Do without them', run: () => arrivals.keepOnly([]) }],
  );
  box.dataset.about = 'missing';
}

for (const [button, input] of [
  ['cw-add', 'cw-files'],
  ['cw-add-first', 'cw-files'],
  ['cw-add-folder', 'cw-folder'],
  ['cw-add-folder-first', 'cw-folder'],
])
  byId(button).addEventListener('click', () => byId(input).click());
for (const input of [byId('cw-files'), byId('cw-folder')])
  input.addEventListener('change', () => {
    add(ofInput(input));
    input.value = '';
  });

const veil = byId('cw-drop');
const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes('Files');
window.addEventListener('dragover', (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  veil.hidden = false;
});
window.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) veil.hidden = true;
});
window.addEventListener('drop', async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  veil.hidden = true;
  sorting += 1; // a large folder takes a while, and leaving meanwhile would lose it
  const { found, unreadable } = await ofDrop(event.dataTransfer);
  sorting -= 1;
  add(found, { unreadable });
});
window.addEventListener('beforeunload', (event) => {
  if (isBusy()) event.preventDefault(); // the browser asks
});

let isLooked = false;
on('told', () => {
  if (!isLooked) tellMissing();
  isLooked = true;
});
