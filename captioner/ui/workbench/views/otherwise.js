// What the settings on the right do not reach: captions that other settings made, and edits. Both are said where they
// are in sight, with what to do about them.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { askOrTell, brief, notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { stateOf } from '../set/captions.js';
import { listOnly } from '../set/listing.js';
import { page, select } from '../set/pictures.js';
import { savedOrTold } from '../set/saved.js';
import { lookSoon } from '../set/sync.js';
import { isRunning, startJob } from './job.js';
import { suggest } from './suggestion.js';
import { undoAction } from './undo.js';

const LOOK_AFTER_MS = 400;
const PREVIEW_AFTER_MS = 250; // of a picture that is passed on the way to another, nothing is asked
let otherwise = new Set();
let told = null; // the message about edits, of which the newest counts

function show() {
  const count = [...otherwise].filter((id) => page.rows.some((row) => row.id === id)).length;
  byId('cw-otherwise').hidden = !count || isRunning();
  byId('cw-otherwise-text').textContent = `${plural(count, 'caption was', 'captions were')} made with other settings.`;
}

const look = debounced(LOOK_AFTER_MS, async () => {
  if (!page.set || isRunning()) return;
  try {
    otherwise = new Set((await ask('made_otherwise', { set: page.set })).ids);
  } catch (error) {
    throwBug(error); // else asked again with the next change
    return;
  }
  show();
});

/** A picture whose caption other settings made is tried with these when it is selected. */
const preview = debounced(PREVIEW_AFTER_MS, (id) => {
  if (id === page.current && otherwise.has(id) && page.settings && !isRunning()) suggest({ isWhole: true });
});

function tellEdits(ids) {
  told?.remove();
  told = null;
  if (!ids.length) return;
  const follow = page.rows.filter((row) => stateOf(row) === 'generated').length;
  const stay = plural(ids.length, 'edited one does not', 'edited ones do not');
  const title = `${plural(follow, 'caption follows', 'captions follow')}, ${stay}.`;
  const showThem = () => {
    listOnly(ids, 'edits that these settings do not reach');
    if (page.shown.length) select(page.shown[0].id);
  };
  const applyThere = async () => {
    if (!(await savedOrTold())) return;
    const reply = await askOrTell('The edits stay as they are', 'apply_to_edits', { set: page.set });
    if (!reply) return;
    brief(`${plural(reply.changed, 'edit', 'edits')} changed`, [undoAction]);
    lookSoon();
  };
  told = notice(
    'plain',
    title,
    [],
    [
      { text: 'Show', run: showThem },
      { text: 'Apply there too', run: applyThere },
    ],
  );
}

byId('cw-otherwise-again').addEventListener('click', () => startJob([...otherwise]));
on('stored', (reply) => {
  if (reply.unfollowed.length || reply.recomposed) tellEdits(reply.unfollowed);
  look();
});
on('rows', (ids) => {
  if (ids.length) look();
});
on('settings', ({ values, before }) => {
  const existing = page.rows.filter((row) => stateOf(row) === 'existing').length;
  if (before && values.existing !== before.existing && existing)
    brief(
      `${plural(existing, 'caption that came along stays', 'captions that came along stay')} until captioned again`,
    );
});
on('job', show);
on('selected', ({ id }) => preview(id));
