// Near-equal pictures, in groups: side by side with their captions, to be listed, or removed but for one.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { ask } from '../core/server.js';
import { plural } from '../core/text.js';
import { captionOf } from '../set/captions.js';
import { page, pathOf, pictureUrl, rowOf, takeRows } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { orSay, say } from './overview_change.js';

const box = byId('cw-near');
const about = byId('cw-near-about');
const AT_ONCE = 12; // groups
const SIDE_BY_SIDE = 24; // pictures of a group that is opened
const THUMBNAILS = 6;
let groups = []; // {ids, kept, isOpen}
let shown = AT_ONCE;
let asked = 0;
let lookedAt = ''; // which pictures
let list = () => {};

const all = () => groups.flatMap((group) => group.ids);
const nameOf = (id) => (rowOf.has(id) ? pathOf(rowOf.get(id)) : '');

function picture(group, id) {
  const { width, height } = rowOf.get(id);
  const isKept = id === group.kept;
  const image = html`<img src="${pictureUrl(id, 'thumbnail')}" alt="" loading="lazy" draggable="false">`;
  const button = html`<button type="button" class="cw-near-one" data-do="keep" data-id="${id}" aria-pressed="${isKept}"
    aria-label="Keep ${nameOf(id)}" title="${nameOf(id)}, ${width} × ${height}${isKept ? '' : '; click to keep this one'}"
    >${image}</button>`;
  if (!group.isOpen) return button;
  const text = captionOf(rowOf.get(id));
  return html`<figure>${button}<figcaption><b>${nameOf(id)}</b> <span class="cw-quiet">${width} × ${height}${
    isKept ? ', kept' : ''
  }</span><p>${text || html`<i class="cw-quiet">no caption</i>`}</p></figcaption></figure>`;
}

function card(group, place) {
  const most = group.isOpen ? SIDE_BY_SIDE : THUMBNAILS;
  const more = group.ids.length - most;
  const others = group.ids.length - 1;
  return html`<article class="cw-near-group" data-place="${place}" data-open="${group.isOpen}">
    <div class="cw-near-pictures">${group.ids.slice(0, most).map((id) => picture(group, id))}${
      more > 0 ? html`<span class="cw-quiet">+${more.toLocaleString()}</span>` : ''
    }</div>
    <div class="cw-near-actions">
      <button type="button" class="cw-button cw-small" data-do="list">List these ${group.ids.length.toLocaleString()}</button>
      <button type="button" class="cw-button cw-small" data-do="open" aria-expanded="${group.isOpen}">${
        group.isOpen ? 'Hide captions' : 'Compare captions'
      }</button>
      <button type="button" class="cw-button cw-small" data-do="remove" title="Undo brings them back">Remove ${
        others === 1 ? 'the other' : `the ${others.toLocaleString()} others`
      }, keep ${nameOf(group.kept)}</button>
    </div></article>`;
}

function draw() {
  const focused = box.contains(document.activeElement) ? document.activeElement : null;
  const place = focused?.closest('[data-place]')?.dataset.place;
  const { do: what, id } = focused?.dataset ?? {};
  const more = groups.length - shown;
  const rest =
    more > 0
      ? html`<button type="button" class="cw-button cw-small" data-do="more">${plural(more, 'more group', 'more groups')}</button>`
      : '';
  render(box, html`${groups.slice(0, shown).map(card)}${rest}`);
  if (focused) {
    const buttons = [...box.querySelectorAll(`[data-place="${place}"] button`)];
    buttons.find((button) => button.dataset.do === what && button.dataset.id === id)?.focus();
  }
}

function take(reply) {
  const known = new Map(groups.map((group) => [group.ids.join(), group]));
  groups = reply.groups
    .map((ids) => ids.filter((id) => rowOf.has(id)))
    .filter((ids) => ids.length > 1)
    .map((ids) => known.get(ids.join()) ?? { ids, kept: ids[0], isOpen: false });
  const count = all().length;
  const words = groups.length
    ? `${plural(count, 'picture', 'pictures')} in ${plural(groups.length, 'group', 'groups')}. Click a picture to keep that one.`
    : 'No two pictures look nearly the same.';
  const lost = reply.unreadable ? ` ${plural(reply.unreadable, 'picture', 'pictures')} could not be read.` : '';
  about.textContent = reply.waiting ? `Looking at the pictures: ${reply.waiting.toLocaleString()} to go` : words + lost;
  byId('cw-near-list').hidden = !groups.length;
  draw();
}

/**
 * Finds the groups, where other pictures are there than the last time; pictures that were not looked at yet are looked
 * at now, while the overview is open.
 */
export async function lookForNear(ids) {
  const now = ids.join();
  if (now === lookedAt) return;
  lookedAt = now;
  asked += 1;
  const number = asked;
  for (;;) {
    const reply = await orSay(() => ask('near_equal', { set: page.set }));
    if (number !== asked) return;
    if (!reply) {
      lookedAt = '';
      return;
    }
    take(reply);
    if (!reply.waiting) return;
  }
}

/** Looks no further, and looks anew the next time. */
export function forget() {
  asked += 1;
  lookedAt = '';
}

async function removeOthers(group) {
  const ids = group.ids.filter((id) => id !== group.kept);
  const reply = await orSay(() => ask('remove_pictures', { set: page.set, ids }));
  if (!reply) return;
  groups = groups.filter((other) => other !== group);
  lookedAt = '';
  takeRows([], { removed: reply.removed });
  draw();
  say(`${plural(reply.removed.length, 'picture', 'pictures')} removed, ${nameOf(group.kept)} is kept.`, true);
  byId('cw-overview-undo').focus();
  lookSoon();
}

box.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const group = groups[button.closest('[data-place]')?.dataset.place];
  const what = button.dataset.do;
  if (what === 'list') {
    list('near-equal pictures', group.ids);
    return;
  }
  if (what === 'remove') {
    removeOthers(group);
    return;
  }
  if (what === 'more') shown += AT_ONCE;
  if (what === 'open') group.isOpen = !group.isOpen;
  if (what === 'keep') group.kept = button.dataset.id;
  draw();
});

byId('cw-near-list').addEventListener('click', () => list('near-equal pictures', all()));

/** @param {function} does lists pictures, from a title and ids */
export function onListing(does) {
  list = does;
}
