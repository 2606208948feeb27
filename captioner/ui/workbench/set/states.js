// What the states of a picture are called, on the page and in the filter.

export const STATE_WORDS = {
  empty: 'no caption',
  existing: 'brought along',
  generated: 'generated',
  edited: 'edited',
  failed: 'failed',
  conflict: 'conflict',
};
