// What Gradio and the keyboard leave unnamed: the settings as a landmark, each reset button by its field, and Ctrl as it
// is called on a Mac.

import { bench, byId } from '../core/elements.js';

const RESET = 'Reset to default value';
const side = byId('cw-side');

side.setAttribute('role', 'complementary');
side.setAttribute('aria-label', 'Settings');

function nameResets() {
  for (const button of side.querySelectorAll(`button[aria-label="${RESET}"]`)) {
    const field = button.closest('.block')?.querySelector('[data-testid="block-info"]')?.textContent.trim();
    if (!field) continue;
    button.setAttribute('aria-label', `Reset ${field} to its default`);
    button.title = `Reset ${field} to its default`;
  }
}

// Gradio makes what lies in a closed tab or under More only when it is opened.
new MutationObserver(nameResets).observe(side, { childList: true, subtree: true });
nameResets();

if (/Mac|iP(hone|ad)/.test(navigator.platform)) {
  for (const key of bench().querySelectorAll('kbd')) if (key.textContent === 'Ctrl') key.textContent = 'Cmd';
  for (const named of document.querySelectorAll('[title*="Ctrl+"]'))
    named.title = named.title.replaceAll('Ctrl+', 'Cmd+');
}
