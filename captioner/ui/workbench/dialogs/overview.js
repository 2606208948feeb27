// The set at a glance: figures, tags, words of the sentences, lengths, contradictions, near-equal and equal captions. A
// click lists the pictures behind a figure; a tag can be renamed, removed and ignored everywhere.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { notice } from '../core/messages.js';
import { ask, throwBug } from '../core/server.js';
import { byName, plural } from '../core/text.js';
import { debounced } from '../core/timing.js';
import { captionOf, stateOf } from '../set/captions.js';
import { refilter } from '../set/listing.js';
import { hasFolders, page, rowOf, select } from '../set/pictures.js';
import { allSaved } from '../set/unsaved.js';
import { ignore } from '../views/ignoring.js';
import { bulkChange } from './change_bar.js';
import { offer, orSay, say, withdraw } from './overview_change.js';
import { histogram } from './overview_lengths.js';
import { figureList } from './overview_lists.js';
import { forget, lookForNear, onListing } from './overview_near.js';

const dialog = byId('cw-overview');
const search = byId('cw-overview-search');
const order = byId('cw-overview-order');
const ORDERS = {
  frequent: (a, b) => b.ids.length - a.ids.length || byName(a.title, b.title),
  rare: (a, b) => a.ids.length - b.ids.length || byName(a.title, b.title),
  name: (a, b) => byName(a.title, b.title),
};
let groups = []; // what figures stand for; the number of each is in its element
let tags = [];
let words = [];

/** Lists the pictures of a figure, and closes the overview. */
function list(title, ids) {
  const there = new Set(ids.filter((id) => rowOf.has(id)));
  page.only = there.size === page.rows.length ? null : { title, ids: there };
  dialog.close();
  refilter();
  if (page.shown.length) select(page.shown[0].id);
}

const group = (title, ids) => groups.push({ title, ids }) - 1;

function figure(ids, title) {
  const inside = html`<b>${ids.length.toLocaleString()}</b> ${title}`;
  if (!ids.length) return html`<span class="cw-figure cw-plain cw-none">${inside}</span>`;
  return html`<button type="button" class="cw-figure" data-group="${group(title, ids)}">${inside}</button>`;
}

// What can be done with a tag everywhere.

const quoted = (text) => `“${text}”`;

const rename = ({ title }) =>
  offer({
    title: `Rename ${quoted(title)} everywhere to`,
    verb: 'Rename',
    text: title,
    look: (text) => {
      if (!text || text === title) return { count: 0, words: 'Write its new name.' };
      return bulkChange('replace', { find: title, replacement: text, how: 'tag', match_case: false });
    },
  });

const remove = ({ title }, ids = null) =>
  offer({
    title: `Remove ${quoted(title)} ${ids ? 'from these captions' : 'everywhere'}?`,
    verb: 'Remove',
    look: () => bulkChange('tag', { tag: title, what: 'remove', where: 'end' }, ids),
  });

const removeImplied = (tag, ids = null) =>
  offer({
    title: tag ? `Remove ${quoted(tag)} where another tag implies it?` : 'Remove all tags that another one implies?',
    verb: 'Remove',
    look: () => bulkChange('implied', { tag }, ids),
  });

function countIgnored({ title, ids }) {
  const made = ids.filter((id) => rowOf.has(id) && stateOf(rowOf.get(id)) === 'generated').length;
  const others = ids.length - made;
  const stay = others ? ` ${plural(others, 'other keeps', 'others keep')} it.` : '';
  return {
    count: 1, // later captions leave it out, even if none of today's has it
    words: `${plural(made, 'generated caption leaves', 'generated captions leave')} it out, and so do later ones.${stay}`,
    run: async () => {
      await ignore(title, true);
      return `${quoted(title)} is on the ignore list.`;
    },
  };
}

const ignoreTag = (item) =>
  offer({ title: `Ignore ${quoted(item.title)} in the whole set?`, verb: 'Ignore', look: () => countIgnored(item) });

const pairMenu = (verb) => (pair) =>
  Object.fromEntries(pair.tags.map((tag) => [`${verb} ${quoted(tag)} there`, () => remove({ title: tag }, pair.ids)]));

const listItem = ({ title, ids }) => list(title, ids);
const tagList = figureList('cw-tag-list', {
  list: listItem,
  keys: { F2: rename, Delete: remove },
  menu: (item) => ({
    'Rename everywhere…': () => rename(item),
    'Remove everywhere…': () => remove(item),
    'Ignore in the whole set…': () => ignoreTag(item),
  }),
});
const wordList = figureList('cw-word-list', { list: listItem });
const clashList = figureList('cw-clash-list', { list: listItem, menu: pairMenu('Remove') });
const impliedList = figureList('cw-implied-list', {
  list: listItem,
  menu: ({ tags: [, tag], ids }) => ({ [`Remove ${quoted(tag)} there`]: () => removeImplied(tag, ids) }),
});
const equalList = figureList('cw-equal-list', { list: listItem });
const folderList = figureList('cw-folder-list', { list: listItem });

// Drawing

/** The pictures with one value each, as items. */
function itemsBy(read) {
  const found = new Map();
  for (const row of page.rows) {
    const value = read(row);
    if (!found.has(value)) found.set(value, []);
    found.get(value).push(row.id);
  }
  return [...found].map(([title, ids]) => ({ title, ids }));
}

function drawTags() {
  const wanted = search.value.trim().toLowerCase();
  const chosen = (items) => items.filter(({ title }) => title.toLowerCase().includes(wanted)).sort(ORDERS[order.value]);
  const [foundTags, foundWords] = [chosen(tags), chosen(words)];
  tagList.show(foundTags);
  wordList.show(foundWords);
  const count = (found, all, none) => {
    if (!all.length) return none;
    return wanted ? `${found.length.toLocaleString()} of ${all.length.toLocaleString()}` : all.length.toLocaleString();
  };
  byId('cw-tag-count').textContent = count(foundTags, tags, 'no caption has any');
  byId('cw-word-count').textContent = count(foundWords, words, '');
  byId('cw-words').hidden = !words.length;
}

function draw(found, { counts, limit }) {
  groups = [];
  const item = ([title, places]) => ({ title, ids: places.map((place) => found.ids[place]) });
  const pair =
    (sign) =>
    ([both, places]) => ({ ...item([both.join(sign), places]), tags: both });
  tags = found.tags.map(item);
  words = found.words.map(item);
  const clashes = found.contradictions.map(pair(' – '));
  const implied = found.implied.map(pair(' → '));
  const equal = itemsBy(captionOf).filter(({ title, ids }) => title.trim() && ids.length > 1);
  const idsWhere = (test) => page.rows.filter(test).map((row) => row.id);
  const inState = (state) => idsWhere((row) => stateOf(row) === state);
  const behind = (items) => [...new Set(items.flatMap(({ ids }) => ids))];
  const sum = page.rows.reduce((tokens, row) => tokens + (counts[row.id] || 0), 0);
  const figures = [
    figure(
      idsWhere(() => true),
      page.rows.length === 1 ? 'picture' : 'pictures',
    ),
    figure(
      idsWhere((row) => !captionOf(row).trim()),
      'without a caption',
    ),
    figure(
      idsWhere((row) => (counts[row.id] || 0) > limit),
      `over ${limit} tokens`,
    ),
    figure(behind(equal), 'with a caption that another has too'),
    found.trigger
      ? figure(item(['', found.without_trigger]).ids, `without the trigger word ${quoted(found.trigger)}`)
      : '',
    figure(inState('existing'), 'brought along'),
    figure(inState('edited'), 'edited'),
    figure(inState('failed'), 'failed'),
    figure(behind(clashes), 'with a contradiction'),
    figure(behind(implied), 'with an implied tag'),
    html`<span class="cw-figure cw-plain"><b>${(sum / (page.rows.length || 1)).toFixed(1)}</b> tokens on average</span>`,
  ];
  render(byId('cw-overview-figures'), html`${figures}`);
  render(byId('cw-lengths'), histogram(counts, limit, group));
  drawTags();
  clashList.show(clashes);
  impliedList.show(implied);
  equalList.show(equal.sort(ORDERS.frequent));
  byId('cw-clashes').hidden = !clashes.length; // their figures say how many there are
  byId('cw-implied').hidden = !implied.length;
  byId('cw-equals').hidden = !equal.length;
  byId('cw-folders').hidden = !hasFolders();
  folderList.show(hasFolders() ? itemsBy((row) => row.folder || 'no folder') : []);
  lookForNear(found.ids);
}

let isLooking = false;
let isWantedAgain = false;

/** Asks for the figures and draws them, once at a time. Throws: the server does not answer, or says no. */
async function look() {
  isWantedAgain = true;
  if (isLooking) return;
  isLooking = true;
  try {
    while (isWantedAgain && dialog.open) {
      isWantedAgain = false;
      await allSaved();
      const of = { set: page.set };
      draw(...(await Promise.all([ask('overview', of), ask('token_counts', of)])));
    }
  } finally {
    isLooking = false;
  }
}

const lookAgain = debounced(300, () => {
  if (dialog.open) orSay(look);
});

function listGroup(target) {
  const number = target.closest('[data-group]')?.dataset.group;
  if (number !== undefined) list(groups[+number].title, groups[+number].ids);
}

dialog.addEventListener('click', (event) => listGroup(event.target));
dialog.addEventListener('keydown', (event) => {
  if (event.target.matches('rect') && (event.key === 'Enter' || event.key === ' ')) {
    event.preventDefault();
    listGroup(event.target);
  } else if (event.key === '/' && !event.target.matches('input')) {
    event.preventDefault();
    search.focus();
  }
});
search.addEventListener('input', drawTags);
search.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && search.value) {
    search.value = '';
    drawTags();
  } else if (event.key === 'ArrowDown' || event.key === 'Enter') tagList.focus();
  else return;
  event.preventDefault();
});
order.addEventListener('change', drawTags);
byId('cw-implied-remove').addEventListener('click', () => removeImplied(''));
byId('cw-overview-close').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  withdraw();
  say('');
  forget();
});
byId('cw-overview-open').addEventListener('click', async () => {
  search.value = '';
  try {
    dialog.showModal();
    search.focus();
    say('Counting…');
    await look();
    say('');
  } catch (error) {
    throwBug(error);
    dialog.close();
    notice('bad', 'There is no overview', [error.message]);
  }
});
onListing(list);
on('told', (reply) => {
  if (dialog.open && (reply.rows.length || reply.removed.length)) lookAgain();
});
on('listed', () => {
  byId('cw-overview-open').disabled = !page.rows.length;
});
