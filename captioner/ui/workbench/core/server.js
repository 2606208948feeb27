// Calls to the server by name. Knows no set and shows nothing.

let functions = {};

/** @param {object} server one async function a name, from a mapping to a mapping; gr.HTML makes it */
export function connect(server) {
  functions = server;
}

/** The server was not reached, or broke while answering; worth another try. */
export class Unreachable extends Error {}

/** The server said no, for a reason fit to be shown. */
export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
  }
}

/** One call by name: a mapping goes, a mapping comes. gr.HTML's functions give undefined when the call failed. */
export async function ask(name, request) {
  const reply = await functions[name](request);
  if (reply === undefined || reply === null) throw new Unreachable('the server does not answer');
  if (reply.error) throw new Refused(reply.error);
  return reply;
}

/** Throws a bug on; what a server may answer is the caller's to handle. */
export function throwBug(error) {
  if (!(error instanceof Refused) && !(error instanceof Unreachable)) throw error;
}
