// Calls to the server by name. Knows no set, and shows one thing: the question before pictures leave the machine.

let functions = {};
const agreed = new Set(); // the machines elsewhere that the person lets pictures be sent to

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

/** Whether pictures may be sent to machines elsewhere, which is asked once of each. */
function mayLeave(hosts) {
  const unasked = hosts.filter((host) => !agreed.has(host));
  const where = `They are sent to ${unasked.join(' and ')}, without place or camera.`;
  if (unasked.length && !confirm(`Pictures leave this machine. ${where} Send them?`)) return false;
  for (const host of unasked) agreed.add(host);
  return true;
}

/** One call by name: a mapping goes, a mapping comes. gr.HTML's functions give undefined when the call failed. */
export async function ask(name, request) {
  const reply = await functions[name](request);
  if (reply === undefined || reply === null) throw new Unreachable('the server does not answer');
  if (reply.error) throw new Refused(reply.error);
  if (!reply.asks_first) return reply;
  if (!mayLeave(reply.asks_first)) throw new Refused({ code: 'not_sent', message: 'No picture was sent.' });
  return ask(name, { ...request, agreed: [...agreed] });
}

/** Throws a bug on; what a server may answer is the caller's to handle. */
export function throwBug(error) {
  if (!(error instanceof Refused) && !(error instanceof Unreachable)) throw error;
}
