// The settings beside the workbench, which are Gradio's own controls: which of them apply, and their values by name.

import { byId } from '../core/elements.js';
import { announce } from '../core/events.js';
import { ask, throwBug } from '../core/server.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';

let onlyWhen = {};
let families = {};
let known = '';
let isStoring = false;
let isStoringWanted = false;

/** @param described which field depends on which other one's value, and the family of each captioner */
export function describe(described) {
  onlyWhen = described.only_when;
  families = described.families;
}

/** Shows only the fields that apply: a field may depend on another one's value, or on its tagger's switch. */
function showApplying(values) {
  for (const [name, [other, value]] of Object.entries(onlyWhen))
    byId(`setting-${name}`)?.classList.toggle('cw-not-now', values[other] !== value);
  for (const family of new Set(Object.values(families)))
    byId(`family-${family}`)?.classList.toggle('cw-not-now', families[values.captioner] !== family);
}

/** Makes the settings the set's: one request at a time, and only the newest settings wait. */
async function store() {
  isStoringWanted = true;
  if (isStoring || !page.set) return; // a new set begins with the settings that are shown
  isStoring = true;
  while (isStoringWanted) {
    isStoringWanted = false;
    try {
      const reply = await ask('settings_changed', { set: page.set, settings: page.settings });
      tellSettings('');
      if (reply.recomposed) lookSoon();
      announce('stored', reply);
    } catch (error) {
      throwBug(error);
      if (error.code === 'bad_setting') tellSettings(error.message);
    }
  }
  isStoring = false;
}

/** All controls' values by name, each time one of them changes. */
export function settingsChanged(values) {
  showApplying(values);
  const text = JSON.stringify(values);
  const isFirst = page.settings === null;
  if (text !== known) {
    known = text;
    const before = page.settings;
    page.settings = values;
    if (!isFirst) store();
    announce('settings', { values, before, isFirst });
  }
}

/** Why settings will not do, beside them; an empty text when they do. */
export function tellSettings(message) {
  const box = byId('cw-settings-message');
  if (!box) return;
  box.textContent = message;
  box.hidden = !message;
}
