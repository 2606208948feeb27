// Sample pictures for who has none at hand: fetched from the app and added as any others are, into a set of their own.

import { byId } from '../core/elements.js';
import { askOrTell, notice } from '../core/messages.js';
import { ensureSet } from '../set/creation.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { add } from './upload.js';

const NOT_ADDED = 'The sample pictures were not added';
const button = byId('cw-samples');

async function fileOf(name) {
  const reply = await fetch(`samples/${encodeURIComponent(name)}`);
  if (!reply.ok) throw new Error(`${name}: the server answered ${reply.status}`);
  return { file: new File([await reply.blob()], name, { type: 'image/png' }), path: name };
}

/** A set that this makes is called Samples; one that was there and is empty keeps its name. */
async function addSamples() {
  const listed = await askOrTell(NOT_ADDED, 'samples', {});
  if (!listed) return;
  try {
    const found = await Promise.all(listed.names.map(fileOf));
    const isNew = !page.set;
    await ensureSet();
    if (isNew) await askOrTell('The set was not named', 'rename_set', { set: page.set, name: 'Samples' });
    await add(found);
  } catch (error) {
    notice('bad', NOT_ADDED, [`${error.message}; try again.`]);
  }
  if (page.set) lookSoon();
}

button.addEventListener('click', async () => {
  button.disabled = true; // a second click would add the same ones
  await addSamples();
  button.disabled = false;
});
