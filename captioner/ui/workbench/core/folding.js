// A row of things that wraps is folded to a number of lines; a button says how many more there are.

const SAME_LINE_PX = 8;

/**
 * Hides what lies beyond the first lines of a box.
 * @param {HTMLElement[]} items in their order  @param {HTMLElement} more the button behind them
 * @param {{lines: number, isOpen: boolean}} how isOpen: all are shown, and the button folds them again
 */
export function fold(items, more, { lines, isOpen }) {
  for (const item of items) item.hidden = false;
  more.hidden = true;
  const tops = [];
  for (const { offsetTop } of items) if (!tops.length || offsetTop > tops.at(-1) + SAME_LINE_PX) tops.push(offsetTop);
  if (tops.length <= lines) return;
  more.hidden = false;
  more.textContent = 'Fewer';
  if (isOpen) return;
  const end = tops[lines] - SAME_LINE_PX;
  let shown = items.findIndex((item) => item.offsetTop > end);
  const hide = () => {
    for (const item of items.slice(shown)) item.hidden = true;
    more.textContent = `${(items.length - shown).toLocaleString()} more`;
  };
  hide();
  while (shown > 1 && more.offsetTop > end) {
    shown -= 1;
    hide();
  }
}
