// Other sentences for the selected picture: the other beams of the search, or further draws under nucleus sampling,
// each composed with tags and recipe as the suggestion is. "Use" makes one the caption.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { askOrTell, brief } from '../core/messages.js';
import { rove } from '../core/roving.js';
import * as storage from '../core/storage.js';
import { plural } from '../core/text.js';
import { textOf } from '../set/captions.js';
import { detailsNow, takeDetails } from '../set/details.js';
import { GLITCH_WORDS } from '../set/glitches.js';
import { page, rowOf } from '../set/pictures.js';
import * as unsaved from '../set/unsaved.js';

const panel = byId('cw-others');
const list = byId('cw-others-list');
const more = byId('cw-draw');
const OPEN = 'captioner/others-open';
const settleStop = rove(list, 'button');
let drawn = '';
let isDrawing = false; // asked the server for draws

const line = (other, index, isUsed) =>
  html`<li data-glitch="${other.glitch}"><small title="The score of the search: the nearer to 0, the likelier"
    >${other.score?.toFixed(2)}</small><span title="${other.glitch ? `Looks wrong: ${GLITCH_WORDS[other.glitch]}` : other.caption}">${other.text}</span><button type="button"
    class="cw-button cw-small" tabindex="-1" data-index="${index}" aria-pressed="${isUsed}" aria-label="Use: ${other.text}"
    >${isUsed ? 'Used' : 'Use'}</button></li>`;

function draw() {
  const found = detailsNow();
  const row = found && rowOf.get(found.id);
  panel.hidden = !row || !(found.sentences.length || found.can_draw);
  if (panel.hidden) return;
  const count = found.sentences.length;
  byId('cw-others-count').textContent = count
    ? plural(count, 'other sentence', 'other sentences')
    : 'No other sentence yet';
  more.hidden = !found.can_draw;
  more.setAttribute('aria-disabled', isDrawing); // a button that is really disabled loses the focus
  more.textContent = isDrawing ? 'Drawing…' : 'Draw 4 more';
  const text = textOf(row);
  const wanted = html`${found.sentences.map((other, index) => line(other, index, other.caption === text))}`;
  if (String(wanted) === drawn) return;
  drawn = String(wanted);
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
  render(list, wanted);
  if (focused !== null) list.querySelector(`button[data-index="${focused}"]`)?.focus();
  settleStop();
}

list.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const found = detailsNow();
  const row = found && rowOf.get(found.id);
  if (!button || row?.id !== page.current) return; // what is shown is still that of the picture before
  const { caption } = found.sentences[+button.dataset.index];
  if (caption !== textOf(row)) unsaved.edit(row.id, caption, { isStep: true });
});

more.addEventListener('click', async () => {
  if (isDrawing) return;
  const { id } = detailsNow();
  isDrawing = true;
  draw();
  const reply = await askOrTell('No sentence was drawn', 'draw_sentences', {
    set: page.set,
    id,
    settings: page.settings,
  });
  isDrawing = false;
  if (reply) takeDetails(id, reply.details);
  draw();
  if (reply?.new) list.children[reply.details.sentences.length - reply.new]?.scrollIntoView({ block: 'nearest' });
  if (reply)
    brief(
      reply.new
        ? `${plural(reply.new, 'new sentence', 'new sentences')} in 4 draws`
        : 'Nothing new in 4 draws; a higher temperature varies more',
    );
});

panel.open = storage.read(OPEN) === 'yes';
panel.addEventListener('toggle', () => {
  storage.note(OPEN, panel.open ? 'yes' : 'no');
  settleStop(); // its buttons can be reached only now that they are in sight
});
on('details', draw);
on('edited', (id) => {
  if (id === page.current) draw();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) draw();
});
