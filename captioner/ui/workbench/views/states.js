// A state is told by shape as well as by colour.

import { html } from '../core/html.js';
import { STATE_WORDS } from '../set/states.js';

export const STATES = {
  empty: {
    title: STATE_WORDS.empty,
    icon: html`<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="2.6 2"/>`,
  },
  existing: {
    title: STATE_WORDS.existing,
    icon: html`<path d="M8 1.500v8M4.500 6.500 8 10l3.500-3.500M2.500 10v3.500h11V10" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/>`,
  },
  generated: { title: STATE_WORDS.generated, icon: html`<circle cx="8" cy="8" r="5.5" fill="currentColor"/>` },
  edited: {
    title: STATE_WORDS.edited,
    icon: html`<path d="M3 13l.7-3L10.600 3.100a1.500 1.500 0 0 1 2.100 2.200L6 12.300z" fill="currentColor"/>`,
  },
  failed: {
    title: STATE_WORDS.failed,
    icon: html`<path d="M8 1.800 15 14H1z" fill="currentColor"/><path d="M8 6v4M8 11.500v1.200" stroke="var(--cw-mark-ink)" stroke-width="1.600"/>`,
  },
  conflict: {
    title: STATE_WORDS.conflict,
    icon: html`<path d="M8 1l7 7-7 7-7-7z" fill="currentColor"/><path d="M5 8h6" stroke="var(--cw-mark-ink)" stroke-width="1.800"/>`,
  },
};

/** The reviewer's mark: two ticks, where the mark of a selected picture is one in a circle. */
export const reviewedIcon = html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="m1.500 8.500 3 3.200L10 5M7.500 10.700l1 1L14.500 5" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/></svg>`;

/** A caption that goes wrong: a sign that it should be looked at. */
export const glitchIcon = html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 3v6M8 11.500v1.500" fill="none" stroke="currentColor" stroke-width="2.200" stroke-linecap="round"/></svg>`;

export const stateIcon = (name) => html`<svg viewBox="0 0 16 16" aria-hidden="true">${STATES[name].icon}</svg>`;
