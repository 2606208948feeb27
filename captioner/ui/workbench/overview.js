// The set at a glance: tags by frequency, caption lengths, captions over the limit, equal captions. A click lists the
// pictures behind a figure.

(() => {
  const dialog = byId('cw-overview');
  const body = byId('cw-overview-body');
  const TAGS = 60;
  const BIN = 5;
  let groups = [];

  /** Remembers which pictures a figure stands for; the number goes into its element. */
  const group = (title, rows) => groups.push({ title, ids: new Set(rows.map((row) => row.id)) }) - 1;

  function bars(items, width) {
    const most = Math.max(1, ...items.map((item) => item.rows.length));
    return items
      .map(({ title, rows }) => {
        const number = group(title, rows);
        const share = (100 * rows.length) / most;
        return (
          `<button type="button" class="cw-bar-row" data-group="${number}"><span class="cw-bar-name" style="width:${width}">${escapeHtml(title)}</span>` +
          `<span class="cw-bar-track"><span style="width:${share}%"></span></span><span class="cw-bar-count">${rows.length.toLocaleString()}</span></button>`
        );
      })
      .join('');
  }

  function histogram(counts, limit) {
    const longest = Math.max(limit, ...page.rows.map((row) => counts[row.id] || 0));
    const bins = Array.from({ length: Math.floor(longest / BIN) + 1 }, () => []);
    for (const row of page.rows) bins[Math.floor((counts[row.id] || 0) / BIN)].push(row);
    const most = Math.max(1, ...bins.map((rows) => rows.length));
    const [width, height, foot] = [640, 200, 24];
    const step = width / bins.length;
    const columns = bins
      .map((rows, index) => {
        if (!rows.length) return '';
        const [low, high] = [index * BIN, index * BIN + BIN - 1];
        const number = group(`${low} to ${high} tokens`, rows);
        const tall = Math.max(2, (height * rows.length) / most);
        const label = `${low} to ${high} tokens: ${plural(rows.length, 'caption', 'captions')}`;
        return (
          `<rect x="${index * step + 1}" y="${height - tall}" width="${Math.max(1, step - 2)}" height="${tall}" rx="2" tabindex="0" role="button" ` +
          `aria-label="${label}" data-group="${number}" class="${low >= limit ? 'cw-over' : ''}"><title>${label}</title></rect>`
        );
      })
      .join('');
    const every = Math.ceil(bins.length / 12);
    const ticks = bins
      .map((_, index) => (index % every ? '' : `<text x="${index * step}" y="${height + 16}">${index * BIN}</text>`))
      .join('');
    const at = (limit / BIN) * step;
    return (
      `<svg class="cw-histogram" viewBox="-4 -16 ${width + 8} ${height + foot + 16}" role="group" aria-label="Captions by length in tokens">` +
      `${columns}<line x1="0" x2="${width}" y1="${height}" y2="${height}"/><line class="cw-limit" x1="${at}" x2="${at}" y1="-4" y2="${height}"/>` +
      `<text class="cw-limit" x="${at - 4}" y="-6" text-anchor="end">limit ${limit}</text>${ticks}</svg>`
    );
  }

  function draw(counts, limit) {
    groups = [];
    const withPart = new Map();
    const withText = new Map();
    const put = (map, key, row) => (map.has(key) ? map.get(key).push(row) : map.set(key, [row]));
    for (const row of page.rows) {
      const text = captionOf(row);
      for (const part of new Set(partsOf(text))) put(withPart, part, row);
      if (text.trim()) put(withText, text, row);
    }
    const tags = [...withPart].map(([title, rows]) => ({ title, rows })).sort((a, b) => b.rows.length - a.rows.length || byName(a.title, b.title));
    const equal = [...withText].filter(([, rows]) => rows.length > 1).map(([title, rows]) => ({ title, rows }));
    const over = page.rows.filter((row) => (counts[row.id] || 0) > limit);
    const empty = page.rows.filter((row) => !captionOf(row).trim());
    const lengths = page.rows.map((row) => counts[row.id] || 0);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / (lengths.length || 1);
    const figure = (rows, words) => `<button type="button" class="cw-figure" data-group="${group(words, rows)}"><b>${rows.length.toLocaleString()}</b> ${words}</button>`;
    body.innerHTML =
      `<div class="cw-figures">${figure(page.rows, 'pictures')}${figure(empty, 'without a caption')}${figure(over, `over ${limit} tokens`)}` +
      `${figure(equal.flatMap((item) => item.rows), 'with a caption that another has too')}<span class="cw-figure cw-plain"><b>${mean.toFixed(1)}</b> tokens on average</span></div>` +
      `<div class="cw-plots"><section><h3>Length in tokens</h3>${histogram(counts, limit)}` +
      `${equal.length ? `<h3>Equal captions</h3>${bars(equal.slice(0, 20), '60%')}` : ''}</section>` +
      `<section><h3>Tags, the most frequent first${tags.length > TAGS ? ` (${TAGS} of ${tags.length.toLocaleString()})` : ''}</h3>${bars(tags.slice(0, TAGS), '45%') || '<p class="cw-quiet">No captions yet.</p>'}</section></div>`;
  }

  function list(target) {
    const number = target.closest('[data-group]')?.dataset.group;
    if (number === undefined) return;
    const chosen = groups[+number];
    page.only = chosen.ids.size === page.rows.length ? null : chosen;
    dialog.close();
    refilter();
    if (page.shown.length) select(page.shown[0].id);
  }

  body.addEventListener('click', (event) => list(event.target));
  body.addEventListener('keydown', (event) => {
    if (event.target.matches('rect') && (event.key === 'Enter' || event.key === ' ')) list(event.target);
  });
  byId('cw-overview-close').addEventListener('click', () => dialog.close());
  byId('cw-overview-open').addEventListener('click', async () => {
    await journal.allSaved();
    const reply = await askOrTell('There is no overview', 'token_counts', { set: page.set });
    if (!reply) return;
    draw(reply.counts, reply.limit);
    dialog.showModal();
  });
  on('listed', () => (byId('cw-overview-open').disabled = !page.rows.length));
})();
