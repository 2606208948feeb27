// The beginning: every part of the page, then the set in the address and what was typed and not saved. It is imported
// once toolbar and workbench are on the page, whose elements the views take hold of; what they export, others call.

import './set/place.js';
import './views/grid.js';
import './views/glitch.js';
import './views/filter.js';
import './views/look.js';
import './views/editor.js';
import './views/doubts.js';
import './views/unread.js';
import './views/reviewed.js';
import './views/frame.js';
import './views/suggestion.js';
import './views/sentences.js';
import './views/kinds.js';
import './views/tags.js';
import './views/job.js';
import './views/otherwise.js';
import './views/agree.js';
import './views/untried.js';
import './views/prepare.js';
import './views/offers.js';
import './views/upload.js';
import './views/samples.js';
import './views/add_tag.js';
import './views/reserved.js';
import './views/labels.js';
import './views/undo.js';
import './views/theme.js';
import './views/first_steps.js';
import './dialogs/bulk.js';
import './dialogs/caption_all.js';
import './dialogs/overview.js';
import './dialogs/said.js';
import './dialogs/suggest.js';
import './dialogs/models.js';
import './dialogs/set_use.js';
import './dialogs/sets.js';
import './dialogs/jobs.js';
import './dialogs/who.js';
import './dialogs/download.js';
import './dialogs/import.js';
import './dialogs/recipe.js';
import './dialogs/loupe.js';
import './lab/compare.js';
import './views/keys.js';
import './views/narrow.js';
import './views/thumbs.js';
import './views/touch.js';
import './views/toast.js';

import { bench } from './core/elements.js';
import { announce } from './core/events.js';
import { notice } from './core/messages.js';
import { Refused, throwBug } from './core/server.js';
import { pause } from './core/timing.js';
import { openingReply } from './set/opening.js';
import { page, takeRows } from './set/pictures.js';
import { replay } from './set/unsaved.js';
import { tellGone } from './views/gone.js';
import { bringToLife } from './views/kept_files.js';
import { insertable, picks } from './views/prompts.js';
import { offerRecent } from './views/recent.js';
import { describe, modelArrived, modelChosen, settingsChanged, waitForSettings } from './views/settings.js';

const RETRY_MS = 1500;

/** Opens the set in the address; until the server answers it is asked again. Returns: whether it is here. */
async function openSet() {
  for (;;) {
    try {
      const [reply] = await Promise.all([openingReply(), replay()]);
      takeRows(reply.rows, { whole: true });
      announce('told', reply);
      announce('opened', reply);
      if (reply.notes.length) notice('bad', 'Settings', reply.notes);
      return true;
    } catch (error) {
      throwBug(error);
      if (error instanceof Refused) {
        tellGone(error.message);
        return false;
      }
      await pause(RETRY_MS);
    }
  }
}

/**
 * Brings the page to life.
 * @param {object} settings as `views/settings.js` wants them described
 * @returns what Gradio's own controls call
 */
export function start(settings) {
  describe(settings);
  waitForSettings();
  announce('selected', { before: '', id: '' });
  offerRecent();
  const opening = page.set ? openSet() : Promise.resolve(true);
  opening.then((isHere) => {
    if (isHere) bench().dataset.ready = 'true';
  });
  return { settingsChanged, modelChosen, modelArrived, keptFile: bringToLife, insertable, picks };
}
