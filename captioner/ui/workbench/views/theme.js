// Light or dark: as the system has it until the person chooses.

import { byId } from '../core/elements.js';
import * as storage from '../core/storage.js';

const THEME = 'captioner/theme';
const setTheme = (isDark) => document.body.classList.toggle('dark', isDark);

const chosen = storage.read(THEME);
if (chosen) setTheme(chosen === 'dark');
byId('cw-theme').addEventListener('click', () => {
  const isDark = !document.body.classList.contains('dark');
  setTheme(isDark);
  storage.note(THEME, isDark ? 'dark' : 'light');
});
