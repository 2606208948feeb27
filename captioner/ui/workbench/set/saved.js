// Before what counts on every caption: whether the server has the settings and all that was typed here; else the person is
// told.

import { notice } from '../core/messages.js';
import { settled } from './turns.js';
import { allSaved } from './unsaved.js';

export async function savedOrTold(advice = 'Settle conflicts, or wait for the server, and try again.') {
  await settled();
  const isSaved = await allSaved();
  if (!isSaved) notice('bad', 'Some captions are not saved yet', [advice]);
  return isSaved;
}
