// localStorage, which may be switched off: reading gives nothing then, `write` throws.

export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export const write = (key, value) => localStorage.setItem(key, value);

/** As `write`, for what may be lost. */
export function note(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // The theme, the list of sets: nothing that was typed.
  }
}

export function drop(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // Nothing is there.
  }
}

/** All keys that begin so. */
export function keys(start) {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(start));
  } catch {
    return [];
  }
}

/** A list that was noted as JSON; empty where something else stands. */
export function list(key) {
  try {
    const items = JSON.parse(read(key) || '[]');
    return Array.isArray(items) ? items : [];
  } catch {
    return [];
  }
}
