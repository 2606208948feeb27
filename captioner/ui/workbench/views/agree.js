// Tabs that show one set agree: settings that were changed elsewhere come into this tab's controls, with a word.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { brief } from '../core/messages.js';
import { page } from '../set/pictures.js';
import { isStoringSettings } from './settings.js';
import { undoAction } from './undo.js';

let foreign = null; // what the set has and this tab had not, when it last looked
let taken = ''; // as text: what was put into the controls last

// The set has settings of models too that this page has no controls for; those cannot differ.
const isEqual = (theirs, ours) =>
  Object.keys(ours).every((name) => !(name in theirs) || String(theirs[name]) === String(ours[name]));

on('told', (reply) => {
  // What this tab does changes the set's settings too, some time before its controls have them: only what still differs
  // at the second look came from elsewhere.
  const earlier = foreign;
  foreign = reply.settings ?? foreign;
  if (!foreign || !page.settings || isStoringSettings()) return;
  if (isEqual(foreign, page.settings)) foreign = null;
  else if (earlier && !reply.settings && taken !== JSON.stringify(foreign)) {
    taken = JSON.stringify(foreign);
    foreign = null;
    byId('cw-reload-settings').click();
    brief('Settings changed in another tab', reply.undo?.startsWith('Settings') ? [undoAction] : []);
  }
});
on('settings', () => {
  foreign = null; // the newest word is this tab's
});
on('stored', (reply) => {
  foreign = null; // seen before this tab's own were there
  if (reply.is_changed) taken = '';
});
