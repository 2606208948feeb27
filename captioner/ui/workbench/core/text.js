// Words and numbers as a person reads and sorts them.

export const plural = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** Compares two names: case does not count, and 10 comes after 9. */
export const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare;
