// What the server knows about the selected picture: its tags with what became of each, and other sentences it could
// have. It decides; tags.js and sentences.js draw what it says.

const details = (() => {
  let now = null; // {id, sources, sentences, can_draw}
  let isLive = false; // a preview's, which stays until another picture is selected
  let asked = 0;

  function show(id, found, isPreview) {
    now = found && { id, ...found };
    isLive = isPreview;
    announce('details', now);
  }

  const look = debounced(60, async () => {
    const id = page.current;
    if (!id || isLive) return;
    const number = ++asked;
    try {
      const found = await ask('details', { set: page.set, id });
      if (number === asked && id === page.current && !isLive) show(id, found, false);
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Refused) return; // asked again with the next change
      throw error;
    }
  });

  on('selected', ({ id }) => {
    isLive = false;
    if (id) look();
    else show('', null, false);
  });
  on('rows', (ids) => ids.includes(page.current) && look());

  return {
    now: () => now,
    /** What a preview of a picture, or a further draw, found. */
    take(id, found) {
      if (id === page.current) show(id, found, true);
    },
  };
})();
