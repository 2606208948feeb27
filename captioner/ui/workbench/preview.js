// Settings tried live on the selected picture. A preview stores nothing; "Use" makes its text the caption. A new
// generated text for an edited picture is shown in the same place, so that no edit is ever overwritten.

const preview = (() => {
  let live = null; // {id, text, kind}
  let isAsking = false;
  let isWanted = false;
  let known = '';

  function suggestionFor(row) {
    if (!row) return null;
    const text = captionOf(row);
    if (live && live.id === row.id) return live.error || live.text !== text ? live : null;
    if (stateOf(row) === 'edited' && row.suggestion && row.suggestion !== text)
      return { id: row.id, text: row.suggestion, kind: 'Generated' };
    return null;
  }

  function show() {
    const found = suggestionFor(rowOf.get(page.current));
    const box = byId('cw-suggestion');
    box.hidden = !found;
    box.dataset.busy = isAsking;
    if (!found) return;
    byId('cw-suggestion-kind').textContent = found.kind;
    byId('cw-suggestion-text').textContent = found.error || found.text || '(no text)';
    byId('cw-use').hidden = !!found.error;
  }

  /** One question at a time; while one is out only the newest settings wait, and an answer for another picture is dropped. */
  async function request() {
    isWanted = true;
    if (isAsking) return;
    isAsking = true;
    show();
    while (isWanted) {
      isWanted = false;
      const id = page.current;
      try {
        const reply = await ask('preview', { set: page.set, id, settings: page.settings });
        settingsMessage('');
        if (reply.recomposed) sync.soon();
        if (reply.details && !isWanted) details.take(id, reply.details);
        announce('previewed', reply);
        if (id === page.current && !isWanted) live = id && reply.text !== null ? { id, text: reply.text, kind: 'Preview' } : null;
      } catch (error) {
        if (error instanceof Refused && error.code === 'bad_setting') settingsMessage(error.message);
        else if (error instanceof Refused) live = { id, error: error.message, kind: 'Failed' };
        else if (error instanceof Unreachable) live = { id, error: 'The server does not answer.', kind: 'Failed' };
        else throw error;
      }
      show();
    }
    isAsking = false;
    show();
  }

  function settingsMessage(message) {
    const box = byId('cw-settings-message');
    if (!box) return;
    box.textContent = message;
    box.hidden = !message;
  }

  /** The name of the preset that has exactly these values, or "custom". */
  function presetOf(values) {
    const same = ([, preset]) => Object.entries(preset).every(([name, value]) => values[name] === value);
    return Object.entries(CONTROLS.presets).find(same)?.[0] ?? 'custom';
  }

  /** Shows only the fields that apply: a field may depend on another one's value, or on its tagger's switch. */
  function showApplying(values) {
    for (const [name, [other, value]] of Object.entries(CONTROLS.only_when))
      byId(`setting-${name}`)?.classList.toggle('cw-not-now', values[other] !== value);
    for (const family of new Set(Object.values(CONTROLS.families)))
      byId(`family-${family}`)?.classList.toggle('cw-not-now', CONTROLS.families[values.captioner] !== family);
  }

  /** All controls' values by name, each time one of them changes; returns what the preset box shows. */
  function settingsChanged(values) {
    showApplying(values);
    const text = JSON.stringify(values);
    const isFirst = page.settings === null;
    if (text !== known) {
      known = text;
      page.settings = values;
      announce('settings', values);
      if (!isFirst) request();
    }
    return presetOf(values);
  }

  function use() {
    const found = suggestionFor(rowOf.get(page.current));
    if (!found || found.error) return;
    live = null;
    editor.put(found.id, found.text);
    show();
  }

  byId('cw-use').addEventListener('click', use);
  on('selected', () => {
    live = null;
    show();
  });
  on('rows', (ids) => ids.includes(page.current) && show());
  on('edited', (id) => id === page.current && show());

  return { settingsChanged, use, again: request };
})();
