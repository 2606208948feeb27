// Captioning the whole set. Said first, where it is not what one would think: what becomes of captions of the person's
// own, that nothing but edits is there, and what is downloaded before. Else it begins at once.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';
import { plural } from '../core/text.js';
import { stateOf } from '../set/captions.js';
import { page } from '../set/pictures.js';
import { captionAll, emptyIds, missingModels, startJob } from '../views/job.js';
import { allKinds, frontTitle } from '../views/kinds.js';

const dialog = byId('cw-ask');
const EDITS = ['edited', 'conflict'];
const BESIDE = 'new ones are put beside them, where Use takes one instead.';
const FATES = {
  keep: `will stay; ${BESIDE}`,
  ignore: 'will give way to new ones; Undo brings them back.',
  prepend: 'will stay, with new text behind them.',
  append: 'will stay, with new text before them.',
};

const countOf = (...states) => page.rows.filter((row) => states.includes(stateOf(row))).length;

const sizeOf = (megabytes) => (megabytes ? `${megabytes.toLocaleString()} MB` : 'of a size that is not known');

/** What is downloaded first, in words, and the megabytes of all; null where nothing is missing. */
function downloads() {
  const models = missingModels();
  if (!models.length) return null;
  const names = models.map(({ name, download_mb: size }) => `${name}, ${sizeOf(size)}`);
  const all = models.reduce((sum, { download_mb: size }) => sum + size, 0);
  return {
    words: `Not on the machine of this app, so downloaded first: ${names.join('; ')}.`,
    size: all ? ` (${all.toLocaleString()} MB)` : '',
  };
}

/** What becomes of each kind of captions that there are. */
function fates() {
  const [existing, edited] = [countOf('existing'), countOf(...EDITS)];
  const isAllEdited = edited === page.rows.length;
  const lines = [];
  if (existing)
    lines.push(
      `${plural(existing, 'caption', 'captions')} came along with the pictures and ` +
        FATES[page.settings?.existing ?? 'keep'],
    );
  if (isAllEdited) lines.push(`All ${plural(edited, 'caption is an edit', 'captions are edits')} and stay; ${BESIDE}`);
  else if (edited) lines.push(`${plural(edited, 'edited caption stays', 'edited captions stay')}.`);
  const [made, none] = [countOf('generated', 'failed'), emptyIds().length];
  if (made)
    lines.push(`${plural(made, 'generated caption is', 'generated captions are')} made again where settings changed.`);
  if (none) lines.push(`${plural(none, 'picture', 'pictures')} without a caption ${none === 1 ? 'gets' : 'get'} one.`);
  return lines;
}

/** Which of the set's kinds of captions is made, where it has several. */
function kindsHere() {
  if (allKinds().length < 2) return [];
  const titles = allKinds().map(({ title }) => title);
  return [`Caption all makes the kind ${frontTitle()}; the set has ${titles.join(', ')}.`];
}

function ask() {
  const first = downloads();
  const empty = emptyIds().length;
  const lines = [...(first ? [first.words] : []), ...kindsHere(), ...fates()];
  render(byId('cw-ask-text'), html`${lines.map((line) => html`<li>${line}</li>`)}`);
  byId('cw-ask-empty').hidden = !empty || empty === page.rows.length;
  byId('cw-ask-empty').textContent = `Only the ${empty.toLocaleString()} without`;
  byId('cw-ask-kinds').hidden = allKinds().length < 2;
  byId('cw-ask-kinds').textContent = `All ${allKinds().length} kinds`;
  byId('cw-ask-all').textContent = first ? `Download and caption${first.size}` : 'Caption all';
  dialog.showModal();
}

byId('cw-caption-all').addEventListener('click', () => {
  const isTold =
    allKinds().length > 1 || missingModels().length || countOf('existing') || countOf(...EDITS) === page.rows.length;
  if (isTold) ask();
  else captionAll();
});
byId('cw-ask-cancel').addEventListener('click', () => dialog.close());
byId('cw-ask-all').addEventListener('click', () => {
  dialog.close();
  captionAll();
});
byId('cw-ask-kinds').addEventListener('click', () => {
  dialog.close();
  captionAll({ allKinds: true });
});
byId('cw-ask-empty').addEventListener('click', () => {
  dialog.close();
  startJob(emptyIds(), missingModels().length > 0);
});
