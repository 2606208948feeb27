// The settings beside the workbench, which are Gradio's own controls: which of them apply, and their values by name.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { ask, throwBug } from '../core/server.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';

const STORED_WITHIN_MS = 300;

const rules = new CSSStyleSheet();
document.adoptedStyleSheets.push(rules);
let onlyWhen = {};
let families = {};
let keys = [];
let recipe = {};
let known = '';
let earlier = null; // the settings before other models were chosen last
let isStoring = false;
let isStoringWanted = false;

/** @param described as `Controls.described` in Python gives it */
export function describe(described) {
  onlyWhen = described.only_when;
  families = described.families;
  keys = described.keys;
  recipe = described.recipe;
}

/** The tabs in which something is switched on, or set otherwise than it was. */
function inUse(values) {
  const isOn = {
    sentence: values.captioner_on,
    tags: keys.some((key) => key !== 'captioner' && values[`${key}_on`]),
    text: Object.entries(recipe).some(([name, value]) => values[name] !== value),
  };
  return Object.keys(isOn).filter((tab) => isOn[tab]);
}

/** The family of a captioner: a listed one, else by a word in the name that was typed. */
function familyOf(name) {
  const typed = Object.keys(families).find(
    (key) => /^\*.+\*$/.test(key) && name.toLowerCase().includes(key.slice(1, -1)),
  );
  return families[name] ?? families[typed ?? ''];
}

/** Whether a field's value is as another one needs it: one of several, or a text that has a word. */
const isMet = (value, needed) => (Array.isArray(needed) ? needed.includes(value) : !!value?.includes(needed));

/**
 * Shows only the fields that apply: a field may depend on another one's value, a family's on the chosen
 * captioner, a model's on its switch; and marks the tabs in use. These
 * are rules and not classes, since Gradio makes what lies in a closed tab or under More only when it is opened.
 */
function showApplying(values) {
  const hidden = [];
  for (const [name, [other, needed]] of Object.entries(onlyWhen))
    if (!isMet(values[other], needed)) hidden.push(`#setting-${name}`, `[data-field="${name}"]`);
  const chosen = familyOf(values.captioner ?? '');
  for (const family of new Set(Object.values(families))) if (chosen !== family) hidden.push(`#family-${family}`);
  for (const key of keys) if (!values[`${key}_on`]) hidden.push(`#body-${key}`);
  const dotted = inUse(values).map((tab) => `#tab-${tab}-button`);
  rules.replaceSync(
    (hidden.length ? `${hidden.join(', ')} { display: none !important }` : '') +
      (dotted.length ? `${dotted.join(', ')} { --cw-dot: inline-block }` : ''),
  );
}

/**
 * What is moved before the set's settings are in the controls would be lost when they come; until they are drawn there
 * nothing can be moved.
 */
export const waitForSettings = () => {
  byId('cw-side').inert = true;
};
export const letSettingsMove = () =>
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      byId('cw-side').inert = false;
    }),
  );

let goOn = () => {};

/** Until what the settings make of the selected picture is shown, which comes first, or has taken its time. */
const suggested = () =>
  new Promise((done) => {
    goOn = done;
    setTimeout(done, STORED_WITHIN_MS);
  });

/** Whether what was moved here is on its way to the server. */
export const isStoringSettings = () => isStoring;

/** Makes the settings the set's: one request at a time, and only the newest settings wait. */
async function store() {
  isStoringWanted = true;
  if (isStoring || !page.set) return; // a new set begins with the settings that are shown
  isStoring = true;
  while (isStoringWanted) {
    try {
      const reply = await inTurn(async () => {
        await suggested();
        isStoringWanted = false; // what came meanwhile goes along
        return ask('settings_changed', { set: page.set, settings: page.settings });
      });
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

/** The part of the settings that names models and switches them on. */
export const modelsIn = (values) => JSON.stringify(keys.map((key) => values[`${key}_on`] && values[key]));

/** A captioner whose name was typed: whose settings apply, its name does not say. */
async function learnFamily(values) {
  const name = values.captioner;
  if (!name || !('' in families) || name in families) return;
  families[name] = families['']; // until the server answers
  try {
    families[name] = (await ask('model_defaults', { settings: values, before: values })).family;
    showApplying(page.settings);
  } catch (error) {
    throwBug(error); // what is wrong with the name is said beside it
    delete families[name];
  }
}

/** What the chosen models want where their predecessors' defaults stand. Returns: values by name. */
async function brought(values, before) {
  if (!before) return {};
  try {
    const wanted = (await ask('model_defaults', { settings: values, before })).values;
    const isSame = ([name]) => !page.settings || String(page.settings[name]) === String(values[name]);
    return Object.fromEntries(Object.entries(wanted).filter(isSame)); // what was changed meanwhile stays
  } catch (error) {
    throwBug(error); // what is wrong with the settings is said beside them
    return {};
  }
}

/** As `brought`, for another model that a person chose; whether or not `settingsChanged` was told already. */
export const modelChosen = (values) =>
  brought(values, page.settings && modelsIn(page.settings) === modelsIn(values) ? earlier : page.settings);

/** As `brought`, for a captioner that came to this machine, and only now says what it wants. */
export const modelArrived = (values) => brought(values, { ...values, captioner_on: false });

/** All controls' values by name, each time one of them changes. */
export function settingsChanged(values) {
  showApplying(values);
  const text = JSON.stringify(values);
  const isFirst = page.settings === null;
  if (text !== known) {
    known = text;
    const before = page.settings;
    if (!isFirst && modelsIn(before) !== modelsIn(values)) earlier = before;
    page.settings = values;
    learnFamily(values);
    if (isFirst) letSettingsMove();
    else store();
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

on('tried', () => goOn());
document.addEventListener('visibilitychange', () => goOn()); // there may be no later
