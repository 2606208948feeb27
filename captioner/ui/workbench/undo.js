// Undo and redo of the set's journal, which the server keeps: edits, bulk changes, runs, removals, settings.

const travel = (() => {
  async function go(name) {
    if (!page.set) return;
    if (!(await journal.allSaved())) {
      notice('bad', 'Some captions are not saved yet', ['Settle conflicts, or wait for the server, and try again.']);
      return;
    }
    const reply = await askOrTell(name === 'undo' ? 'Nothing was undone' : 'Nothing was done again', name, { set: page.set });
    if (!reply || !reply.label) return;
    brief(`${name === 'undo' ? 'Undone' : 'Done again'}: ${reply.label}`);
    if (reply.has_settings) byId('cw-reload-settings').click();
    sync.soon();
  }

  const show = (id, word, label) => {
    byId(id).disabled = !label;
    byId(id).title = label ? `${word}: ${label}` : word;
  };
  on('told', (reply) => {
    show('cw-undo', 'Undo', reply.undo);
    show('cw-redo', 'Redo', reply.redo);
  });
  byId('cw-undo').addEventListener('click', () => go('undo'));
  byId('cw-redo').addEventListener('click', () => go('redo'));
  return { undo: () => go('undo'), redo: () => go('redo') };
})();
