// How the set of a page comes to be.

import { announce } from '../core/events.js';
import { ask } from '../core/server.js';
import { page } from './pictures.js';

/** Puts the set's id into the address, so that a reload or a copied link comes back to it. */
function rememberSet(set) {
  page.set = set;
  const address = new URL(location);
  address.searchParams.set('set', set);
  history.replaceState(history.state, '', address);
}

async function makeSet() {
  const reply = await ask('new_set', { settings: page.settings });
  rememberSet(reply.set);
  announce('opened', reply);
  return reply.set;
}

let making = null;

/** The set's id; the first picture or run makes the set. */
export function ensureSet() {
  if (page.set) return Promise.resolve(page.set);
  making ??= makeSet().finally(() => {
    making = null; // a failure is tried again with the next picture
  });
  return making;
}
