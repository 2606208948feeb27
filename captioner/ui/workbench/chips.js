// The caption's parts as chips under the editor: take one out, put it first, add one. The set's own tags complete it.

const chips = (() => {
  const box = byId('cw-chips');
  let drawn = null;

  /** Parts of all captions with how often they occur, most frequent first. */
  function frequencies() {
    const counts = new Map();
    for (const row of page.rows) for (const part of new Set(partsOf(captionOf(row)))) counts.set(part, (counts.get(part) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || byName(a[0], b[0]));
  }

  const complete = debounced(300, () => {
    byId('cw-tags').innerHTML = frequencies()
      .slice(0, 300)
      .map(([part]) => `<option value="${escapeHtml(part)}"></option>`)
      .join('');
  });

  function draw() {
    const row = rowOf.get(page.current);
    const text = row ? captionOf(row) : null;
    if (text === drawn) return;
    drawn = text;
    if (text === null) {
      box.innerHTML = '';
      return;
    }
    const parts = partsOf(text);
    const chip = (part, index) =>
      `<span class="cw-chip"><button type="button" data-first="${index}" title="Put first"${index ? '' : ' disabled'}>${escapeHtml(part)}</button>` +
      `<button type="button" class="cw-chip-close" data-out="${index}" aria-label="Take out ${escapeHtml(part)}">×</button></span>`;
    const typing = box.querySelector('input')?.value || '';
    box.innerHTML =
      parts.map(chip).join('') +
      '<input type="text" list="cw-tags" class="cw-chip-add" placeholder="Add a tag" aria-label="Add a tag" autocomplete="off" maxlength="500">';
    box.querySelector('input').value = typing;
  }

  function put(parts) {
    editor.put(page.current, parts.join(', '));
  }

  box.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    const row = rowOf.get(page.current);
    if (!button || !row) return;
    const parts = partsOf(captionOf(row));
    if (button.dataset.out) parts.splice(+button.dataset.out, 1);
    else parts.unshift(...parts.splice(+button.dataset.first, 1));
    put(parts);
  });
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !event.target.matches('.cw-chip-add')) return;
    event.preventDefault();
    const added = partsOf(event.target.value);
    const row = rowOf.get(page.current);
    if (!row || !added.length) return;
    const parts = partsOf(captionOf(row));
    event.target.value = '';
    put([...parts, ...added.filter((part) => !parts.includes(part))]);
    box.querySelector('.cw-chip-add').focus();
  });
  box.addEventListener('focusin', complete);
  on('selected', draw);
  on('rows', (ids) => ids.includes(page.current) && draw());
  on('edited', (id) => id === page.current && draw());
  on('settled', (id) => id === page.current && draw());
  return { frequencies, complete };
})();
