// Other sentences for the selected picture: the other beams of the search, or further draws under nucleus sampling,
// each composed with tags and recipe as the suggestion is. "Use" makes one the caption.

(() => {
  const panel = byId('cw-others');
  const list = byId('cw-others-list');
  const more = byId('cw-draw');
  const OPEN = 'captioner/others-open';
  let drawn = '';
  let isDrawing = false; // asked the server for draws

  function draw() {
    const found = details.now();
    const row = found && rowOf.get(found.id);
    panel.hidden = !row || !(found.sentences.length || found.can_draw);
    if (panel.hidden) return;
    const count = found.sentences.length;
    byId('cw-others-count').textContent = count ? plural(count, 'other sentence', 'other sentences') : 'No other sentence yet';
    more.hidden = !found.can_draw;
    more.setAttribute('aria-disabled', isDrawing); // a button that is really disabled loses the focus
    more.textContent = isDrawing ? 'Drawing…' : 'Draw 4 more';
    const text = captionOf(row);
    const html = found.sentences
      .map((other, index) => {
        const isUsed = other.caption === text;
        const score = other.score === null ? '' : other.score.toFixed(2);
        return (
          `<li><small title="The score of the search: the nearer to 0, the likelier">${score}</small>` +
          `<span title="${escapeHtml(other.caption)}">${escapeHtml(other.text)}</span>` +
          `<button type="button" class="cw-button cw-small" data-index="${index}" aria-pressed="${isUsed}" aria-label="Use: ${escapeHtml(other.text)}">${isUsed ? 'Used' : 'Use'}</button></li>`
        );
      })
      .join('');
    if (html === drawn) return;
    drawn = html;
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
    list.innerHTML = html;
    if (focused !== null) list.querySelector(`button[data-index="${focused}"]`)?.focus();
  }

  list.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    const found = details.now();
    const row = found && rowOf.get(found.id);
    if (!button || !row) return;
    const { caption } = found.sentences[+button.dataset.index];
    if (caption !== captionOf(row)) editor.put(row.id, caption);
  });

  more.addEventListener('click', async () => {
    if (isDrawing) return;
    const { id } = details.now();
    isDrawing = true;
    draw();
    const reply = await askOrTell('No sentence was drawn', 'draw_sentences', { set: page.set, id, settings: page.settings });
    isDrawing = false;
    if (reply) details.take(id, reply.details);
    draw();
    if (reply?.new) list.children[reply.details.sentences.length - reply.new]?.scrollIntoView({ block: 'nearest' });
    if (reply) brief(reply.new ? `${plural(reply.new, 'new sentence', 'new sentences')} in 4 draws` : 'Nothing new in 4 draws; a higher temperature varies more');
  });

  panel.open = browser.read(OPEN) === 'yes';
  panel.addEventListener('toggle', () => browser.note(OPEN, panel.open ? 'yes' : 'no'));
  on('details', draw);
  on('edited', (id) => id === page.current && draw());
  on('rows', (ids) => ids.includes(page.current) && draw());
})();
