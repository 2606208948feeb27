// The small menus of a cell, a row and a column.

import { openMenu } from '../views/tag_menu.js';
import { captionActions, captionAllWith, useSettings } from './actions.js';
import { whereWords } from './layout.js';
import { cellOf, open } from './sweep.js';
import { close } from './view.js';

const settingsActions = (cell, [use, captionAll]) => ({
  [use]: () => useSettings(cell),
  [captionAll]: () => captionAllWith(cell, close),
});

export const USE = ['Use these settings', 'Caption all with these'];

/** All that can be done with a cell, by the words of its button. */
export const cellActions = (picture, cell) => ({
  ...settingsActions(cell, USE),
  ...captionActions(cellOf(picture, cell)),
});

export const openCellMenu = (button, picture, cell) =>
  openMenu(button, cellActions(picture, cell), `Cell ${whereWords(open.sweep, cell)}`);

/** A head's menu. @param {number} cell which has its values, and else those of the base cell */
export function openValueMenu(button, cell) {
  const words = whereWords(open.sweep, cell);
  openMenu(button, settingsActions(cell, [`Use ${words}`, `Caption all with ${words}`]), words);
}
