// Before what counts on every caption: whether the server has the settings and all that was typed here; else the person is
// told.

import { notice } from '../core/messages.js';
import { allSent } from './reviewed.js';
import { settled } from './turns.js';
import { allSaved } from './unsaved.js';

export async function savedOrTold(advice = 'Settle conflicts, or wait for the server, and try again.') {
  await settled();
  const isSaved = (await allSaved()) && (await allSent());
  if (!isSaved) notice('bad', 'Not everything is saved yet', [advice]);
  return isSaved;
}
