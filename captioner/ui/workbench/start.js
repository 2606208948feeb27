// Beginning: the theme, the set in the address, what the journal still holds.

(() => {
  const THEME = 'captioner/theme';
  const setTheme = (isDark) => document.body.classList.toggle('dark', isDark);
  const kept = browser.read(THEME);
  if (kept) setTheme(kept === 'dark');
  byId('cw-theme').addEventListener('click', () => {
    const isDark = !document.body.classList.contains('dark');
    setTheme(isDark);
    browser.note(THEME, isDark ? 'dark' : 'light');
  });
})();

window.captioner = { settingsChanged: preview.settingsChanged, keptFile: keptFiles.attach };
announce('selected', { before: '', id: '' });

(async function start() {
  if (page.set)
    for (;;) {
      try {
        const [reply] = await Promise.all([ask('open_set', { set: page.set }), journal.replay()]);
        takeRows(reply.rows, { whole: true });
        job.take(reply.job);
        announce('told', reply);
        announce('opened');
        if (reply.notes.length) notice('bad', 'Settings', reply.notes);
        sync.start(reply);
        break;
      } catch (error) {
        if (error instanceof Refused) {
          unknownSet(error);
          return;
        }
        if (!(error instanceof Unreachable)) throw error;
        await new Promise((next) => setTimeout(next, 1500));
      }
    }
  element.querySelector('.cw').dataset.ready = 'true';
})();

/** The address names a set that is not here: say so, and offer a way on. */
function unknownSet(error) {
  const fresh = new URL(location);
  fresh.searchParams.delete('set');
  const box = document.createElement('div');
  box.className = 'cw-gone';
  box.setAttribute('role', 'alert');
  box.innerHTML =
    `<h2>This caption set is not here</h2><p>${escapeHtml(error.message)}</p>` +
    `<p><a class="cw-button cw-primary" href="${escapeHtml(fresh.href)}">Start a new set</a></p>`;
  element.querySelector('.cw').classList.add('cw-is-gone');
  element.querySelector('.cw').append(box);
  page.isGone = true;
  for (const id of ['cw-add', 'cw-caption-all', 'cw-download-menu', 'cw-undo', 'cw-redo', 'cw-bulk-open', 'cw-overview-open']) byId(id).hidden = true;
}
