// Doubtful words of the selected caption: lines under them, the reasons, and a better word that one key or click takes.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { html, render } from '../core/html.js';
import { brief } from '../core/messages.js';
import { textOf } from '../set/captions.js';
import { page, rowOf, select } from '../set/pictures.js';
import { foundNow } from '../set/reading_now.js';
import { canJudge, readingOf, unread } from '../set/readings.js';
import { isReviewed } from '../set/reviewed.js';
import * as unsaved from '../set/unsaved.js';
import { boxesOf, follow, mark, markAt, marksNow, reveal } from './marks.js';

const HOVER_MS = 200;
const FILLER =
  'Said before, or behind the end that the captioner would have chosen: not false for that, but nothing new.';
const text = byId('cw-editor');
const tip = byId('cw-doubt-tip');
const chips = byId('cw-doubt-chips');
let told = 0; // the index of the mark whose reason is in sight, from 1; 0 for none
let hovering = 0;
let isLost = false; // a mark went because its word was touched, perhaps while it was read
let goesToFirst = ''; // the picture whose first doubtful word is gone to once it is read

const doubtOf = (index) => foundNow()?.doubts?.[index - 1];
const filler = (index) => index > (foundNow()?.doubts?.length ?? 0);

/** The doubtful words as they stand in the box now, in order: {start, end, index, doubt}. */
const doubtsNow = () =>
  marksNow()
    .filter(({ index }) => !filler(index))
    .map((one) => ({ ...one, doubt: doubtOf(one.index) }));

// The reason

function hide() {
  clearTimeout(hovering);
  told = 0;
  if (tip.matches(':popover-open')) tip.hidePopover();
}

/** Takes the reason away. Returns: whether one was in sight. */
export function hideReason() {
  const wasShown = told > 0;
  hide();
  return wasShown;
}

/** Shows why a word is marked, above or below it, where there is room. */
function tell(index) {
  const [box] = boxesOf(index);
  const { top, bottom } = text.getBoundingClientRect();
  if (!box || box.bottom < top || box.top > bottom) {
    hide();
    return;
  }
  told = index;
  const doubt = doubtOf(index);
  const offer = doubt?.better
    ? html`<button type="button" class="cw-button cw-small">${doubt.better}</button> <kbd>Alt</kbd> <kbd>Enter</kbd>`
    : '';
  render(tip, html`<p>${filler(index) ? FILLER : doubt.why}</p>${offer}`);
  if (!tip.matches(':popover-open')) tip.showPopover();
  const isAbove = box.top > tip.offsetHeight + 8;
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${isAbove ? box.top - tip.offsetHeight - 4 : box.bottom + 6}px`;
}

// The better word

/** Puts the better word in the place of a doubtful one; undo brings that back. */
function takeBetter({ start, doubt }) {
  hide();
  const [from, to, better] = doubt.change;
  const by = start - doubt.start; // typed before it since
  const value = text.value.slice(0, from + by) + better + text.value.slice(to + by);
  unsaved.edit(page.current, value, { isStep: true });
  const caret = from + by + better.length;
  if (document.activeElement === text) text.setSelectionRange(caret, caret);
  brief(`${doubt.word} became ${doubt.better}`);
}

const atCaret = () => doubtsNow().find(({ start, end }) => start <= text.selectionEnd && text.selectionStart <= end);

/** Selects a doubtful word and says why it is one. */
function goTo({ start, end, index, doubt }) {
  text.focus({ preventScroll: true });
  text.setSelectionRange(start, end);
  reveal(index);
  tell(index);
  const offer = doubt.better ? ` Alt Enter writes ${doubt.better}.` : '';
  byId('cw-doubt-heard').textContent = `${doubt.why}${offer}`;
}

/** The next listed picture with a doubtful word that is not reviewed, from the one that is shown on. */
function nextDoubtful(step) {
  const at = page.shown.findIndex((row) => row.id === page.current);
  const onwards = [...page.shown.slice(at + 1), ...page.shown.slice(0, Math.max(0, at))];
  if (step < 0) onwards.reverse();
  return onwards.find((row) => readingOf(row)?.has_doubt && !isReviewed(row));
}

/** Goes to the next doubtful word: of this caption, then of the next picture that has one. @param {1 | -1} step */
export function goToDoubt(step) {
  if (goesToFirst) return; // it goes on once that picture's caption is read
  const here = doubtsNow();
  const isIn = document.activeElement === text && here.length;
  const caret = step > 0 ? text.selectionStart : text.selectionEnd;
  const told = isIn && atCaret();
  const next = !isIn
    ? here.at(step > 0 ? 0 : -1)
    : step > 0
      ? here.find(({ start }) => start > caret || (start === caret && !told))
      : here.findLast(({ end }) => end < caret);
  if (next) {
    goTo(next);
    return;
  }
  const row = nextDoubtful(step);
  if (row) {
    goesToFirst = row.id;
    select(row.id);
    return;
  }
  const waiting = unread().length;
  brief(
    waiting
      ? `No further doubtful word; ${waiting.toLocaleString()} captions were not read`
      : 'No further doubtful word in what is listed',
  );
}

// What is shown

const chip = ({ index, doubt }) => {
  const offer = doubt.better ? html` <b>${doubt.better}</b>` : '';
  const label = doubt.better ? `${doubt.word}? Write ${doubt.better}` : `${doubt.word}? Go to it`;
  return html`<button type="button" class="cw-doubt-chip" data-index="${index}" data-strong="${doubt.is_strong}"
    aria-label="${label}"><span>${doubt.word}?</span>${offer}</button>`;
};

function described(list) {
  if (!list.length) return '';
  const words = list.map(({ doubt }) => doubt.word + (doubt.better ? `, perhaps ${doubt.better}` : ''));
  return `Doubtful: ${words.join('; ')}. F8 goes from one to the next, Alt Enter takes the other word.`;
}

function showRow() {
  const row = rowOf.get(page.current);
  const found = foundNow();
  const isShown = !!row && canJudge() && textOf(row).trim() !== '';
  byId('cw-doubt').hidden = !isShown;
  if (!isShown) return;
  const list = doubtsNow();
  render(chips, html`${list.map(chip)}`);
  byId('cw-doubt-described').textContent = described(list);
  byId('cw-doubt-said').textContent = found?.error ? 'Not read' : (found?.said ?? '');
}

function showNotes() {
  const found = foundNow();
  const reasons = (found?.doubts ?? []).map(({ why }) => why);
  const notes = found?.error ? [found.error] : (found?.notes ?? []);
  render(
    byId('cw-doubt-notes'),
    html`${reasons.map((why) => html`<p>${why}</p>`)}${notes.map((note) => html`<p class="cw-quiet">${note}</p>`)}`,
  );
}

function showMarks() {
  const found = foundNow();
  const doubts = found?.doubts ?? [];
  isLost = mark(found?.text ?? text.value, [
    ...doubts.map(({ start, end, is_strong }, place) => ({
      start,
      end,
      kind: is_strong ? 'false' : 'doubtful',
      index: place + 1,
    })),
    ...(found?.fillers ?? []).map(([start, end], place) => ({
      start,
      end,
      kind: 'filler',
      index: doubts.length + place + 1,
    })),
  ]);
}

/** Brings the marks along with the text that stands in the box now; when it is what was read again, all are back. */
function bring() {
  const isTouched = follow();
  isLost ||= isTouched;
  const isBack = isLost && foundNow()?.text === text.value;
  if (isBack) showMarks();
  if (isTouched || isBack) showRow();
}

let shown = '';
on('doubts', (found) => {
  const now = JSON.stringify([found?.id, found?.text, found?.doubts, found?.fillers]);
  if (now !== shown || isLost) {
    hide();
    showMarks();
  }
  shown = now;
  showRow();
  showNotes();
  if (!found || found.id !== goesToFirst || found.is_preliminary) return;
  goesToFirst = '';
  const [first] = doubtsNow();
  if (first) goTo(first);
});
on('edited', (id) => {
  if (id === page.current) bring();
});
on('selected', ({ id }) => {
  if (id !== goesToFirst) goesToFirst = '';
});
on('read', showRow);
on('rows', (ids) => {
  if (!ids.includes(page.current)) return;
  bring();
  showRow();
});

text.addEventListener('input', () => {
  if (told) hide();
  bring();
});
text.addEventListener('scroll', () => {
  if (told) tell(told);
});
text.addEventListener('blur', ({ relatedTarget }) => {
  if (!tip.contains(relatedTarget)) hide();
});
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const here = atCaret();
  if (here?.doubt.better) takeBetter(here);
  else if (here) goTo(here);
  else goToDoubt(1);
});
text.addEventListener('pointermove', (event) => {
  if (event.pointerType === 'touch' || event.buttons || !marksNow().length) return;
  const found = markAt(event.clientX, event.clientY);
  clearTimeout(hovering);
  if (found && found.index !== told) hovering = setTimeout(tell, HOVER_MS, found.index);
  else if (!found && told) hovering = setTimeout(hide, HOVER_MS);
});
text.addEventListener('pointerleave', () => {
  clearTimeout(hovering);
  if (told && document.activeElement !== text) hovering = setTimeout(hide, HOVER_MS);
});
tip.addEventListener('pointerenter', () => clearTimeout(hovering));
tip.addEventListener('pointerleave', () => {
  hovering = setTimeout(hide, HOVER_MS);
});
tip.addEventListener('click', (event) => {
  if (!event.target.closest('button')) return;
  const one = doubtsNow().find(({ index }) => index === told);
  if (one) takeBetter(one);
  text.focus();
});
chips.addEventListener('click', (event) => {
  const one = doubtsNow().find(({ index }) => index === +event.target.closest('button')?.dataset.index);
  if (!one) return;
  if (!one.doubt.better) goTo(one);
  else {
    takeBetter(one);
    if (matchMedia('(pointer: fine)').matches) text.focus(); // with fingers a keyboard would come up
  }
});
byId('cw-doubt-help').addEventListener('toggle', (event) => {
  if (event.newState !== 'open') return;
  const at = byId('cw-doubt-help-open').getBoundingClientRect();
  const { style, offsetWidth, offsetHeight } = byId('cw-doubt-help');
  style.left = `${Math.max(8, Math.min(at.left, innerWidth - offsetWidth - 8))}px`;
  style.top = `${at.bottom + offsetHeight + 6 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - offsetHeight - 6)}px`;
});
