// The settings beside the workbench, which are Gradio's own controls: which of them apply, and their values by name.

import { byId } from '../core/elements.js';
import { announce } from '../core/events.js';
import { page } from '../set/pictures.js';

let presets = {};
let onlyWhen = {};
let known = '';

/** @param described each preset's values, and which field depends on which other one's value */
export function describe(described) {
  presets = described.presets;
  onlyWhen = described.only_when;
}

/** The name of the preset that has exactly these values, or "custom". */
function presetOf(values) {
  const same = ([, preset]) => Object.entries(preset).every(([name, value]) => values[name] === value);
  return Object.entries(presets).find(same)?.[0] ?? 'custom';
}

/** Shows only the fields that apply: a field may depend on another one's value, or on its tagger's switch. */
function showApplying(values) {
  for (const [name, [other, value]] of Object.entries(onlyWhen))
    byId(`setting-${name}`)?.classList.toggle('cw-not-now', values[other] !== value);
}

/** All controls' values by name, each time one of them changes; returns what the preset box shows. */
export function settingsChanged(values) {
  showApplying(values);
  const text = JSON.stringify(values);
  const isFirst = page.settings === null;
  if (text !== known) {
    known = text;
    page.settings = values;
    announce('settings', { values, isFirst });
  }
  return presetOf(values);
}

/** Why settings will not do, beside them; an empty text when they do. */
export function tellSettings(message) {
  const box = byId('cw-settings-message');
  if (!box) return;
  box.textContent = message;
  box.hidden = !message;
}
