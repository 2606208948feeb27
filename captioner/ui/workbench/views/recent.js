// The sets that this browser opened, on the empty page: one click goes on where the person was.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { otherSets } from '../set/known.js';
import { page } from '../set/pictures.js';

const SHOWN = 4;
const box = byId('cw-recent');
const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

const thumbnail = (set) =>
  set.place
    ? html`<img alt="" src="sets/${encodeURIComponent(set.id)}/pictures/${encodeURIComponent(set.place.id)}/thumbnail">`
    : html`<span class="cw-recent-none"></span>`;

const card = (
  set,
) => html`<a class="cw-recent-set" href="${set.address}">${thumbnail(set)}<span class="cw-recent-about"><b
  >${set.name || 'Unnamed set'}</b><span class="cw-quiet">${plural(set.pictures, 'picture', 'pictures')}, ${when.format(
    new Date(set.changed_at * 1000),
  )}</span></span><span class="cw-button cw-small">${set.place ? html`Continue at ${set.place.name}` : 'Open'}</span></a>`;

async function show() {
  try {
    const sets = (await otherSets()).filter((set) => set.pictures);
    if (page.set || !sets.length) return;
    render(box, html`<p class="cw-quiet">Or go on with</p>${sets.slice(0, SHOWN).map(card)}`);
    box.hidden = false;
  } catch (error) {
    throwBug(error); // the name's menu lists them too, and says what is wrong
  }
}

/** Shows them where the page has no set. */
export function offerRecent() {
  if (!page.set) show();
}

on('opened', () => {
  box.hidden = true;
});
