// Settings tried live on the selected picture, which stores nothing; "Use" makes the suggested text the caption. A new
// generated text for an edited picture is suggested in the same place, so that no edit is ever overwritten.

import { byId } from '../core/elements.js';
import { announce, on } from '../core/events.js';
import { ask, throwBug, Unreachable } from '../core/server.js';
import { pause } from '../core/timing.js';
import { stateOf, textOf } from '../set/captions.js';
import { takeDetails } from '../set/details.js';
import { page, rowOf, takeRows } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import * as unsaved from '../set/unsaved.js';
import { tab } from '../set/unsaved.js';
import { tellSettings } from './settings.js';

const OVERTAKEN_AFTER_MS = 300;

let live = null; // {id, text, kind, isUntried}
let wanted = null; // how the newest question that was not put yet is to be put
let isPutting = false;
let out = 0; // questions without an answer
let newest = 0; // the number of the last question
let isUsing = false;
let before = null; // the settings of the last answer, which tell the server what was moved since

function suggestionFor(row) {
  if (!row) return null;
  const text = textOf(row);
  if (live && live.id === row.id) return live.error || live.text !== text ? live : null;
  if (['edited', 'existing'].includes(stateOf(row)) && row.suggestion && row.suggestion !== text)
    return { id: row.id, text: row.suggestion, kind: 'Generated' };
  return null;
}

function show() {
  const row = rowOf.get(page.current);
  const found = suggestionFor(row);
  const isSame = !found && !out && row && live?.id === row.id && live.text && !live.isUntried;
  byId('cw-same').textContent = isSame ? 'Same caption with these settings' : '';
  const box = byId('cw-suggestion');
  box.hidden = !found;
  box.dataset.busy = out > 0;
  if (!found) return;
  byId('cw-suggestion-kind').textContent = found.kind;
  byId('cw-suggestion-text').textContent = found.error || found.text || '(no text)';
  byId('cw-use').hidden = !!found.error;
}

/** Puts a question about the selected picture, and shows the answer unless a newer one was put or is to be. */
async function put(how) {
  const number = ++newest;
  const id = page.current;
  const settings = page.settings;
  out += 1;
  show();
  try {
    const reply = await ask('preview', { set: page.set, id, settings, before: before ?? undefined, tab, ...how });
    if (number !== newest) return;
    if (!reply.untried) before = settings; // what waits is still moved since
    tellSettings('');
    if (reply.details && !wanted) takeDetails(id, reply.details);
    announce('suggested', reply);
    const kind = reply.glitch ? 'Preview, looks wrong' : 'Preview';
    if (id === page.current && !wanted) live = { id, text: reply.text, kind, isUntried: !!reply.untried };
  } catch (error) {
    throwBug(error);
    if (number !== newest) return; // the server says that, too, of a question that it dropped
    if (error instanceof Unreachable) live = { id, error: 'The server does not answer.', kind: 'Failed' };
    else if (error.code === 'bad_setting') tellSettings(error.message);
    else live = { id, error: error.message, kind: 'Failed' };
  } finally {
    out -= 1;
    show();
    if (!out && !isPutting) announce('tried');
  }
}

/**
 * Tries the settings, on what other settings made too where it is to be whole, and with slow models too where they are
 * to be asked: while a question is out only the newest settings wait, and an answer for another picture is dropped.
 * A moved slider's question that is out for longer stands in line or is at work: then the newest one is put beside it,
 * and where the other one still stands in line it takes its place there.
 */
export async function suggest({ isWhole = false, isAsked = false } = {}) {
  wanted = { is_whole: isWhole, is_asked: isAsked };
  if (isPutting) return;
  isPutting = true;
  try {
    while (wanted) {
      const how = wanted;
      wanted = null;
      if (!page.current) break;
      const answer = put(how);
      await (how.is_whole || how.is_asked ? answer : Promise.race([answer, pause(OVERTAKEN_AFTER_MS)]));
    }
  } finally {
    isPutting = false;
    if (!out) announce('tried');
  }
}

/**
 * Makes what is suggested the caption. What models said is stored as theirs, so that the caption goes on following the
 * settings; only where the server no longer has it, it becomes an edit.
 */
export async function useSuggestion() {
  const found = suggestionFor(rowOf.get(page.current));
  if (!found || found.error || isUsing) return;
  isUsing = true;
  try {
    await unsaved.flush(found.id);
    const { id, text: seen } = found;
    const request = { set: page.set, id, settings: page.settings, seen, base: rowOf.get(id).revision };
    const reply = await ask('use_preview', request);
    if (reply.row) takeRows([reply.row]);
    if (!reply.ok) unsaved.edit(id, seen, { isStep: true });
  } catch (error) {
    throwBug(error);
    unsaved.edit(found.id, found.text, { isStep: true });
  } finally {
    isUsing = false;
  }
  if (live?.id === found.id) live = null;
  show();
  lookSoon();
}

byId('cw-use').addEventListener('click', useSuggestion);
on('selected', () => {
  live = null;
  show();
});
on('rows', (ids) => {
  if (ids.includes(page.current)) show();
});
on('edited', (id) => {
  if (id === page.current) show();
});
on('settings', (moved) => {
  if (moved.isFirst) return;
  before ??= moved.before;
  suggest();
});
