// What is done with a cell: its settings become the set's, its caption is copied or becomes the picture's own.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell, brief } from '../core/messages.js';
import { page, rowOf } from '../set/pictures.js';
import { inTurn } from '../set/turns.js';
import * as unsaved from '../set/unsaved.js';
import { undoAction } from '../views/undo.js';
import { open } from './sweep.js';

let arrived = () => {};
on('settings', () => arrived());

/** When the controls show the settings that were stored. */
const settingsShown = () =>
  new Promise((done) => {
    arrived = done;
    byId('cw-reload-settings').click();
  });

/** Makes a cell's settings the set's, and shows them in the controls. @returns whether they are */
export async function useSettings(cell) {
  const of = { set: page.set, sweep: open.sweep.id, cell };
  const title = 'The settings were not taken';
  const reply = await askOrTell(title, 'cell_settings', of);
  if (!reply) return false;
  const settings = { ...page.settings, ...reply.settings };
  const stored = await inTurn(() => askOrTell(title, 'settings_changed', { set: page.set, settings }));
  if (!stored) return false;
  const isSame = Object.entries(settings).every(([name, value]) => page.settings[name] === value);
  if (!isSame) await settingsShown();
  brief(isSame ? 'These are the settings already' : 'These settings are in use now', isSame ? [] : [undoAction]);
  return true;
}

/** The same, and all pictures are captioned with them; what that means for captions that are there is asked as ever. */
export async function captionAllWith(cell, leaveCompare) {
  if (!(await useSettings(cell))) return;
  leaveCompare();
  byId('cw-caption-all').click();
}

export async function copy({ caption }) {
  try {
    await navigator.clipboard.writeText(caption);
    brief('Caption copied');
  } catch {
    brief('The browser did not let the caption be copied; select its text and copy that.');
  }
}

/** Makes a cell's caption the picture's own, as an edit. */
export function useCaption({ picture, text }) {
  unsaved.edit(picture, text, { isStep: true });
  brief(`The caption of ${rowOf.get(picture).name} is this one now`, [undoAction]);
}

/** What can be done with a caption, by the words of its button; what is not possible is left out. */
export function captionActions(cell) {
  if (!cell || cell.caption === null) return {};
  const isHere = rowOf.has(cell.picture);
  return {
    'Copy caption': () => copy(cell),
    ...(isHere ? { 'Use this caption for the picture': () => useCaption(cell) } : {}),
  };
}
