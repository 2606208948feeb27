// Adding pictures, by button or by drag and drop (folders too). Caption files beside a picture come along as its
// existing caption. Each picture is one request; what is refused is told with its reason.

import { byId } from '../core/elements.js';
import { announce } from '../core/events.js';
import { notice } from '../core/messages.js';
import { plural } from '../core/text.js';
import { ensureSet } from '../set/creation.js';
import { page, takeRows } from '../set/pictures.js';

const AT_ONCE = 3;
const queue = [];
let running = 0;
let done = 0;
let total = 0;
let refused = [];

const isCaptionFile = (name) => /\.(txt|caption)$/i.test(name);
const stem = (path) => path.replace(/\.[^./]*$/, '').toLowerCase();

/** @param {{file: File, path: string}[]} found files with their path inside a dropped folder */
async function add(found) {
  if (page.isGone) return;
  if (!found.length && refused.length) finish();
  if (!found.length) return;
  const captions = new Map();
  for (const { file, path } of found)
    if (isCaptionFile(file.name)) captions.set(stem(path), { file, name: file.name, used: false });
  const pictures = found.filter(({ file }) => !isCaptionFile(file.name));
  for (const { file, path } of pictures) {
    const caption = captions.get(stem(path));
    if (caption) caption.used = true;
    queue.push({ file, caption: caption?.file });
  }
  for (const { name, used } of captions.values())
    if (!used) refused.push(`${name}: no picture of this name came with it`);
  total += pictures.length;
  try {
    await ensureSet();
  } catch (error) {
    queue.length = 0;
    total = 0;
    notice('bad', 'The pictures were not added', [error.message]);
    return;
  }
  while (running < AT_ONCE && queue.length) work();
  if (!total) finish();
}

async function work() {
  running += 1;
  while (queue.length) {
    const { file, caption } = queue.shift();
    progress();
    await send(file, caption);
    done += 1;
  }
  running -= 1;
  if (running === 0) finish();
}

async function send(file, caption) {
  try {
    const form = new FormData();
    form.append('name', file.name);
    form.append('existing', caption ? (await caption.text()).trim() : '');
    form.append('file', file);
    const reply = await fetch(`sets/${encodeURIComponent(page.set)}/pictures`, { method: 'POST', body: form });
    const answer = await reply.json();
    if (answer.row) takeRows([answer.row]);
    else refused.push(`${file.name}: ${answer.error.message}`);
  } catch {
    refused.push(`${file.name}: the server was not reached; add it again`);
  }
}

const progress = () => announce('uploading', { done, total });

function finish() {
  if (refused.length) notice('bad', plural(refused.length, 'file was not added', 'files were not added'), refused);
  done = total = 0;
  refused = [];
  progress();
  announce('uploaded');
}

/** The files of a drop, those inside dropped folders included. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  const visit = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((good, bad) => entry.file(good, bad)).catch(() => null);
      if (!file) refused.push(`${entry.name}: it cannot be read`);
      else if (!file.name.startsWith('.')) found.push({ file, path: entry.fullPath });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((good, bad) => reader.readEntries(good, bad)).catch(() => null);
      if (!some) refused.push(`${entry.name}: this folder cannot be read`);
      if (!some?.length) return;
      for (const child of some) await visit(child);
    }
  };
  for (const entry of entries) await visit(entry);
  return found;
}

const input = byId('cw-files');
for (const id of ['cw-add', 'cw-add-first']) byId(id).addEventListener('click', () => input.click());
input.addEventListener('change', () => {
  add([...input.files].map((file) => ({ file, path: file.name })));
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
  add(await dropped(event.dataTransfer));
});
