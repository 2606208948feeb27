// The reviewer's mark at the picture that is shown: "good, next", the mark itself, and how far the set is reviewed.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { brief } from '../core/messages.js';
import { plural } from '../core/text.js';
import { isFiltered } from '../set/listing.js';
import { page, rowOf, select } from '../set/pictures.js';
import { countReviewed, isReviewed, mark, nextUnreviewed } from '../set/reviewed.js';
import * as selection from './selection.js';
import { reviewedIcon } from './states.js';

function show() {
  const row = rowOf.get(page.current);
  byId('cw-good').disabled = !row;
  byId('cw-unreview').hidden = !row || !isReviewed(row);
}

function showProgress() {
  const count = countReviewed();
  byId('cw-reviewed-line').hidden = !count;
  byId('cw-reviewed-bar').value = count / (page.rows.length || 1);
  byId('cw-reviewed-count').textContent = `${count.toLocaleString()} of ${page.rows.length.toLocaleString()} reviewed`;
}

/** Marks what is shown, or all that are selected, and goes to the next listed picture without a mark. */
export function goodNext() {
  if (!page.current) return;
  const ids = page.selection.size ? [...page.selection] : [page.current];
  const next = nextUnreviewed(ids);
  mark(ids, true);
  if (page.selection.size) selection.clear();
  if (next) select(next.id);
  else {
    const all = plural(page.shown.length, 'picture', 'pictures');
    brief(`${isFiltered() ? `All that are listed, ${all}, are` : `${all}: all`} reviewed`);
  }
}

byId('cw-good').addEventListener('click', goodNext);
byId('cw-unreview').addEventListener('click', () => mark([page.current], false));
render(byId('cw-unreview'), html`${reviewedIcon} Reviewed`);
on('selected', show);
on('reviewed', () => {
  show();
  showProgress();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) show();
  if (ids.length) showProgress();
});
on('listed', showProgress);
