// Captioning the whole set. Where pictures have captions of the person's own, it is said first what becomes of them.

import { byId } from '../core/elements.js';
import { plural } from '../core/text.js';
import { stateOf } from '../set/captions.js';
import { page } from '../set/pictures.js';
import { captionAll, emptyIds, startJob } from '../views/job.js';

const dialog = byId('cw-ask');

const FATES = {
  keep: 'will stay; new ones are put beside them, where Use takes one instead.',
  ignore: 'will give way to new ones; Undo brings them back.',
  prepend: 'will stay, with new text behind them.',
  append: 'will stay, with new text before them.',
};

function ask(existing) {
  const edited = page.rows.filter((row) => stateOf(row) === 'edited').length;
  const empty = emptyIds().length;
  const came = plural(existing, 'caption', 'captions');
  byId('cw-ask-text').textContent =
    `${came} came along with the pictures and ${FATES[page.settings?.existing ?? 'keep']}`;
  byId('cw-ask-edits').textContent = edited ? `${plural(edited, 'edited caption stays', 'edited captions stay')}.` : '';
  byId('cw-ask-empty').hidden = !empty;
  byId('cw-ask-empty').textContent = `Only the ${empty.toLocaleString()} without`;
  dialog.showModal();
}

byId('cw-caption-all').addEventListener('click', () => {
  const existing = page.rows.filter((row) => stateOf(row) === 'existing').length;
  if (existing) ask(existing);
  else captionAll();
});
byId('cw-ask-cancel').addEventListener('click', () => dialog.close());
byId('cw-ask-all').addEventListener('click', () => {
  dialog.close();
  captionAll();
});
byId('cw-ask-empty').addEventListener('click', () => {
  dialog.close();
  startJob(emptyIds());
});
