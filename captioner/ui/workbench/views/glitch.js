// A caption that looks wrong says so where it is edited; and what the captioner was asked, word for word.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { plural } from '../core/text.js';
import { detailsNow } from '../set/details.js';
import { glitchOf } from '../set/glitches.js';
import { page, rowOf } from '../set/pictures.js';

function show() {
  const row = rowOf.get(page.current);
  const wrong = row ? glitchOf(row) : '';
  byId('cw-glitch').hidden = !wrong;
  byId('cw-glitch').textContent = wrong && `This caption looks wrong: ${wrong}.`;
}

function showAsked() {
  const found = detailsNow();
  byId('cw-asked').hidden = !found?.asked;
  byId('cw-asked-text').textContent = found?.asked ?? '';
  byId('cw-asked-again').textContent = found?.redrawn
    ? `Asked ${plural(found.redrawn, 'time', 'times')} more, since the answer looked wrong.`
    : '';
}

on('details', showAsked);
on('selected', show);
on('edited', show);
on('rows', show);
