// Waiting.

/** Calls at most once in `wait_ms`, with the last arguments. */
export function debounced(wait_ms, action) {
  let timer = 0;
  return (...details) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...details), wait_ms);
  };
}

export const pause = (wait_ms) => new Promise((done) => setTimeout(done, wait_ms));
