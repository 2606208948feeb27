// The selected picture's tags as one panel: the parts of its caption in their order, then what the models offered and
// the caption does not say, with scores. A click takes one into this caption or out of it; its menu holds the rest.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { fold } from '../core/folding.js';
import { html, render } from '../core/html.js';
import { rove } from '../core/roving.js';
import * as storage from '../core/storage.js';
import { debounced, pause } from '../core/timing.js';
import { captionOf, textOf } from '../set/captions.js';
import { detailsNow } from '../set/details.js';
import { keyOf, keysOf, partsIn, says, withAtEnd } from '../set/parts.js';
import { page, rowOf } from '../set/pictures.js';
import { phrase } from '../set/query.js';
import * as unsaved from '../set/unsaved.js';
import { filterBy } from './filter.js';
import { ignore } from './ignoring.js';
import { openMenu } from './tag_menu.js';

const MENU_WAITS = 20;
const MENU_WAIT_MS = 50;
const panel = byId('cw-tags-panel');
const partsBox = byId('cw-chips');
const offeredBox = byId('cw-tags-found');
const offeredHead = byId('cw-offered');
const STOPS = 'button[data-do]:not([data-do="menu"])'; // the menu has keys of its own
const LONG = 40; // letters, of which the row may not have the room for all
const OPEN = 'captioner/tags-open';
const settleStop = rove(panel, STOPS);
const opened = new Set(); // sources whose tags are shown to the last one
let isUnfolded = false;
const sentences = new Set(); // that this picture's caption may hold: those of its settings at rest, and those tried
let out = []; // what was taken out of this caption: {text, at}, with how many parts stand before it
const drawn = ['', ''];
let isPressed = false; // a chip that is drawn anew under the pointer would never see its click
let drawnFor = '';
let width = 0;

const STANDINGS = {
  kept: 'passes the settings',
  out: 'does not pass the settings',
  ignored: 'ignored in the whole set',
};

/** All that the models offered for the picture, as one list. */
function offers(found) {
  return found.sources.flatMap(({ source, title, categories }) =>
    categories.flatMap(({ category, tags }) =>
      tags.map(([name, text, score, standing, isNear, entries]) => ({
        ...{ name, text, score, standing, isNear, entries },
        ...{ source, from: `${title}, ${category}`, category },
      })),
    ),
  );
}

/** @param tag an offer, or a part that no model offered: {text}  @param at its place in the caption, where it has one */
function chip(tag, isIn, at) {
  const { text, name = text, score, standing = 'own', from, isNear = true } = tag;
  const whole = text.length > LONG ? `${text}.` : '';
  const about = from ? `${name}: ${score} (${from}), ${STANDINGS[standing]}.` : '';
  const does = isIn ? 'Click to take it out of this caption.' : 'Click to put it into this caption.';
  const title = [whole, about, does].filter(Boolean).join(' ');
  const data = html`data-name="${name}" data-text="${text}" data-at="${at}"`;
  const figure = score === undefined ? '' : html` <small>${score.toFixed(2)}</small>`;
  const label = [text, score?.toFixed(2), STANDINGS[standing]].filter(Boolean).join(', ');
  // There may be a thousand tags: those far from the caption have their menu by right click and keys only.
  const dots = html`<button type="button" tabindex="-1" data-do="menu" ${data} aria-haspopup="menu"
    aria-label="More for ${text}">⋯</button>`;
  return html`<span class="cw-found" data-standing="${standing}" data-in="${isIn}"><button type="button" tabindex="-1"
    data-do="toggle" ${data} title="${title}" aria-pressed="${isIn}"
    aria-label="${label}"><span>${text}</span>${figure}</button>${isNear ? dots : ''}</span>`;
}

/** The caption's parts, and at their places those that were taken out of it: {text, isIn, at}. */
function chipsOf(text, wholes) {
  const parts = partsIn(text, wholes).map((part, at) => ({ text: part, isIn: true, at }));
  const keys = keysOf(text);
  out = out.filter((one) => !says(keys, one.text));
  for (const one of out) {
    const at = Math.min(one.at, parts.filter(({ isIn }) => isIn).length);
    const behind = parts.findIndex((part) => part.isIn && part.at >= at);
    parts.splice(behind < 0 ? parts.length : behind, 0, { text: one.text, isIn: false, at });
  }
  return parts;
}

function drawSource({ source, title }, tags) {
  const isOpen = opened.has(source);
  const shown = isOpen ? tags : tags.filter((tag) => tag.isNear);
  const categories = [...new Set(shown.map((tag) => tag.category))].map((category) => {
    const [first, ...others] = shown.filter((tag) => tag.category === category).map((tag) => chip(tag, false));
    // The category's name never stands alone at a line's end.
    return html`<span class="cw-category"><small>${category}</small>${first}</span>${others}`;
  });
  const hidden = tags.length - shown.length;
  const more = html`<button type="button" tabindex="-1" class="cw-more" data-do="more" data-name="${source}"
    aria-expanded="${isOpen}">${isOpen ? 'Fewer' : `${hidden.toLocaleString()} more`}</button>`;
  if (!tags.length) return html``;
  return html`<div class="cw-source"><b>${title}</b>${categories}${hidden || isOpen ? more : ''}</div>`;
}

/** Shows markup in a box unless it is there. @returns whether it was not */
function show(box, place, wanted) {
  if (String(wanted) === drawn[place]) return false;
  drawn[place] = String(wanted);
  render(box, wanted);
  return true;
}

function draw() {
  if (isPressed) return; // once it is released
  const row = rowOf.get(page.current);
  panel.hidden = !row;
  if (!row) return;
  const found = detailsNow()?.id === row.id ? detailsNow() : null;
  const all = found ? offers(found) : [];
  const focused = document.activeElement?.closest('#cw-tags-panel button');
  const before = focused && { ...focused.dataset, place: stops().indexOf(focused) };
  const isNew = [drawParts(row, found, all), drawOffered(row, found, all)].some(Boolean);
  drawnFor = row.id;
  if (!isNew) return;
  foldParts();
  if (focused && !focused.isConnected) find(before)?.focus();
}

function drawParts(row, found, all) {
  const known = new Map(all.toReversed().map((tag) => [keyOf(tag.text), tag]));
  for (const sentence of found ? [found.said, ...found.sentences.map(({ text }) => text)] : []) sentences.add(sentence);
  const parts = chipsOf(textOf(row), [...sentences, ...all.map((tag) => tag.text)]);
  const chips = parts.map(({ text, isIn, at }) => chip({ ...known.get(keyOf(text)), text, isNear: true }, isIn, at));
  const more = html`<button type="button" tabindex="-1" class="cw-more" data-do="unfold"
    aria-expanded="${isUnfolded}"></button>`;
  return show(partsBox, 0, html`${chips}${more}`);
}

function drawOffered(row, found, all) {
  offeredHead.hidden = !all.length;
  const isOpen = storage.read(OPEN) !== 'no';
  offeredHead.ariaExpanded = isOpen;
  offeredBox.hidden = !all.length || !isOpen;
  const by = found?.sources.map(({ title }) => title).join(', ');
  byId('cw-offered-by').textContent = by ? `Offered by ${by}` : '';
  const kept = all.filter((tag) => tag.standing === 'kept').length;
  byId('cw-tags-count').textContent = `${kept.toLocaleString()} of ${all.length.toLocaleString()} kept`;
  if (offeredBox.hidden) return show(offeredBox, 1, html``);
  const keys = keysOf(`${captionOf(row)}, ${textOf(row)}`); // with its frame, and as it is typed
  const gone = new Set(out.map((one) => keyOf(one.text)));
  const others = all.filter((tag) => !says(keys, tag.text) && !gone.has(keyOf(tag.text)));
  const of = (source) => others.filter((tag) => tag.source === source);
  return show(offeredBox, 1, html`${found.sources.map((one) => drawSource(one, of(one.source)))}`);
}

const stops = () => [...panel.querySelectorAll(STOPS)].filter((button) => button.checkVisibility());

/** Where the focus goes when its button was drawn anew: to the same one, else to what stands at its place now. */
function find({ name, text, do: what, at, place }) {
  const all = stops();
  // What models said of a part comes later than the part, and with it the tag's name.
  const isThis = ({ dataset }) => (text === undefined ? dataset.name === name : dataset.text === text);
  const same = all.filter((button) => isThis(button) && button.dataset.do === what.replace('menu', 'toggle'));
  return same.find((button) => button.dataset.at === at) ?? same[0] ?? all[Math.min(place, all.length - 1)];
}

function foldParts() {
  const more = partsBox.querySelector('.cw-more');
  const lines = +getComputedStyle(panel).getPropertyValue('--cw-lines');
  if (more) fold([...partsBox.querySelectorAll('.cw-found')], more, { lines, isOpen: isUnfolded });
  settleStop();
}

/** Takes a part or a tag into this caption or out of it. @param at its place in it; '' where it never had one */
function toggle({ text, at }, isIn) {
  const row = rowOf.get(page.current);
  if (!row || row.id !== drawnFor) return;
  const own = textOf(row);
  const parts = partsIn(own, wholes());
  const isThis = (part) => keyOf(part ?? '') === keyOf(text);
  if (isIn) {
    const place = isThis(parts[+at]) ? +at : parts.findIndex(isThis);
    if (place < 0) return;
    parts.splice(place, 1);
    out.push({ text, at: place });
  } else if (at !== '') parts.splice(+at, 0, text);
  unsaved.edit(row.id, isIn || at !== '' ? parts.join(', ') : withAtEnd(own, [text]), { isStep: true });
  draw();
}

/** What may have commas in it and is one thing. */
function wholes() {
  const found = detailsNow();
  return found?.id === page.current ? [...sentences, ...offers(found).map((tag) => tag.text)] : [...sentences];
}

function putFirst(text) {
  const row = rowOf.get(page.current);
  if (!row) return;
  const others = partsIn(textOf(row), [...wholes(), text]).filter((part) => keyOf(part) !== keyOf(text));
  unsaved.edit(row.id, [text, ...others].join(', '), { isStep: true });
}

/** What the models said of a tag comes a moment after its chip: the menu waits for that, or opens without. */
async function openFor(button) {
  const wanted = { ...button.dataset, place: 0 };
  const { current } = page;
  for (let turn = 0; turn < MENU_WAITS && detailsNow()?.id !== current; turn += 1) await pause(MENU_WAIT_MS);
  const same = button.isConnected ? button : find(wanted); // it may have been drawn anew meanwhile
  if (page.current === current && same?.dataset.text === wanted.text) showMenu(same);
}

function showMenu(button) {
  const { name, text } = button.dataset;
  const found = detailsNow();
  const all = found?.id === page.current ? offers(found) : [];
  const offer = all.find((tag) => tag.name === name) ?? all.find((tag) => tag.text === text);
  const does = {};
  if (offer?.standing === 'ignored') {
    const entries = offer.entries.map((entry) => `“${entry}”`).join(', ');
    does[`Take ${entries} off the list of ignored tags`] = () => ignore(offer.name, false);
  } else if (offer) does[`Ignore “${text}” in the whole set`] = () => ignore(offer.name, true);
  does['List the pictures that have it'] = () => filterBy(phrase(text));
  does['Put it first in this caption'] = () => putFirst(text);
  openMenu(button, does);
}

panel.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { do: what, name } = button.dataset;
  if (what === 'toggle') toggle(button.dataset, button.ariaPressed === 'true');
  else if (what === 'menu') openFor(button);
  else {
    if (what === 'unfold') isUnfolded = !isUnfolded;
    else if (what === 'offered') storage.note(OPEN, storage.read(OPEN) === 'no' ? 'yes' : 'no');
    else if (!opened.delete(name)) opened.add(name);
    draw();
  }
});
const menuOf = (event) => event.target.closest('.cw-found')?.querySelector('[data-do="toggle"]');
panel.addEventListener('contextmenu', (event) => {
  const button = menuOf(event);
  if (!button) return;
  event.preventDefault();
  openFor(button);
});
panel.addEventListener('keydown', (event) => {
  const button = event.altKey && event.key === 'ArrowDown' ? menuOf(event) : null;
  if (!button) return;
  event.preventDefault();
  openFor(button);
});
new ResizeObserver(([{ contentRect }]) => {
  if (contentRect.width === width) return; // it folded itself
  width = contentRect.width;
  requestAnimationFrame(foldParts);
}).observe(panel);

const drawSoon = debounced(120, draw);
panel.addEventListener('pointerdown', () => {
  isPressed = true;
});
for (const end of ['pointerup', 'pointercancel'])
  addEventListener(end, () => {
    if (!isPressed) return;
    isPressed = false;
    drawSoon(); // behind the click
  });
on('selected', () => {
  out = [];
  sentences.clear();
  drawSoon(); // with what the models offered for it, which comes by then
});
on('details', draw);
on('settled', (id) => {
  if (id === page.current) draw();
});
on('edited', (id) => {
  if (id === page.current) drawSoon();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) drawSoon();
});
