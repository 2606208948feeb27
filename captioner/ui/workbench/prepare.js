// Models that must prepare something long before their first picture: what is missing is said under the suggestion, with
// a button to begin. It is a job like captioning, so the toolbar shows how far it is and can stop it.

(() => {
  const box = byId('cw-unprepared');
  let missing = null; // {text, action, download_mb}
  let wasRunning = false;

  function show() {
    box.hidden = !missing;
    if (!missing) return;
    byId('cw-unprepared-text').textContent = missing.text;
    byId('cw-prepare').textContent = missing.action;
    byId('cw-prepare').disabled = job.isRunning();
    byId('cw-fetch').disabled = job.isRunning();
    byId('cw-fetch').hidden = !missing.download_mb;
    byId('cw-fetch').textContent = `Download published ones (${missing.download_mb.toLocaleString()} MB)`;
  }

  async function start(published) {
    const reply = await askOrTell('Preparing did not start', 'prepare_models', { set: page.set, settings: page.settings, published });
    if (!reply) return;
    job.take(reply.job);
    sync.soon();
  }

  byId('cw-prepare').addEventListener('click', () => start(false));
  byId('cw-fetch').addEventListener('click', () => start(true));
  on('previewed', (reply) => {
    missing = reply.unprepared;
    show();
  });
  on('job', () => {
    if (wasRunning && !job.isRunning() && missing) preview.again();
    wasRunning = job.isRunning();
    show();
  });
})();
