// What every other file of the workbench stands on: finding elements, escaping, calling the server, announcing events.
// The files are joined into one function when served and share one scope; `element`, `server` come from gr.HTML.

const byId = (id) => document.getElementById(id);

/** Text made safe to stand in HTML; captions and file names are data. */
const escapeHtml = (text) =>
  String(text).replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]);

const plural = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** The server was not reached, or broke while answering; worth another try. */
class Unreachable extends Error {}

/** The server said no, for a reason fit to be shown. */
class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
  }
}

/** One call by name: a mapping goes, a mapping comes. gr.HTML's `server` gives undefined when the call failed. */
async function ask(name, request) {
  const reply = await server[name](request);
  if (reply === undefined || reply === null) throw new Unreachable('the server does not answer');
  if (reply.error) throw new Refused(reply.error);
  return reply;
}

/** localStorage, which may be switched off: reading gives nothing then, writing throws. */
const browser = {
  read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  write: (key, value) => localStorage.setItem(key, value),
  /** As `write`, for what may be lost. */
  note(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // The theme, the list of sets: nothing that was typed.
    }
  },
  drop(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      // Nothing is there.
    }
  },
  keys(start) {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(start));
    } catch {
      return [];
    }
  },
};

const listeners = {};
const on = (event, listener) => (listeners[event] ??= []).push(listener);
const announce = (event, detail) => (listeners[event] || []).forEach((listener) => listener(detail));

/** Calls at most once in `wait_ms`, with the last arguments. */
function debounced(wait_ms, action) {
  let timer = 0;
  return (...details) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...details), wait_ms);
  };
}

// A state is told by shape as well as by colour.
const STATES = {
  empty: { title: 'no caption', icon: '<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="2.6 2"/>' },
  generated: { title: 'generated', icon: '<circle cx="8" cy="8" r="5.5" fill="currentColor"/>' },
  edited: { title: 'edited', icon: '<path d="M3 13l.7-3L10.600 3.100a1.500 1.500 0 0 1 2.100 2.200L6 12.300z" fill="currentColor"/>' },
  failed: { title: 'failed', icon: '<path d="M8 1.800 15 14H1z" fill="currentColor"/><path d="M8 6v4M8 11.500v1.200" stroke="var(--cw-mark-ink)" stroke-width="1.600"/>' },
  conflict: { title: 'conflict', icon: '<path d="M8 1l7 7-7 7-7-7z" fill="currentColor"/><path d="M5 8h6" stroke="var(--cw-mark-ink)" stroke-width="1.800"/>' },
};
const stateIcon = (name) => `<svg viewBox="0 0 16 16" aria-hidden="true">${STATES[name].icon}</svg>`;

/** A message above the workbench that stays until it is closed; `lines` may be long lists. */
function notice(kind, title, lines = []) {
  const box = document.createElement('div');
  box.className = `cw-notice cw-notice-${kind}`;
  const list = lines.length ? `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>` : '';
  box.innerHTML = `<div><b>${escapeHtml(title)}</b>${list}</div><button type="button" class="cw-close" aria-label="Close">×</button>`;
  box.querySelector('.cw-close').addEventListener('click', () => box.remove());
  byId('cw-notices').append(box);
  return box;
}

/** A call whose refusal becomes a message under `title`; undefined then. */
async function askOrTell(title, name, request) {
  try {
    return await ask(name, request);
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof Unreachable)) throw error;
    notice('bad', title, [error.message]);
    return undefined;
  }
}

/** A word that goes away by itself. */
const brief = (() => {
  let clearing = 0;
  return (text) => {
    const box = byId('cw-brief');
    box.textContent = text;
    clearTimeout(clearing);
    clearing = setTimeout(() => (box.textContent = ''), 6000);
  };
})();
