// Undo and redo of what was done to the set, which the server keeps: edits, bulk changes, runs, removals, settings.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell, brief, withdrawActions } from '../core/messages.js';
import { plural } from '../core/text.js';
import { page } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';

async function go(name) {
  if (!page.set) return;
  if (!(await savedOrTold())) return;
  const reply = await askOrTell(name === 'undo' ? 'Nothing was undone' : 'Nothing was done again', name, {
    set: page.set,
  });
  if (!reply || !reply.label) return;
  const gone = reply.gone ? `${plural(reply.gone, 'picture', 'pictures')} deleted for good` : '';
  if (reply.is_changed) brief(`${name === 'undo' ? 'Undone' : 'Done again'}: ${reply.label}${gone && `, but ${gone}`}`);
  else brief(`${reply.label}: nothing came back, ${gone}`);
  if (reply.has_settings) byId('cw-reload-settings').click();
  lookSoon();
}

const show = (id, word, label) => {
  byId(id).disabled = !label;
  byId(id).title = label ? `${word}: ${label}` : word;
};
on('told', (reply) => {
  show('cw-undo', 'Undo', reply.undo);
  show('cw-redo', 'Redo', reply.redo);
});
export const undo = () => go('undo');
export const redo = () => go('redo');

/** A button beside words that say what was done; it goes once something else was. */
export const undoAction = { text: 'Undo', run: undo };
on('edited', withdrawActions);
on('stored', (reply) => {
  if (reply.is_changed) withdrawActions();
});

byId('cw-undo').addEventListener('click', undo);
byId('cw-redo').addEventListener('click', redo);
