// Which pictures of an upload have not arrived yet: kept in the browser while one goes on, so that after a reload or a
// crash the page can say what is missing. Each tab keeps its own list: [[folder, name, size], ...].

import * as storage from '../core/storage.js';
import { page } from './pictures.js';
import { isTabAlive, tab } from './unsaved.js';

const PREFIX = 'captioner/upload/';
const keyOf = (owner = tab) => `${PREFIX}${page.set}/${owner}`;
const sameFile = ([folder, name, size]) => JSON.stringify([folder, name, size]);
const samePlace = (folder, name) => `${folder}/${name}`.normalize('NFC');

/** What this tab is about to send. @param {[string, string, number][]} files folder, name and size in bytes of each */
export function expect(files) {
  storage.note(keyOf(), JSON.stringify([...storage.list(keyOf()), ...files]));
}

/** All that this tab sends has arrived, or was refused in words. */
export const settle = () => storage.drop(keyOf());

/** What tabs that live no more did not get to the server, without what is in the set all the same. */
export function missing() {
  const here = new Set(page.rows.map((row) => samePlace(row.folder, row.name)));
  const start = keyOf('');
  const files = storage
    .keys(start)
    .filter((key) => !isTabAlive(key.slice(start.length)))
    .flatMap((key) => storage.list(key))
    .filter((entry) => Array.isArray(entry) && !here.has(samePlace(entry[0], entry[1])));
  return [...new Map(files.map((entry) => [sameFile(entry), entry])).values()];
}

/** Forgets what dead tabs left, but for those files that are still missing. */
export function keepOnly(files) {
  const start = keyOf('');
  for (const key of storage.keys(start)) if (!isTabAlive(key.slice(start.length))) storage.drop(key);
  if (files.length) storage.note(keyOf('left'), JSON.stringify(files));
}

/** Forgets all of a set that is no more. */
export function forget(set) {
  for (const key of storage.keys(`${PREFIX}${set}/`)) storage.drop(key);
}
