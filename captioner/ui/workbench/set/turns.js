// Changes of the set's settings, one after the other.

let turn = Promise.resolve();

/** One change of the set's settings at a time, in the order asked, so that none overtakes another on its way. */
export function inTurn(change) {
  const done = turn.then(change);
  turn = done.catch(() => {}); // told where it is awaited
  return done;
}

/** When the changes asked so far have been made, or refused. */
export const settled = () => turn;
