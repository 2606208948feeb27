// The set's list of ignored tags: put on it or taken off it from a tag's menu, while the controls show the same list.

import { byId } from '../core/elements.js';
import { askOrTell, brief } from '../core/messages.js';
import { pause } from '../core/timing.js';
import { page } from '../set/pictures.js';
import { lookSoon } from '../set/sync.js';
import { inTurn } from '../set/turns.js';

let sending = Promise.resolve();

/**
 * One click at a time, each on the list that the one before it left: the settings on the page follow a moment after
 * the server's, and a list sent too early would undo the last click. Returns: a promise, kept once it is done.
 * @param {boolean} isIgnored put on the list, else taken off it
 */
export function ignore(name, isIgnored) {
  const sent = sending.then(async () => {
    if (!page.settings) return; // the controls are still on their way
    const ours = await inTurn(() => changeList(name, isIgnored));
    if (!ours) return;
    byId('cw-reload-settings').click(); // after which the settings are tried at once
    lookSoon();
    const until = Date.now() + 2000;
    while (page.settings === ours && Date.now() < until) await pause(20);
  });
  // A bug is told as one, and the next click goes on.
  sending = sent.catch(reportError);
  return sending;
}

/** @returns the settings with the changed list, which are asked with until the controls show it; undefined: as before */
async function changeList(name, isIgnored) {
  const request = { set: page.set, tag: name, is_ignored: isIgnored, settings: page.settings };
  const reply = await askOrTell('The list of ignored tags is as it was', 'ignore_tag', request);
  if (!reply || reply.ignore === page.settings.ignore) return undefined;
  const entries = reply.entries.map((entry) => `“${entry}”`).join(', ');
  brief(
    isIgnored
      ? `${entries} is left out of every caption; Undo brings it back`
      : `${entries} is off the list of ignored tags`,
  );
  page.settings = { ...page.settings, ignore: reply.ignore };
  return page.settings;
}
