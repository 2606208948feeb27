// A recipe of an export, chosen as a file or dropped: its settings become the set's, which undo takes back.

import { byId } from '../core/elements.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { throwBug } from '../core/server.js';
import { ensureSet } from '../set/creation.js';
import { page } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { undoAction } from '../views/undo.js';

const MAX_BYTES = 200_000_000;
const chooser = byId('cw-recipe-file');

/** Without what it says of pictures, which may be long and changes no setting. What is no JSON goes as it is. */
function shortened(text) {
  try {
    const { pictures, ...rest } = JSON.parse(text);
    return JSON.stringify(rest);
  } catch {
    return text.slice(0, 900_000);
  }
}

/** @param {File} file */
export async function openRecipe(file) {
  const title = `${file.name} was not opened`;
  if (file.size > MAX_BYTES) {
    notice('bad', title, ['It is too long for a recipe.']);
    return;
  }
  try {
    await ensureSet();
  } catch (error) {
    throwBug(error);
    notice('bad', title, [error.message]);
    return;
  }
  if (!(await savedOrTold())) return;
  if (!(await askOrTell(title, 'open_recipe', { set: page.set, text: shortened(await file.text()) }))) return;
  byId('cw-reload-settings').click();
  brief('The settings are those of the recipe', [undoAction]);
  lookSoon();
}

byId('cw-recipe-open').addEventListener('click', () => {
  byId('cw-sets-menu').open = false;
  chooser.click();
});
chooser.addEventListener('change', () => {
  const [file] = chooser.files;
  if (file) openRecipe(file);
  chooser.value = '';
});
// Before anything else takes what is dropped: a recipe alone is no picture.
window.addEventListener(
  'drop',
  (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length !== 1 || !/^captioner-recipe.*\.json$/i.test(files[0].name)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    byId('cw-drop').hidden = true;
    openRecipe(files[0]);
  },
  true,
);
