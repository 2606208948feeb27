// The selected picture's tags with their scores: those in its caption plain, the others greyed, ignored ones struck
// through. A click takes a tag into this caption or out of it; its menu holds what concerns the whole set.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief } from '../core/messages.js';
import * as storage from '../core/storage.js';
import { debounced, pause } from '../core/timing.js';
import { partsOf, stateOf, textOf } from '../set/captions.js';
import { detailsNow } from '../set/details.js';
import { page, rowOf } from '../set/pictures.js';
import { phrase } from '../set/query.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';
import * as unsaved from '../set/unsaved.js';
import { filterBy } from './filter.js';
import { openMenu } from './tag_menu.js';

const panel = byId('cw-tags-panel');
const box = byId('cw-tags-found');
const OPEN = 'captioner/tags-open';
const opened = new Set(); // sources whose tags are shown to the last one
let drawn = '';
let sending = Promise.resolve();

const STANDINGS = {
  kept: 'passes the settings',
  out: 'does not pass the settings',
  ignored: 'ignored in the whole set',
};

function chip(source, category, [name, text, score, standing, isNear], isIn) {
  const place = isIn ? 'in this caption' : 'not in this caption';
  const does = isIn ? 'take it out of this caption' : 'put it into this caption';
  const title = `${name}: ${score} (${source.title}, ${category}), ${place}, ${STANDINGS[standing]}. Click to ${does}.`;
  const data = html`data-name="${name}" data-text="${text}"`;
  // There may be a thousand tags: those far from the caption have their menu by right click and menu key only.
  const dots = html`<button type="button" tabindex="-1" data-do="menu" ${data} aria-haspopup="menu"
    aria-label="More for ${text}">⋯</button>`;
  return html`<span class="cw-found" data-standing="${standing}" data-in="${isIn}"><button type="button" tabindex="-1"
    data-do="toggle" ${data} title="${title}" aria-pressed="${isIn}"
    aria-label="${text}, ${score.toFixed(2)}, ${STANDINGS[standing]}"><span>${text}</span> <small>${score.toFixed(2)}</small></button
    >${isNear ? dots : ''}</span>`;
}

/** Whether a text has all parts of a tag. @param {Set<string>} parts the text's, in small letters */
const has = (parts, tag) => partsOf(tag.toLowerCase()).every((part) => parts.has(part));

/** @param {boolean} isOwn the caption is the person's own, so tags that were kept may be missing in it */
function drawSource(source, parts, isOwn) {
  const isOpen = opened.has(source.source);
  let hidden = 0;
  const categories = source.categories.map(({ category, tags }) => {
    const shown = isOpen ? tags : tags.filter((tag) => tag[4]);
    hidden += tags.length - shown.length;
    if (!shown.length) return html``;
    const [first, ...others] = shown.map((tag) =>
      chip(source, category, tag, has(parts, tag[1]) || (!isOwn && tag[3] === 'kept')),
    );
    // The category's name never stands alone at a line's end.
    return html`<span class="cw-category"><small>${category}</small>${first}</span>${others}`;
  });
  const more = html`<button type="button" tabindex="-1" class="cw-more" data-do="more" data-name="${source.source}"
    aria-expanded="${isOpen}">${isOpen ? 'Fewer' : `${hidden.toLocaleString()} more`}</button>`;
  return html`<div class="cw-source"><b>${source.title}</b>${categories}${hidden || isOpen ? more : ''}</div>`;
}

function draw() {
  const found = detailsNow();
  const row = found && rowOf.get(found.id);
  panel.hidden = !row || !found.sources.length;
  if (panel.hidden) return;
  const all = found.sources.flatMap((source) => source.categories.flatMap(({ tags }) => tags));
  const kept = all.filter((tag) => tag[3] === 'kept').length;
  byId('cw-tags-count').textContent = `${kept.toLocaleString()} of ${all.length.toLocaleString()} kept`;
  if (!panel.open) return;
  const parts = new Set(partsOf(textOf(row).toLowerCase()));
  const isOwn = stateOf(row) === 'edited' || (!!row.suggestion && row.suggestion !== textOf(row));
  const wanted = html`${found.sources.map((source) => drawSource(source, parts, isOwn))}`;
  if (String(wanted) === drawn) return;
  drawn = String(wanted);
  const focused = box.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && buttons().indexOf(focused);
  render(box, wanted);
  const again = focused && (find(focused.dataset) || buttons()[Math.min(place, buttons().length - 1)]);
  if (again) again.focus();
  makeReachable(again || buttons()[0]);
}

const buttons = () => [...box.querySelectorAll('button')];
const find = ({ name, do: what }) =>
  buttons().find((button) => button.dataset.name === name && button.dataset.do === what);

/** One button is in the page's tab order; the arrow keys lead from it to the others. */
function makeReachable(button) {
  box.querySelector('button[tabindex="0"]')?.setAttribute('tabindex', '-1');
  button?.setAttribute('tabindex', '0');
}

/**
 * One click at a time, each on the list that the one before it left: the settings on the page follow a moment after
 * the server's, and a list sent too early would undo the last click. Returns: a promise, kept once it is done.
 * @param {boolean} isIgnored put on the list, else taken off it
 */
export function ignore(name, isIgnored) {
  const sent = sending.then(async () => {
    if (!page.settings) return; // the controls are still on their way
    const ours = await inTurn(() => changeList(name, isIgnored));
    if (!ours) return;
    byId('cw-reload-settings').click(); // after which the settings are tried at once
    lookSoon();
    const until = Date.now() + 2000;
    while (page.settings === ours && Date.now() < until) await pause(20);
  });
  // A bug is told as one, and the next click goes on.
  sending = sent.catch(reportError);
  return sending;
}

/** @returns the settings with the changed list, which are asked with until the controls show it; undefined: as before */
async function changeList(name, isIgnored) {
  const request = { set: page.set, tag: name, is_ignored: isIgnored, settings: page.settings };
  const reply = await askOrTell('The list of ignored tags is as it was', 'ignore_tag', request);
  if (!reply || reply.ignore === page.settings.ignore) return undefined;
  const entries = reply.entries.map((entry) => `“${entry}”`).join(', ');
  brief(
    isIgnored
      ? `${entries} is left out of every caption; Undo brings it back`
      : `${entries} is off the list of ignored tags`,
  );
  page.settings = { ...page.settings, ignore: reply.ignore };
  return page.settings;
}

/** Takes a tag into this caption or out of it. */
function toggle(text, isIn) {
  const row = rowOf.get(detailsNow()?.id);
  if (!row) return;
  const own = textOf(row);
  const parts = partsOf(own);
  if (!isIn) {
    const before = own.trimEnd().replace(/,$/, '');
    unsaved.edit(row.id, before ? `${before}, ${text}` : text, { isStep: true });
    return;
  }
  const gone = new Set(partsOf(text.toLowerCase()));
  const left = parts.filter((part) => !gone.has(part.toLowerCase()));
  if (left.length < parts.length) unsaved.edit(row.id, left.join(', '), { isStep: true });
  else brief(`“${text}” stands within other words here; take it out in the editor`);
}

function putFirst(text) {
  const row = rowOf.get(detailsNow()?.id);
  if (!row) return;
  const first = new Set(partsOf(text.toLowerCase()));
  const others = partsOf(textOf(row)).filter((part) => !first.has(part.toLowerCase()));
  unsaved.edit(row.id, [text, ...others].join(', '), { isStep: true });
}

function openFor(button) {
  const { name, text } = button.dataset;
  const all = detailsNow().sources.flatMap((source) => source.categories.flatMap(({ tags }) => tags));
  const [, , , standing, , entries] = all.find((tag) => tag[0] === name) ?? [];
  const free = `Take ${(entries ?? []).map((entry) => `“${entry}”`).join(', ')} off the list of ignored tags`;
  openMenu(button, {
    [standing === 'ignored' ? free : `Ignore “${text}” in the whole set`]: () => ignore(name, standing !== 'ignored'),
    'List the pictures that have it': () => filterBy(phrase(text)),
    'Put it first in this caption': () => putFirst(text),
  });
}

box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { do: what, name, text } = button.dataset;
  makeReachable(button);
  if (what === 'toggle') toggle(text, button.ariaPressed === 'true');
  else if (what === 'menu') openFor(button);
  else {
    if (!opened.delete(name)) opened.add(name);
    draw();
  }
});
box.addEventListener('contextmenu', (event) => {
  const button = event.target.closest('.cw-found')?.querySelector('button');
  if (!button) return;
  event.preventDefault();
  makeReachable(button);
  openFor(button);
});
box.addEventListener('keydown', (event) => {
  const all = buttons();
  const at = all.indexOf(event.target);
  const to = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: all.length - 1,
  }[event.key];
  if (at < 0 || to === undefined || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const next = all[Math.min(Math.max(to, 0), all.length - 1)];
  makeReachable(next);
  next.focus();
});

panel.open = storage.read(OPEN) !== 'no';
panel.addEventListener('toggle', () => {
  storage.note(OPEN, panel.open ? 'yes' : 'no');
  draw();
});
const drawSoon = debounced(120, draw);
on('details', draw);
on('edited', (id) => {
  if (id === page.current) drawSoon();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) drawSoon();
});
