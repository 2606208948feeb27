// Words over the lower edge stand within the left column, which leaves them room: so they cover nothing that is needed.

import { bench, byId } from '../core/elements.js';

const NARROWEST_PX = 260;
const GAP_PX = 12; // on each side, as in styles/results.css
const toast = byId('cw-toast');
const column = bench().querySelector('.cw-left');

function leaveRoom() {
  const isSilent = !byId('cw-brief').textContent;
  const { style } = document.body;
  style.setProperty('--cw-said-height', isSilent ? '0px' : `${toast.offsetHeight + GAP_PX}px`);
  style.setProperty('--cw-said-width', `${Math.max(NARROWEST_PX, column.offsetWidth - 2 * GAP_PX)}px`);
}

const sizes = new ResizeObserver(leaveRoom);
sizes.observe(toast);
sizes.observe(column);
