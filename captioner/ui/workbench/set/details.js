// What the server knows about the selected picture: its tags with what became of each, and other sentences it could
// have. It decides; tags.js and sentences.js draw what it says.

import { announce, on } from '../core/events.js';
import { ask, throwBug } from '../core/server.js';
import { debounced } from '../core/timing.js';
import { page } from './pictures.js';

let found = null; // {id, sources, sentences, can_draw}
let isLive = false; // of the settings as they were tried, which stays until another picture is selected
let asked = 0;

function show(id, told, isTried) {
  found = told && { id, ...told };
  isLive = isTried;
  announce('details', found);
}

const look = debounced(60, async () => {
  const id = page.current;
  if (!id || isLive) return;
  asked += 1;
  const number = asked;
  try {
    const told = await ask('details', { set: page.set, id });
    if (number === asked && id === page.current && !isLive) show(id, told, false);
  } catch (error) {
    throwBug(error); // else asked again with the next change
  }
});

on('selected', ({ id }) => {
  isLive = false;
  if (id) look();
  else show('', null, false);
});
on('rows', (ids) => {
  if (ids.includes(page.current)) look();
});

/** What was found about the selected picture; null until it is. */
export const detailsNow = () => found;

/** What the settings, tried on a picture, or a further draw, found. */
export function takeDetails(id, told) {
  if (id === page.current) show(id, told, true);
}
