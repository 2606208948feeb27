// The set this page shows: its pictures as the server last told them, which are listed, which one is selected.

const page = {
  set: new URLSearchParams(location.search).get('set') || '',
  rows: [],
  shown: [],
  current: '',
  filter: '',
  state: '',
  sort: 'name',
  only: null, // {ids, title}: what a click in the overview asked for
  selection: new Set(),
  settings: null,
  isGone: false,
  isChosen: false, // by the person, not because it came first
};
const rowOf = new Map();

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare;
const inOrder = (a, b) => byName(a.name, b.name) || (a.id < b.id ? -1 : 1);
const STATE_ORDER = ['conflict', 'failed', 'empty', 'generated', 'edited'];
const ORDERS = {
  name: null,
  state: (a, b) => STATE_ORDER.indexOf(stateOf(a)) - STATE_ORDER.indexOf(stateOf(b)),
  longest: (a, b) => captionOf(b).length - captionOf(a).length,
  shortest: (a, b) => captionOf(a).length - captionOf(b).length,
};

const pictureUrl = (id, size) => `sets/${encodeURIComponent(page.set)}/pictures/${encodeURIComponent(id)}/${size}`;

/** The text the person sees for a picture: what was typed here and is not saved yet, else what the server has. */
function captionOf(row) {
  const entry = journal.entry(row.id);
  return entry && entry.text !== null ? entry.text : row.caption;
}

function stateOf(row) {
  const entry = journal.entry(row.id);
  if (entry) return entry.conflict ? 'conflict' : entry.text === null ? row.state : 'edited';
  return row.state;
}

/** A caption's parts, at its commas. */
const partsOf = (text) => text.split(',').map((part) => part.trim()).filter(Boolean);

function matches(row) {
  if (page.state && stateOf(row) !== page.state) return false;
  if (page.only && !page.only.ids.has(row.id)) return false;
  if (!page.filter) return true;
  return row.name.toLowerCase().includes(page.filter) || captionOf(row).toLowerCase().includes(page.filter);
}

const isFiltered = () => !!(page.filter || page.state || page.only);

/**
 * Lists the pictures that match again. Typing alone does not call this, and what the server tells keeps the current
 * picture listed, so that no picture leaves under the hand.
 */
function refilter({ keepsCurrent = false } = {}) {
  const isListed = (row) => matches(row) || (keepsCurrent && row.id === page.current);
  page.shown = isFiltered() ? page.rows.filter(isListed) : [...page.rows];
  if (ORDERS[page.sort]) page.shown.sort(ORDERS[page.sort]); // stable: equal ones stay in the order of names
  announce('listed');
}

/** Takes rows from the server: all of the set, or only those that changed. */
function takeRows(rows, { whole = false, removed = [] } = {}) {
  const held = whole ? new Map(rowOf) : rowOf;
  if (whole) {
    page.rows = [];
    rowOf.clear();
    page.selection.clear();
  }
  let isNew = whole || removed.length > 0;
  for (const id of removed) {
    rowOf.delete(id);
    page.selection.delete(id);
  }
  if (removed.length) page.rows = page.rows.filter((row) => rowOf.has(row.id));
  for (const row of rows) {
    const known = rowOf.get(row.id);
    const newest = held.get(row.id);
    const isOvertaken = newest && row.revision < newest.revision; // by a later answer
    if (known && isOvertaken) continue;
    if (known) Object.assign(known, row);
    else {
      const taken = isOvertaken ? newest : row;
      rowOf.set(row.id, taken);
      page.rows.push(taken);
      isNew = true;
    }
  }
  if (isNew) page.rows.sort(inOrder);
  if (isNew || page.state) refilter({ keepsCurrent: true });
  announce('rows', rows.map((row) => row.id));
  if (!rowOf.has(page.current)) select(page.shown.length ? page.shown[0].id : '', false);
}

function select(id, byPerson = true) {
  page.isChosen ||= byPerson;
  if (id === page.current && id) return;
  const before = page.current;
  page.current = id;
  announce('selected', { before, id });
}

/** Moves the selection through the listed pictures; stays at the ends. */
function step(count) {
  const at = page.shown.findIndex((row) => row.id === page.current);
  const next = at < 0 ? 0 : Math.min(page.shown.length - 1, Math.max(0, at + count));
  if (page.shown[next]) select(page.shown[next].id);
}

// Until the person picks one, the first in order is selected, whichever came first over the wire.
on('edited', () => (page.isChosen = true));
on('uploaded', () => {
  if (!page.isChosen && page.shown.length) select(page.shown[0].id, false);
});

/** Puts the set's id into the address, so that a reload or a copied link comes back to it. */
function rememberSet(set) {
  page.set = set;
  const address = new URL(location);
  address.searchParams.set('set', set);
  history.replaceState(history.state, '', address);
}

let making = null;
/** The set's id; the first picture or run makes the set. */
function ensureSet() {
  if (page.set) return Promise.resolve(page.set);
  making ??= ask('new_set', { settings: page.settings }).then(
    (reply) => {
      rememberSet(reply.set);
      announce('opened');
      sync.start(reply);
      return reply.set;
    },
    (error) => {
      making = null;
      throw error;
    },
  );
  return making;
}
