// What can be wrong with a caption that a captioner made, and of which picture it is.

import { stateOf } from './captions.js';

/** In words, by what the server calls it. */
export const GLITCH_WORDS = {
  empty: 'it is empty',
  thinking: "the model's thoughts are left in it",
  refusal: 'the model refuses to answer',
  character: 'one character is repeated',
  loop: 'it goes round in circles',
  cut: 'it is cut at the longest length',
};

/** What is wrong with a picture's caption, in words; '' where nothing is, or a person wrote it. */
export const glitchOf = (row) => (['generated', 'empty'].includes(stateOf(row)) && GLITCH_WORDS[row.glitch]) || '';
