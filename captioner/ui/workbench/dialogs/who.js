// Who is signed in, the way out, and whether others may use this set by its link: in the menu of sets, where people have
// logins of their own.

import { byId } from '../core/elements.js';
import { notice } from '../core/messages.js';
import { page } from '../set/pictures.js';

const shared = byId('cw-shared');
let me = {};

/** The JSON that the server answers. Throws an Error with a sentence. */
async function told(address, options) {
  let reply;
  try {
    reply = await fetch(address, options);
  } catch {
    throw new Error('The server does not answer.');
  }
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(answer.error?.message ?? `The server answers ${reply.status}.`);
  return answer;
}

const sharing = () => `sets/${encodeURIComponent(page.set)}/sharing`;

function showSharing({ owner, is_shared, is_mine }) {
  byId('cw-sharing').hidden = !is_mine;
  byId('cw-make-mine').hidden = owner !== null;
  shared.checked = is_shared;
  if (owner === null)
    byId('cw-who').textContent += ' This set is nobody’s: everyone who signs in may use it by its link.';
  else if (!is_mine) byId('cw-who').textContent += ` This set is ${owner}’s, who shares it.`;
}

const signedIn = () => `Signed in as ${me.user}${me.has_own_sets && me.is_operator ? ', an operator' : ''}.`;

async function show() {
  try {
    me = await told('who');
    byId('cw-who').hidden = !me.user;
    byId('cw-who').textContent = signedIn();
    byId('cw-sign-out').hidden = !me.can_leave;
    byId('cw-sign-out').href = `sign-out?${Date.now()}`; // a browser that comes back to the same one is let in
    byId('cw-sharing').hidden = true;
    byId('cw-make-mine').hidden = true;
    if (me.has_own_sets && page.set) showSharing(await told(sharing()));
  } catch (error) {
    notice('bad', 'Who is signed in could not be asked', [error.message]);
  }
}

async function change(wish) {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await told(sharing(), { method: 'POST', headers, body: JSON.stringify(wish) });
  byId('cw-who').textContent = signedIn();
  showSharing(answer);
}

byId('cw-make-mine').addEventListener('click', async () => {
  try {
    await change({ owner: me.user });
    byId('cw-rename').focus();
  } catch (error) {
    notice('bad', 'The set is whose it was', [error.message]);
  }
});
shared.addEventListener('change', async () => {
  const wish = { is_shared: shared.checked };
  try {
    await change(wish);
  } catch (error) {
    shared.checked = !wish.is_shared;
    notice('bad', wish.is_shared ? 'The set was not shared' : 'The set is shared as before', [error.message]);
  }
});
byId('cw-sets-menu').addEventListener('toggle', () => {
  if (byId('cw-sets-menu').open) show();
});
