// The small menu of one thing: of a tag, what concerns the whole set. Opened by its dots, a right click, or the menu key.

import { byId } from '../core/elements.js';
import { html, render } from '../core/html.js';

const menu = byId('cw-tag-menu');
const home = menu.parentElement;
let opener = null;
let actions = {};

const items = () => [...menu.querySelectorAll('button')];

/**
 * @param {HTMLElement} button of the tag  @param {Object<string, function>} does what each line does, by its words
 * @param {string} label what the menu is about
 */
export function openMenu(button, does, label = 'This tag in the whole set') {
  opener = button;
  actions = does;
  menu.setAttribute('aria-label', label);
  render(
    menu,
    html`${Object.keys(does).map((name) => html`<button type="button" role="menuitem" data-name="${name}">${name}</button>`)}`,
  );
  (button.closest('dialog') ?? home).append(menu); // beside a dialog that is open nothing can be clicked
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  menu.style.top = `${at.bottom + height + 8 > innerHeight ? Math.max(8, at.top - height - 4) : at.bottom + 4}px`;
  items()[0]?.focus();
}

function close() {
  menu.hidePopover();
  if (opener?.isConnected) opener.focus();
}

menu.addEventListener('click', (event) => {
  const action = actions[event.target.closest('button')?.dataset.name];
  if (!action) return;
  close();
  action();
});
menu.addEventListener('keydown', (event) => {
  const all = items();
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === 'Escape' || event.key === 'Tab') close();
  else if (to === undefined) return;
  else all[(to + all.length) % all.length].focus();
  event.preventDefault();
  event.stopPropagation();
});
