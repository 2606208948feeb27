// The sets that this browser opened, the one opened last first.

import { ask } from '../core/server.js';
import * as storage from '../core/storage.js';
import { page } from './pictures.js';
import { forgetPlace, placeIn } from './place.js';

const KEPT = 'captioner/sets';
const MANY = 100;

const ids = () => storage.list(KEPT).filter((id) => typeof id === 'string');

/** Puts the page's set first. */
export function remember() {
  const all = [page.set, ...ids().filter((id) => id !== page.set)];
  storage.note(KEPT, JSON.stringify(all.slice(0, MANY)));
  for (const id of all.slice(MANY)) forgetPlace(id);
}

export function forget(set) {
  storage.note(KEPT, JSON.stringify(ids().filter((id) => id !== set)));
  forgetPlace(set);
}

/** The other sets that are there: {id, name, pictures, changed_at, address, place}. Throws as `ask`. */
export async function otherSets() {
  return (await allOthers()).sets;
}

/** The same, and those in the bin, {id, name, pictures, goes_at}: {sets, bin}. Throws as `ask`. */
export async function allOthers() {
  const others = ids().filter((id) => id !== page.set);
  if (!others.length) return { sets: [], bin: [] };
  const { sets, bin } = await ask('known_sets', { sets: others });
  return { sets: sets.map(withAddress), bin };
}

function withAddress(set) {
  const address = new URL(location);
  address.search = '';
  address.searchParams.set('set', set.id);
  return { ...set, address: address.href, place: placeIn(set.id) };
}
