// How many CLIP tokens a caption takes, counted exactly by the server; what lies beyond the limit is shown.

const tokens = (() => {
  const known = new Map();
  let wanted = '';

  function paint(text) {
    const count = known.get(text);
    const box = byId('cw-tokens');
    box.textContent = `${count.tokens} / ${count.limit} tokens`;
    box.dataset.state = count.tokens > count.limit ? 'over' : 'fits';
    const beyond = byId('cw-beyond');
    beyond.hidden = !count.beyond;
    beyond.innerHTML = count.beyond ? `Beyond the limit: <mark>${escapeHtml(count.beyond)}</mark>` : '';
  }

  const fetchCount = debounced(120, async (text) => {
    try {
      known.set(text, await ask('count_tokens', { text }));
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused) return;
      throw error;
    }
    if (known.size > 500) known.delete(known.keys().next().value);
    if (text === wanted) paint(text);
  });

  // A count never stands beside another picture's caption.
  on('selected', () => (byId('cw-tokens').textContent = ''));

  return {
    show(text) {
      wanted = text;
      if (!page.current) {
        byId('cw-tokens').textContent = '';
        byId('cw-beyond').hidden = true;
      } else if (known.has(text)) paint(text);
      else fetchCount(text);
    },
  };
})();
