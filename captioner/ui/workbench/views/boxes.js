// Gradio's boxes, as our own controls write to them.

import { byId } from '../core/elements.js';

/** The text box of a field; null while Gradio has not made it yet. */
export const boxOf = (field) => byId(`setting-${field}`)?.querySelector('textarea, input') ?? null;

/** Puts a value into a box, which hears of it as if it were typed. */
export function put(box, value) {
  if (!box) return;
  box.value = value;
  box.dispatchEvent(new Event('input', { bubbles: true }));
}
