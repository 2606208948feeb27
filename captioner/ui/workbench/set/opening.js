// The set in the address, asked for before the other modules have come: its rows arrive while those are made ready.

import { ask, connect } from '../core/server.js';
import { page } from './pictures.js';

let asked = null;

const askNow = () => ask('open_set', { set: page.set });

/** @param {object} server what gr.HTML calls the server by */
export function askEarly(server) {
  connect(server);
  if (!page.set) return;
  asked = askNow();
  asked.catch(() => {}); // told to who takes the answer
}

/** The server's answer: the one that was asked for early, then a new one each time. */
export function openingReply() {
  const reply = asked ?? askNow();
  asked = null;
  return reply;
}
