// What stands beside a prompt: variables that go in where the caret is, and wishes to pick.

import { on } from '../core/events.js';
import { page } from '../set/pictures.js';
import { boxOf, put } from './boxes.js';

/** Brings the words that can be put into a text to life. */
export function insertable(root) {
  const line = root.querySelector('.cw-inserts');
  line.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    const box = button && boxOf(line.dataset.into);
    if (!box) return;
    const { word } = button.dataset;
    const [from, to] = [box.selectionStart ?? box.value.length, box.selectionEnd ?? box.value.length];
    const before = box.value.slice(0, from);
    const gap = before && !/\s$/.test(before) ? ' ' : '';
    put(box, before + gap + word + box.value.slice(to));
    const caret = from + gap.length + word.length;
    box.focus({ preventScroll: true });
    box.setSelectionRange(caret, caret);
  });
}

/** Brings a list of words of which any number may be picked to life. */
export function picks(root) {
  const list = root.querySelector('.cw-picks');
  const boxes = [...list.querySelectorAll('input')];
  const chosen = list.querySelector('.cw-picks-chosen');

  function draw() {
    const names = new Set((page.settings?.[list.dataset.field] ?? '').split(', '));
    for (const box of boxes) box.checked = names.has(box.value);
    const picked = boxes.filter((box) => box.checked).map((box) => box.value);
    chosen.textContent = picked.length ? picked.join(', ') : 'none';
  }

  list.addEventListener('change', () => {
    const picked = boxes.filter((box) => box.checked).map((box) => box.value);
    put(boxOf(list.dataset.field), picked.join(', '));
  });
  on('settings', draw);
  draw();
}
