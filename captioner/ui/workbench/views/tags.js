// The selected picture's tags with their scores: those in the caption plain, the next ones greyed, ignored ones struck
// through. A click puts a tag on the ignore list of the whole set or takes it off; + writes it into this caption.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief } from '../core/messages.js';
import * as storage from '../core/storage.js';
import { debounced, pause } from '../core/timing.js';
import { captionOf, partsOf, stateOf, textOf } from '../set/captions.js';
import { detailsNow } from '../set/details.js';
import { page, rowOf } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import * as unsaved from '../set/unsaved.js';

const panel = byId('cw-tags-panel');
const box = byId('cw-tags-found');
const OPEN = 'captioner/tags-open';
const opened = new Set(); // sources whose tags are shown to the last one
let drawn = '';
let sending = Promise.resolve();

const STANDINGS = { kept: 'in the caption', out: 'not in the caption', ignored: 'ignored' };

function advice(standing, entries) {
  if (standing !== 'ignored') return 'leave it out of every caption of the set';
  return `take ${entries.map((entry) => `“${entry}”`).join(', ')} off the list of ignored tags`;
}

function chip(source, category, [name, text, score, standing, , entries], isAddable) {
  const about = `${text}, ${score.toFixed(2)}, ${STANDINGS[standing]}`;
  const title = `${name}: ${score} (${source.title}, ${category}), ${STANDINGS[standing]}. Click to ${advice(standing, entries)}.`;
  const data = html`data-name="${name}" data-text="${text}"`;
  const add = html`<button type="button" tabindex="-1" data-do="add" ${data} aria-label="Add ${text} to this caption"
    title="Add to this caption only">+</button>`;
  return html`<span class="cw-found" data-standing="${standing}"><button type="button" tabindex="-1"
    data-do="${standing === 'ignored' ? 'free' : 'ignore'}" ${data} title="${title}"
    aria-label="${about}: ${advice(standing, entries)}"><span>${text}</span> <small>${score.toFixed(2)}</small></button
    >${isAddable ? add : ''}</span>`;
}

/** @param {boolean} isOwn the caption is the person's own, so tags that were kept may be missing in it too */
function drawSource(source, parts, isOwn) {
  const isOpen = opened.has(source.source);
  let hidden = 0;
  const categories = source.categories.map(({ category, tags }) => {
    const shown = isOpen ? tags : tags.filter((tag) => tag[4]);
    hidden += tags.length - shown.length;
    if (!shown.length) return html``;
    const [first, ...others] = shown.map((tag) => {
      const isMissing = !partsOf(tag[1].toLowerCase()).every((part) => parts.has(part));
      return chip(source, category, tag, isMissing && (tag[3] === 'out' || (isOwn && tag[3] === 'kept')));
    });
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
  const parts = new Set(partsOf(captionOf(row).toLowerCase()));
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
  buttons().find(
    (button) =>
      button.dataset.name === name && (button.dataset.do === what || (what !== 'more' && button.dataset.do !== 'add')),
  );

/** One button is in the page's tab order; the arrow keys lead from it to the others. */
function makeReachable(button) {
  box.querySelector('button[tabindex="0"]')?.setAttribute('tabindex', '-1');
  button?.setAttribute('tabindex', '0');
}

/**
 * One click at a time, each on the list that the one before it left: the settings on the page follow a moment after
 * the server's, and a list sent too early would undo the last click.
 * @param {boolean} isIgnored put on the list, else taken off it
 */
function ignore(name, isIgnored) {
  const sent = sending.then(async () => {
    if (!page.settings) return; // the controls are still on their way
    const request = { set: page.set, tag: name, is_ignored: isIgnored, settings: page.settings };
    const reply = await askOrTell('The list of ignored tags is as it was', 'ignore_tag', request);
    if (!reply || reply.ignore === page.settings.ignore) return;
    const entries = reply.entries.map((entry) => `“${entry}”`).join(', ');
    brief(
      isIgnored
        ? `${entries} is left out of every caption; Undo brings it back`
        : `${entries} is off the list of ignored tags`,
    );
    const ours = { ...page.settings, ignore: reply.ignore }; // what is asked until the controls show the list
    page.settings = ours;
    byId('cw-reload-settings').click(); // after which the settings are tried at once
    lookSoon();
    const until = Date.now() + 2000;
    while (page.settings === ours && Date.now() < until) await pause(20);
  });
  // A bug is told as one, and the next click goes on.
  sending = sent.catch(reportError);
}

function add(text) {
  const row = rowOf.get(detailsNow()?.id);
  if (!row) return;
  const before = textOf(row).trimEnd().replace(/,$/, '');
  unsaved.edit(row.id, before ? `${before}, ${text}` : text, { isStep: true });
}

box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { do: what, name, text } = button.dataset;
  makeReachable(button);
  if (what === 'add') add(text);
  else if (what === 'more') {
    if (!opened.delete(name)) opened.add(name);
    draw();
  } else ignore(name, what === 'ignore');
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
