// What changed on the server since the last look: captions that a job or another tab made, and the job's progress.

const sync = (() => {
  let cursor = null;
  let timer = 0;
  let isLooking = false;
  let isWantedAgain = false;
  let isReachable = true;

  const wait_ms = () => (document.hidden ? 10_000 : !isReachable ? 1500 : job.isRunning() ? 600 : 3000);

  function plan(wait = wait_ms()) {
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  }

  async function look() {
    if (!page.set) return;
    if (isLooking) {
      isWantedAgain = true; // the answer on its way may be older than what is asked about
      return;
    }
    isLooking = true;
    try {
      const reply = await ask('changes', { set: page.set, since: cursor });
      if (!isReachable) journal.flushAll();
      isReachable = true;
      cursor = reply.cursor;
      takeRows(reply.rows, { whole: reply.whole, removed: reply.removed });
      job.take(reply.job);
      announce('told', reply);
    } catch (error) {
      if (error instanceof Refused) return;
      if (!(error instanceof Unreachable)) throw error;
      isReachable = false;
    } finally {
      isLooking = false;
      plan(isWantedAgain ? 0 : undefined);
      isWantedAgain = false;
    }
  }

  const warned = new Set();
  on('told', (reply) => {
    for (const warning of reply.warnings.filter((text) => !warned.has(text))) {
      warned.add(warning);
      notice('bad', 'A model runs slowly', [warning]);
    }
    for (const text of reply.notices.filter((text) => !warned.has(text))) {
      warned.add(text);
      notice('bad', 'The workspace on the disk', [text]);
    }
  });

  document.addEventListener('visibilitychange', () => !document.hidden && plan(0));

  return {
    start(reply) {
      cursor = reply.cursor;
      plan();
    },
    soon: debounced(150, () => plan(0)),
  };
})();
