// The overview's lists: each line a figure with its bar, which lists the pictures behind it on a click, and a menu of
// what can be done with it.

import { byId } from '../core/elements.js';
import { html } from '../core/html.js';
import { LongList } from '../core/long_list.js';
import { openMenu } from '../views/tag_menu.js';

/**
 * @param {string} id of its box
 * @param {{list: function, menu: function, keys: object}} does list: the pictures of an item; menu: what its menu does, by
 *   the words; keys: what a key does with an item
 */
export function figureList(id, { list, menu, keys = {} }) {
  const box = byId(id);
  let most = 1;
  const draw = ({ title, ids }) => {
    const dots = html`<button type="button" tabindex="-1" class="cw-row-menu" data-do="menu" aria-haspopup="menu"
      aria-label="More for ${title}">⋯</button>`;
    return html`<button type="button" tabindex="-1" class="cw-bar-row" data-do="list" title="${title}"><span
      class="cw-bar-name">${title}</span><span class="cw-bar-track"><span style="width:${(100 * ids.length) / most}%"
      ></span></span><span class="cw-bar-count">${ids.length.toLocaleString()}</span></button>${menu ? dots : ''}`;
  };
  const rows = new LongList(box, { draw, keyOf: (item) => item.title });
  const open = (item, button) => openMenu(button, menu(item));
  box.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const item = rows.itemOf(button);
    if (button.dataset.do === 'menu') open(item, button);
    else list(item);
  });
  box.addEventListener('contextmenu', (event) => {
    const item = menu && rows.itemOf(event.target);
    if (!item) return;
    event.preventDefault();
    open(item, event.target.closest('.cw-long-row').querySelector('button'));
  });
  box.addEventListener('keydown', (event) => {
    const run = keys[event.key];
    const item = rows.itemOf(event.target);
    if (!run || !item || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    run(item);
  });
  return {
    /** @param {{title: string, ids: string[]}[]} items */
    show(items) {
      most = items.reduce((found, item) => Math.max(found, item.ids.length), 1);
      rows.show(items);
    },
    focus: () => rows.focus(),
  };
}
