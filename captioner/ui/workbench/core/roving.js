// One Tab stop for many buttons, as in a toolbar: the arrow keys lead from one to the next, up and down by rows.

const SAME_ROW_PX = 8;

/** The place of the button nearest in the next row, below or above; the same place where there is no such row. */
function beside(buttons, at, isBelow) {
  const boxes = buttons.map((button) => button.getBoundingClientRect());
  const middle = (box) => box.left + box.width / 2;
  const distance = (box) => (isBelow ? box.top - boxes[at].top : boxes[at].top - box.top);
  const beyond = boxes.map(distance).filter((far) => far > SAME_ROW_PX);
  const row = Math.min(...beyond) + SAME_ROW_PX;
  const far = (place) => Math.abs(middle(boxes[place]) - middle(boxes[at]));
  const there = boxes.flatMap((box, place) => (distance(box) > SAME_ROW_PX && distance(box) < row ? [place] : []));
  return there.length ? there.reduce((best, place) => (far(place) < far(best) ? place : best)) : at;
}

/**
 * Makes the arrow keys go through the buttons in a box, and Tab lead to the one that had the focus last.
 * @param {HTMLElement} box  @param {string} selector of its buttons, which are made with tabindex -1
 * @returns {function} to be called when buttons were made or hidden: where the last one is gone, Tab leads to the first
 */
export function rove(box, selector) {
  let last = null;
  const inSight = () => [...box.querySelectorAll(selector)].filter((button) => button.checkVisibility());
  const settle = () => {
    if (!last?.isConnected || !last.checkVisibility()) last = null;
    const stop = last ?? inSight()[0];
    for (const other of box.querySelectorAll(`${selector}[tabindex="0"]`)) other.setAttribute('tabindex', '-1');
    stop?.setAttribute('tabindex', '0');
  };
  box.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !event.target.matches(selector)) return;
    const buttons = inSight();
    const at = buttons.indexOf(event.target);
    const to = {
      ArrowRight: () => Math.min(at + 1, buttons.length - 1),
      ArrowLeft: () => Math.max(at - 1, 0),
      ArrowDown: () => beside(buttons, at, true),
      ArrowUp: () => beside(buttons, at, false),
      Home: () => 0,
      End: () => buttons.length - 1,
    }[event.key]?.();
    if (to === undefined) return;
    event.preventDefault();
    buttons[to].focus();
  });
  box.addEventListener('focusin', (event) => {
    if (!event.target.matches(selector)) return;
    last = event.target;
    settle();
  });
  return settle;
}
