// A list of any length in a box that scrolls: only the rows in sight exist as elements. One button of it is in the page's
// tab order; the arrow keys go through the rows, and sideways through a row's buttons. Knows not what the rows say.

import { render } from './html.js';

const SPARE = 4; // rows above and below those in sight

export class LongList {
  #box;
  #space;
  #draw;
  #keyOf;
  #rows = new Map(); // place -> element
  #items = [];
  #at = 0; // the place that is in the tab order

  /**
   * @param {HTMLElement} box whose style --cw-line is the height of a row in px
   * @param {{draw: function, keyOf: function}} item draw: from an item to its row's markup, the buttons with
   *   tabindex -1; keyOf: what makes it the same after the list was shown anew
   */
  constructor(box, { draw, keyOf }) {
    this.#box = box;
    this.#draw = draw;
    this.#keyOf = keyOf;
    this.#space = document.createElement('div');
    this.#space.className = 'cw-long-space';
    this.#space.setAttribute('role', 'presentation');
    box.replaceChildren(this.#space);
    box.setAttribute('role', 'list');
    box.addEventListener('scroll', () => this.#drawRows(), { passive: true });
    box.addEventListener('keydown', (event) => this.#step(event));
    box.addEventListener('focusin', (event) => this.#reach(event.target));
    new ResizeObserver(() => this.#drawRows()).observe(box);
  }

  /** Shows other items; the focus stays on the item that had it, or in its place where that is gone. */
  show(items) {
    const hadFocus = this.#box.contains(document.activeElement);
    const key = this.#items.length ? this.#keyOf(this.#items[this.#at]) : undefined;
    const same = hadFocus ? items.findIndex((item) => this.#keyOf(item) === key) : 0;
    this.#items = items;
    this.#at = Math.min(same < 0 ? this.#at : same, Math.max(0, items.length - 1));
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#box.hidden = !items.length;
    this.#space.style.height = `${items.length * this.#line()}px`;
    if (hadFocus) this.focus();
    else this.#drawRows();
  }

  /** Focuses the row that is in the tab order, which scrolls into sight. */
  focus() {
    if (!this.#items.length) return;
    const [line, top] = [this.#line(), this.#at * this.#line()];
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    const room = this.#box.clientHeight - line;
    if (top > this.#box.scrollTop + room) this.#box.scrollTop = top - room;
    this.#drawRows();
    this.#buttons(this.#at)[0]?.focus({ preventScroll: true });
  }

  /** The item of the row that an element is in; undefined where it is in none. */
  itemOf(element) {
    const place = element.closest('.cw-long-row')?.dataset.place;
    return place === undefined ? undefined : this.#items[+place];
  }

  #line = () => parseFloat(getComputedStyle(this.#box).getPropertyValue('--cw-line-px')) || 30;

  #buttons = (place) => [...(this.#rows.get(place)?.querySelectorAll('button') ?? [])];

  #drawRows() {
    const line = this.#line();
    const first = Math.max(0, Math.floor(this.#box.scrollTop / line) - SPARE);
    const end = Math.min(this.#items.length, first + Math.ceil(this.#box.clientHeight / line) + 2 * SPARE);
    const isWanted = (place) => (place >= first && place < end) || (place === this.#at && place < this.#items.length);
    for (const [place, row] of this.#rows)
      if (!isWanted(place)) {
        row.remove();
        this.#rows.delete(place);
      }
    for (let place = first; place < end; place += 1) this.#put(place, line);
    if (isWanted(this.#at)) this.#put(this.#at, line);
    this.#markReachable();
  }

  #put(place, line) {
    if (this.#rows.has(place)) return;
    const row = document.createElement('div');
    row.className = 'cw-long-row';
    row.setAttribute('role', 'listitem');
    row.setAttribute('aria-posinset', place + 1);
    row.setAttribute('aria-setsize', this.#items.length);
    row.dataset.place = place;
    row.style.top = `${place * line}px`;
    render(row, this.#draw(this.#items[place]));
    this.#rows.set(place, row);
    // In the order of the list, so that who reads the page aloud reads it so.
    const next = [...this.#rows.keys()].filter((other) => other > place).sort((a, b) => a - b)[0];
    this.#space.insertBefore(row, next === undefined ? null : this.#rows.get(next));
  }

  #markReachable() {
    for (const button of this.#space.querySelectorAll('[tabindex="0"]')) button.tabIndex = -1;
    const buttons = this.#buttons(this.#at);
    const reached = buttons.find((button) => button === document.activeElement) ?? buttons[0];
    if (reached) reached.tabIndex = 0;
  }

  #reach(element) {
    const place = element.closest('.cw-long-row')?.dataset.place;
    if (place === undefined) return;
    this.#at = +place;
    this.#markReachable();
  }

  #step(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const screen = Math.max(1, Math.floor(this.#box.clientHeight / this.#line()) - 1);
    const last = this.#items.length - 1;
    const to = {
      ArrowDown: this.#at + 1,
      ArrowUp: this.#at - 1,
      PageDown: this.#at + screen,
      PageUp: this.#at - screen,
      Home: 0,
      End: last,
    }[event.key];
    const aside = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (to === undefined && aside === undefined) return;
    event.preventDefault();
    if (aside !== undefined) {
      const buttons = this.#buttons(this.#at);
      buttons[buttons.indexOf(document.activeElement) + aside]?.focus();
      return;
    }
    this.#at = Math.min(last, Math.max(0, to));
    this.focus();
  }
}
