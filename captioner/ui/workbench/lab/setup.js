// What is compared next: which pictures, along which settings, with which values; how many captions that is, and who is
// asked to score them.

import './frame.js';
import { byId } from '../core/elements.js';

import { html, render } from '../core/html.js';
import { ask, throwBug } from '../core/server.js';
import { byName, plural } from '../core/text.js';
import { page, pictureUrl, rowOf } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { axisMarkup } from './axis_field.js';
import { sizeWords } from './layout.js';
import { show as showSweep } from './sweep.js';
import { cellsOf, isChosen, written, wrongWith } from './values.js';

const MAX_AXES = 3;
const OWN = ''; // the preset of those who set the axes themselves
const LISTED = 200; // pictures to choose from: those in the list's order

const form = byId('cw-compare-form');
let offer = null; // as `lab_offer` tells it
const wanted = { ids: [], preset: OWN, axes: [] }; // axes: {name, values, wrong}
let isStarting = false;
let missing = []; // models that must be downloaded first: {name, download_mb}
let problem = '';
let isDrawing = false; // then a box that goes tells of its change once more

const axisOf = (name) => offer.axes.find((axis) => axis.name === name);
const presetNow = () => offer.presets.find(({ name }) => name === wanted.preset);

// Drawing

function pictureChoice(row) {
  const isOn = wanted.ids.includes(row.id);
  return html`<button type="button" class="cw-compare-thumb" data-pin="${row.id}" aria-pressed="${isOn}"
    aria-label="${row.name}" title="${row.name}"><img src="${pictureUrl(row.id, 'thumbnail')}" alt="" loading="lazy"></button>`;
}

function picturesMarkup() {
  const pinned = wanted.ids.map((id) => rowOf.get(id)).filter(Boolean);
  const others = page.shown.filter((row) => !wanted.ids.includes(row.id)).slice(0, LISTED);
  const more = page.shown.length - pinned.length - others.length;
  return html`<fieldset class="cw-compare-step">
    <legend>Pictures <span class="cw-quiet" id="cw-compare-pinned">${pinned.length} of at most ${offer.max_pictures}</span></legend>
    <div class="cw-compare-pins" role="group" aria-label="Pictures to compare">${pinned.map(pictureChoice)}</div>
    <div class="cw-compare-pins cw-compare-others" role="group" aria-label="Other pictures of the list">${others.map(pictureChoice)}</div>
    ${more > 0 ? html`<p class="cw-quiet">${plural(more, 'more picture is', 'more pictures are')} further down in the list; select them there.</p>` : ''}
  </fieldset>`;
}

function presetChoice({ name, title, about, axes }) {
  const cells = axes.length ? plural(cellsOf(axes), 'cell', 'cells') : '';
  return html`<label class="cw-compare-preset"><input type="radio" name="preset" value="${name}" ${
    name === wanted.preset ? html`checked` : ''
  }><span><b>${title}</b> <span class="cw-quiet">${cells}</span><br><span class="cw-quiet">${about}</span></span></label>`;
}

function presetsMarkup() {
  const own = {
    name: OWN,
    title: 'Your own',
    about: 'Any settings along the sides; the rest as set beside the pictures.',
    axes: [],
  };
  return html`<fieldset class="cw-compare-step"><legend>Grid</legend>
    <div class="cw-compare-presets">${[...offer.presets, own].map(presetChoice)}</div></fieldset>`;
}

function axesMarkup() {
  const taken = wanted.axes.map(({ name }) => name);
  const fields = wanted.axes.map((axis, place) => axisMarkup(offer.axes, axis, place, taken));
  const more =
    wanted.axes.length < MAX_AXES
      ? html`<button type="button" class="cw-button cw-small" data-do="add">${wanted.axes.length ? 'Another setting' : 'Choose a setting'}</button>`
      : '';
  return html`<div class="cw-compare-axes">${fields}</div>${more}`;
}

function ready() {
  if (!wanted.ids.length) return 'Choose a picture.';
  if (!wanted.axes.length) return 'Choose a grid, or a setting.';
  const empty = wanted.axes.find(({ values }) => !values.length);
  if (empty) return `${axisOf(empty.name).title} has no values.`;
  if (cellsOf(wanted.axes) > offer.max_cells)
    return `${cellsOf(wanted.axes).toLocaleString()} cells are too many; take values out until there are ${offer.max_cells}.`;
  return '';
}

/** What is downloaded before anything is captioned, and the button that says so. */
function downloadWords() {
  if (!missing.length) return { words: '', button: 'Start' };
  const sizeOf = (megabytes) => (megabytes ? `${megabytes.toLocaleString()} MB` : 'of a size that is not known');
  const all = missing.reduce((sum, { download_mb: size }) => sum + size, 0);
  const names = missing.map(({ name, download_mb: size }) => `${name}, ${sizeOf(size)}`);
  return {
    words: `Not on the machine of this app, so downloaded first: ${names.join('; ')}.`,
    button: `Download and start${all ? ` (${all.toLocaleString()} MB)` : ''}`,
  };
}

function startMarkup() {
  const wrong = ready();
  const download = downloadWords();
  const size = wrong || `${sizeWords(wanted.ids.length, cellsOf(wanted.axes))}.`;
  const asked = offer.asked?.length
    ? html`<span title="${offer.asked.join(', ')}">Scored by ${offer.asked_titles.join(', ')}.</span>`
    : 'No model here can score captions; tokens and repetition are counted.';
  return html`<div class="cw-compare-start">
    <p id="cw-compare-size" role="status"><b>${size}</b> <span class="cw-quiet">${asked}</span> ${download.words}</p>
    <p class="cw-compare-wrong" role="alert">${problem}</p>
    <button type="submit" class="cw-button cw-primary" id="cw-compare-start" ${wrong || isStarting ? html`disabled` : ''}>${isStarting ? 'Starting…' : download.button}</button>
  </div>`;
}

/** What makes an element the same after all was drawn anew. */
const keyOf = ({ dataset, name, value, type }) =>
  [dataset.pin, dataset.do, dataset.axis, dataset.value, name, type === 'radio' ? value : ''].join('|');

function draw() {
  const focused = form.contains(document.activeElement) ? document.activeElement : null;
  const [key, places] = [
    focused && keyOf(focused),
    [...form.querySelectorAll('.cw-compare-pins')].map((pins) => pins.scrollLeft),
  ];
  const top = form.parentElement.scrollTop;
  isDrawing = true;
  render(form, html`<h3>What to compare</h3>${picturesMarkup()}${presetsMarkup()}${axesMarkup()}${startMarkup()}`);
  form.querySelectorAll('.cw-compare-pins').forEach((pins, place) => {
    pins.scrollLeft = places[place] ?? 0;
  });
  form.parentElement.scrollTop = top;
  isDrawing = false;
  if (!focused) return;
  const same = [...form.querySelectorAll('button, input, select')].find((element) => keyOf(element) === key);
  (same ?? form.querySelector('button'))?.focus({ preventScroll: true });
}

// What the person does

function pin(id) {
  problem = '';
  if (wanted.ids.includes(id)) wanted.ids = wanted.ids.filter((other) => other !== id);
  else if (wanted.ids.length < offer.max_pictures) wanted.ids.push(id);
  else problem = `At most ${offer.max_pictures} pictures are compared at once; take one out first.`;
}

function choosePreset(name) {
  wanted.preset = name;
  const preset = presetNow();
  if (preset) wanted.axes = preset.axes.map((axis) => ({ name: axis.name, values: [...axis.values], wrong: '' }));
}

function setAxis(place, name) {
  const axis = axisOf(name);
  wanted.axes[place] = { name, values: [...axis.suggested], wrong: '' };
}

function addAxis() {
  const taken = wanted.axes.map(({ name }) => name);
  const next = offer.axes.find(({ name }) => !taken.includes(name));
  if (next) setAxis(wanted.axes.length, next.name);
}

/** Takes in what is good of a text; the rest stays in the box, with what is wrong beside it. */
function addValues(place, text) {
  const axis = wanted.axes[place];
  const about = axisOf(axis.name);
  const left = [];
  axis.wrong = '';
  for (const value of written(text)) {
    const wrong = wrongWith(about, value, axis.values);
    if (wrong) {
      axis.wrong ||= wrong;
      left.push(value);
    } else axis.values.push(value);
  }
  axis.left = left.join(', ');
  if (!isChosen(about)) axis.values.sort(byName);
}

const ACTIONS = {
  add: addAxis,
  drop: (place) => wanted.axes.splice(place, 1),
  out: (place, value) => {
    wanted.axes[place].values = wanted.axes[place].values.filter((other) => other !== value);
  },
  suggest: (place) => setAxis(place, wanted.axes[place].name),
};

form.addEventListener('click', (event) => {
  const { pin: id, do: name, axis: place, value } = event.target.closest('button')?.dataset ?? {};
  if (id) pin(id);
  else if (name) ACTIONS[name](+place, value);
  else return;
  missing = [];
  draw();
});
form.addEventListener('change', (event) => {
  if (isDrawing) return;
  const { target } = event;
  const place = +target.dataset.axis;
  if (target.name === 'preset') choosePreset(target.value);
  else if (target.matches('select')) setAxis(place, target.value);
  else if (target.type === 'checkbox') {
    const { values } = wanted.axes[place];
    wanted.axes[place].values = target.checked
      ? [...values, target.value]
      : values.filter((value) => value !== target.value);
  } else addValues(place, target.value);
  missing = [];
  draw();
});
form.addEventListener('keydown', (event) => {
  const { target } = event;
  if (!target.matches('.cw-axis-new') || !['Enter', ','].includes(event.key)) return;
  event.preventDefault();
  addValues(+target.dataset.axis, target.value);
  missing = [];
  draw();
});

/** What to start: the page's settings, and over them those that a ready grid was made for. */
function request() {
  const preset = presetNow();
  const titles = wanted.axes.map(({ name }) => axisOf(name).title);
  return {
    set: page.set,
    ids: wanted.ids,
    axes: wanted.axes.map(({ name, values }) => ({ name, values })),
    settings: { ...page.settings, ...preset?.settings },
    name: preset?.title ?? titles.join(' × '),
  };
}

async function start() {
  if (ready() || isStarting) return;
  isStarting = true;
  problem = '';
  draw();
  try {
    if (await savedOrTold()) {
      const { sweep, missing: found } = await ask('start_sweep', { ...request(), downloads: missing.length > 0 });
      missing = found ?? []; // said first, and started by the next press
      if (sweep) {
        lookSoon();
        await showSweep(sweep);
      }
    }
  } catch (error) {
    throwBug(error);
    problem = error.message;
  } finally {
    isStarting = false;
    draw();
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});

/** The pictures that were meant when Compare was opened: the selected ones, else the one that is shown. */
function pinned() {
  const chosen = page.selection.size
    ? page.shown.filter((row) => page.selection.has(row.id)).map((row) => row.id)
    : [page.current];
  return chosen.filter((id) => rowOf.has(id)).slice(0, offer.max_pictures);
}

/** Shows the form. @param {boolean} isFresh the pictures are those of the list's selection */
export async function setUp(isFresh) {
  form.inert = true; // what stands there is of the time before
  try {
    offer = await ask('lab_offer', { set: page.set, settings: page.settings });
  } catch (error) {
    throwBug(error);
    render(form, html`<p class="cw-compare-wrong" role="alert">${error.message}</p>`);
    return;
  } finally {
    form.inert = false;
  }
  problem = '';
  missing = [];
  wanted.ids = isFresh || !wanted.ids.length ? pinned() : wanted.ids.filter((id) => rowOf.has(id));
  if (!wanted.axes.length) choosePreset(offer.presets[0]?.name ?? OWN);
  draw();
}
