// What nearly every caption says, kind by kind and phrase by phrase, and where captions contradict each other. Kinds are
// described or left out by a switch, which is a setting; a phrase is left out of the captions that are there.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { ask } from '../core/server.js';
import { plural } from '../core/text.js';
import { debounced, pause } from '../core/timing.js';
import { captionOf } from '../set/captions.js';
import { listOnly } from '../set/listing.js';
import { page, pathOf, pictureUrl, rowOf, select } from '../set/pictures.js';
import { inTurn } from '../set/turns.js';
import { allSaved } from '../set/unsaved.js';
import { bulkChange, changeBar } from './change_bar.js';

const dialog = byId('cw-said-dialog');
const { say, orSay, offer, withdraw } = changeBar('cw-said-dialog', 'cw-said-close');
const CARDS = 12;
const SIDE_BY_SIDE = 4; // pictures of a near-equal group
let found = null; // as said_in_all answers, places as ids

const quoted = (text) => `“${text}”`;
const idsOf = (places) => places.map((place) => found.ids[place]).filter((id) => rowOf.has(id));

function list(title, ids) {
  dialog.close();
  byId('cw-overview').close();
  listOnly(ids, title);
  if (page.shown.length) select(page.shown[0].id);
}

// Kinds, which are a setting

const leftOut = () => found.kinds.filter((one) => one.is_left_out).map((one) => one.kind);

/** Stores the kinds that are left out, and waits until the controls have them too. */
async function store(kinds) {
  const ours = await inTurn(async () => {
    const { leave_out } = await ask('leave_out', { set: page.set, kinds, settings: page.settings });
    page.settings = { ...page.settings, leave_out };
    return page.settings;
  });
  byId('cw-reload-settings').click(); // after which the settings are tried at once
  const until = Date.now() + 2000;
  while (page.settings === ours && Date.now() < until) await pause(20);
}

/** What a switch would do, and does. */
async function previewSwitch(kind, isLeftOut) {
  const others = leftOut().filter((one) => one !== kind.kind);
  const kinds = isLeftOut ? [...others, kind.kind] : others;
  const { changed, edits, examples } = await ask('preview_left_out', { set: page.set, kinds });
  const now = plural(changed, 'generated caption reads', 'generated captions read');
  const stay = edits.length ? ` ${plural(edits.length, 'other stays', 'others stay')} as you have it.` : '';
  return {
    count: 1, // later captions follow, even if none of today's does
    words: `${now} otherwise, and so do later ones.${stay}`,
    examples,
    run: async () => {
      await store(kinds);
      if (edits.length) setTimeout(() => offerEdits(kind, edits));
      return `${kind.title}: ${isLeftOut ? 'left out' : 'described'}.`;
    },
  };
}

function offerEdits(kind, ids) {
  offer({
    title: `${plural(ids.length, 'caption that you wrote or brought', 'captions that you wrote or brought')} along still ${
      ids.length === 1 ? 'says' : 'say'
    } it. Leave it out there too?`,
    verb: 'Leave out there too',
    look: () => bulkChange('kinds', { [kind.kind]: true }, ids),
  });
}

function turn(kind, isLeftOut) {
  if (kind.is_left_out === isLeftOut) return;
  const title = kind.title.toLowerCase();
  offer({
    title: isLeftOut ? `Leave ${title} out of captions?` : `Describe ${title} again?`,
    verb: isLeftOut ? 'Leave out' : 'Describe',
    look: () => previewSwitch(kind, isLeftOut),
  });
}

// Phrases, which are words of captions

const strip = (phrase, ids = null) =>
  offer({
    title: `Leave ${quoted(phrase)} out of ${ids ? plural(ids.length, 'caption', 'captions') : 'every caption'}?`,
    verb: 'Leave out',
    look: () => bulkChange('strip', { phrase }, ids),
  });

const rename = (phrase) =>
  offer({
    title: `Say instead of ${quoted(phrase)}`,
    verb: 'Replace',
    text: page.settings?.prefix.trim().replace(/,$/, '') ?? '',
    look: (text) => {
      if (!text || text === phrase) return { count: 0, words: 'Write what captions shall say.' };
      return bulkChange('subject', { class_name: phrase, subject_name: text, plural: false });
    },
  });

const removeTag = (tag, ids) =>
  offer({
    title: `Remove the tag ${quoted(tag)} there?`,
    verb: 'Remove',
    look: () => bulkChange('tag', { tag, what: 'remove', where: 'end' }, ids),
  });

// Drawing

const button = (words, does, at, about = '') =>
  html`<button type="button" class="cw-button cw-small" data-do="${does}" data-at="${at}"
    aria-label="${words}${about && ` ${about}`}">${words}</button>`;

const count = (places, title, at) => html`<button type="button" class="cw-said-count" data-do="list" data-at="${at}"
  title="List these pictures" aria-label="List the ${plural(places.length, 'picture', 'pictures')} with ${title}">${places.length.toLocaleString()} of ${found.said.toLocaleString()}</button>`;

function kindRow(kind, place) {
  const at = `kinds/${place}`;
  const said = kind.phrases.map(([text, times]) => html`<span class="cw-said-phrase">${text} <b>${times}</b></span> `);
  const choice = (
    words,
    isLeftOut,
  ) => html`<button type="button" class="cw-button cw-small" data-do="turn" data-at="${at}"
    data-out="${isLeftOut}" aria-pressed="${kind.is_left_out === isLeftOut}">${words}</button>`;
  return html`<div class="cw-said-kind"><b>${kind.title}</b>
    <span class="cw-said-phrases">${said.length ? said : html`<span class="cw-quiet">nothing is said of it</span>`}</span>
    ${kind.places.length ? count(kind.places, kind.title, at) : html`<span></span>`}
    <span class="cw-said-switch" role="group" aria-label="${kind.title}">${choice('Describe', false)}${choice('Leave out', true)}</span></div>`;
}

function phraseRow(phrase, place) {
  const at = `phrases/${place}`;
  const about = quoted(phrase.text);
  return html`<li><span class="cw-said-text">${phrase.text}</span>${count(phrase.places, phrase.text, at)}
    ${button('Leave out…', 'strip', at, about)}${button('Replace…', 'rename', at, about)}</li>`;
}

function tagRow({ pair: [tag, text], places }, place) {
  const at = `tags/${place}`;
  return html`<li><span class="cw-said-text">${tag} <span class="cw-quiet">and in the sentence</span> ${text}</span>${count(
    places,
    tag,
    at,
  )}${button(`Remove ${quoted(tag)}`, 'tag', at)}${button(`Leave out ${quoted(text)}`, 'sentence', at)}</li>`;
}

/** The contradictions of each near-equal group: [ids, [{pair, places, place}]]. */
function byGroup() {
  const groups = new Map();
  for (const [place, one] of found.neighbours.entries()) {
    const key = one.group.join();
    if (!groups.has(key)) groups.set(key, [idsOf(one.group), []]);
    groups.get(key)[1].push({ ...one, place });
  }
  return [...groups.values()];
}

const picture = (id) => html`<figure><img src="${pictureUrl(id, 'thumbnail')}" alt="" loading="lazy">
  <figcaption><b>${pathOf(rowOf.get(id))}</b><p>${captionOf(rowOf.get(id))}</p></figcaption></figure>`;

function neighbourRow({ pair, place }) {
  const at = `neighbours/${place}`;
  return html`<li><span class="cw-said-text">${pair[0]} <span class="cw-quiet">or</span> ${pair[1]}?</span>
    ${button(`Leave out ${quoted(pair[0])}`, 'side0', at)}${button(`Leave out ${quoted(pair[1])}`, 'side1', at)}</li>`;
}

function groupCard([ids, pairs]) {
  const more = ids.length - SIDE_BY_SIDE;
  const at = `neighbours/${pairs[0].place}`;
  return html`<article class="cw-said-card"><div class="cw-said-pictures">${ids.slice(0, SIDE_BY_SIDE).map(picture)}</div>
    <ul>${pairs.map(neighbourRow)}</ul>${button(more > 0 ? `List all ${ids.length}` : 'List these', 'group', at)}</article>`;
}

const none = (words) => html`<p class="cw-quiet">${words}</p>`;

function draw() {
  const { kinds, phrases, tags, neighbours, waiting } = found;
  const focused = dialog.contains(document.activeElement) ? { ...document.activeElement.dataset } : {};
  render(byId('cw-said-kinds'), html`${kinds.map(kindRow)}`);
  const few = 'Fewer than three pictures have a caption.';
  const noPhrases = found.said < 3 ? few : 'No phrase is in 80 % of the captions.';
  render(byId('cw-said-list'), phrases.length ? html`<ul>${phrases.map(phraseRow)}</ul>` : none(noPhrases));
  const looking = waiting ? `Looking at the pictures: ${waiting.toLocaleString()} to go` : '';
  const noCards = looking || 'Captions of near-equal pictures agree.';
  const cards = html`${byGroup().slice(0, CARDS).map(groupCard)}`;
  render(byId('cw-said-near'), neighbours.length ? cards : none(noCards));
  render(
    byId('cw-said-tags'),
    tags.length ? html`<ul>${tags.map(tagRow)}</ul>` : none('No tag contradicts its sentence.'),
  );
  if (focused.at) {
    const same = [...dialog.querySelectorAll(`[data-at="${focused.at}"]`)];
    same.find((one) => one.dataset.do === focused.do && one.dataset.out === focused.out)?.focus();
  }
}

let isLooking = false;
let isWantedAgain = false;

/** Asks and draws, once at a time, until all pictures have been looked at. Throws: the server says no. */
async function look() {
  isWantedAgain = true;
  if (isLooking) return;
  isLooking = true;
  try {
    while (isWantedAgain && dialog.open) {
      isWantedAgain = false;
      await allSaved();
      found = await ask('said_in_all', { set: page.set });
      draw();
      isWantedAgain ||= found.waiting > 0;
    }
  } finally {
    isLooking = false;
  }
}

const lookAgain = debounced(300, () => {
  if (dialog.open) orSay(look);
});

const DOES = {
  turn: (kind, { out }) => turn(kind, out === 'true'),
  strip: ({ text }) => strip(text),
  rename: ({ text }) => rename(text),
  tag: ({ pair, places }) => removeTag(pair[0], idsOf(places)),
  sentence: ({ pair, places }) => strip(pair[1], idsOf(places)),
  side0: ({ pair, places }) => strip(pair[0], idsOf(places[0])),
  side1: ({ pair, places }) => strip(pair[1], idsOf(places[1])),
  group: ({ group }) => list('near-equal pictures', idsOf(group)),
  list: (item) => list(item.title ?? item.text ?? item.pair.join(' – '), idsOf(item.places.flat())),
};

dialog.addEventListener('click', (event) => {
  const { do: does, at, ...more } = event.target.closest('[data-do]')?.dataset ?? {};
  if (!does) return;
  const [part, place] = at.split('/');
  DOES[does](found[part][+place], more);
});
byId('cw-said-close').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  withdraw();
  say('');
});
byId('cw-said-open').addEventListener('click', async () => {
  dialog.showModal();
  byId('cw-said-close').focus();
  say('Counting…');
  await orSay(async () => {
    await look();
    say('');
  });
});
on('told', (reply) => {
  if (dialog.open && (reply.rows.length || reply.removed.length)) lookAgain();
});
