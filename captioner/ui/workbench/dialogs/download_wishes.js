// What a person wants of a download: the form's values, which of them its format heeds, and how they were left for each
// set. The server drew the form; nothing here knows a single trainer.

import { byId } from '../core/elements.js';
import * as storage from '../core/storage.js';
import { page } from '../set/pictures.js';

const KEPT = 'captioner/downloads'; // [[set, {format, with_pictures, ...}], ...], the newest first
const SETS = 100;
const form = byId('cw-download-form');
const format = form.elements.format;
let isTriggerTyped = false;

const list = (text) => JSON.parse(text || '[]');
const chosen = () => format.selectedOptions[0];

export const isTrainer = () => 'trainer' in chosen().dataset;
export const titleOfFormat = () => chosen().textContent;

/** The parts of the form that belong to one setting each. */
const parts = () => [...form.querySelectorAll('[data-setting]')];

function entered(element) {
  if (element.type === 'checkbox') return element.checked;
  return element.type === 'number' ? element.valueAsNumber : element.value;
}

/** What the server is asked for: the format, and the settings that change something. */
export function wishes() {
  const shown = parts().filter((part) => !part.hidden);
  const names = shown.map((part) => part.dataset.setting);
  return {
    format: format.value,
    ...Object.fromEntries(names.map((name) => [name, entered(form.elements[name])])),
  };
}

/** The first field with a value that cannot be; undefined where all can. */
export const wrongField = () =>
  parts()
    .filter((part) => !part.hidden)
    .map((part) => form.elements[part.dataset.setting])
    .find((element) => !element.validity.valid);

/** Shows what the format heeds, and beside the other values. */
export function lay() {
  const heeds = list(chosen().dataset.heeds);
  const models = list(chosen().dataset.models);
  for (const part of parts()) {
    const [other, needed] = part.dataset.when ? JSON.parse(part.dataset.when) : [];
    const isIdle = other && (!heeds.includes(other) || !needed.includes(form.elements[other].value));
    const isOfPictures = /^(conversion|longest_edge|picture_)/.test(part.dataset.setting);
    const lacksPictures = isOfPictures && heeds.includes('with_pictures') && !form.elements.with_pictures.checked;
    part.hidden = !heeds.includes(part.dataset.setting) || !!isIdle || lacksPictures;
  }
  const ofPictures = byId('cw-export-pictures');
  ofPictures.hidden = !ofPictures.querySelector('[data-setting]:not([hidden])');
  byId('cw-export-format').textContent = isTrainer()
    ? 'Captions, folders and config as it reads them.'
    : 'For other programs and scripts; nothing is checked.';
  for (const option of form.elements.base_model) {
    option.hidden = option.disabled = !models.includes(option.value);
  }
  if (models.length && !models.includes(form.elements.base_model.value)) form.elements.base_model.value = models[0];
  form.elements.set_folder.placeholder = '/path/to/the set';
  if (!isTriggerTyped) form.elements.trigger_word.value = page.settings?.prefix ?? '';
}

/** Another format was chosen: a trainer's set has its pictures, caption files have none, unless the person says so. */
export function formatChosen() {
  form.elements.with_pictures.checked = !['txt', 'caption'].includes(format.value);
}

export function triggerTyped() {
  isTriggerTyped = true;
}

const keptWishes = () => storage.list(KEPT).filter((entry) => Array.isArray(entry) && entry[1]);

export function keepWishes() {
  const others = keptWishes().filter(([set]) => set !== page.set);
  const { trigger_word: trigger, ...kept } = wishes();
  if (isTriggerTyped && trigger !== undefined) kept.trigger_word = trigger;
  storage.note(KEPT, JSON.stringify([[page.set, kept], ...others].slice(0, SETS)));
}

/** As the person had it for this set. */
export function takeWishes() {
  const kept = keptWishes().find(([set]) => set === page.set)?.[1];
  form.reset();
  isTriggerTyped = typeof kept?.trigger_word === 'string';
  for (const [name, value] of Object.entries(kept ?? {})) {
    const element = form.elements[name];
    if (!element || name === 'scope') continue;
    if (element.type === 'checkbox') element.checked = value === true;
    else if (element.type !== 'select-one') element.value = value;
    else if ([...element.options].some((option) => option.value === value)) element.value = value;
  }
  lay();
}
