// Windows that are narrow: the toolbar is one row, and what it has no room for opens under its last button. What is
// needed all the time stands elsewhere then, as the very same element.

import { byId } from '../core/elements.js';

const opener = byId('cw-tools-open');
const tools = byId('cw-tools');

const NARROW = '(max-width: 899px)';
export const PHONE = '(max-width: 600px), (pointer: coarse) and (max-width: 899px)'; // as in styles/touch.css

/** Has an element stand where `put` brings it while the media query holds, and where it was else. */
export function rehouse(element, query, put) {
  const home = document.createComment(element.id);
  element.before(home);
  const media = matchMedia(query);
  const place = () => (media.matches ? put(element) : home.after(element));
  media.addEventListener('change', place);
  place();
}

function show(isOpen) {
  opener.setAttribute('aria-expanded', isOpen);
  tools.dataset.open = isOpen;
}

const isOpen = () => opener.getAttribute('aria-expanded') === 'true';

opener.addEventListener('click', () => show(!isOpen()));
document.addEventListener('click', ({ target }) => {
  if (!isOpen() || opener.contains(target)) return;
  if (!tools.contains(target) || (target.closest('button') && !target.closest('form'))) show(false);
});
tools.addEventListener('submit', () => show(false));
tools.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !isOpen()) return;
  show(false);
  opener.focus();
});
rehouse(byId('cw-undo'), NARROW, (button) => opener.before(button));
rehouse(byId('cw-caption-empty'), '(max-width: 480px)', (button) => tools.prepend(button));
