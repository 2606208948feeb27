// The overview's bar of changes.

import { changeBar } from './change_bar.js';

export const { say, orSay, offer, withdraw } = changeBar('cw-overview', 'cw-overview-search');
