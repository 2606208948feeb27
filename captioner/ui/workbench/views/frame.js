// The set's trigger word (prefix) and suffix as fixed chips at the ends of the editor. The server puts them around every
// caption; here they are only shown.

import { byId } from '../core/elements.js';
import { on } from '../core/events.js';
import { page, rowOf } from '../set/pictures.js';

const before = byId('cw-frame-before');
const after = byId('cw-frame-after');

/** What stands around a picture's text; nothing where the text brings it itself. */
function frameOf(row) {
  const text = row.text.trim();
  const at = text ? row.caption.indexOf(text) : -1;
  if (at >= 0) return [row.caption.slice(0, at), row.caption.slice(at + text.length)];
  return [page.settings?.prefix ?? '', page.settings?.suffix ?? '']; // nothing yet, or a full stop that went
}

function draw() {
  const row = rowOf.get(page.current);
  const [start, end] = row ? frameOf(row) : ['', ''];
  for (const [chip, part] of [
    [before, start],
    [after, end],
  ]) {
    chip.textContent = part.trim();
    chip.hidden = !part.trim();
    chip.dataset.idle = !row?.text.trim();
  }
}

on('selected', draw);
on('rows', (ids) => {
  if (ids.includes(page.current)) draw();
});
on('settings', draw);
