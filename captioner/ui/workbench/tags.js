// The selected picture's tags with their scores: those in the caption plain, the next ones greyed, ignored ones struck
// through. A click puts a tag on the ignore list of the whole set or takes it off; + writes it into this caption.

const tags = (() => {
  const panel = byId('cw-tags-panel');
  const box = byId('cw-tags-found');
  const OPEN = 'captioner/tags-open';
  const opened = new Set(); // sources whose tags are shown to the last one
  let drawn = '';
  let sending = Promise.resolve();

  const STANDINGS = { kept: 'in the caption', out: 'not in the caption', ignored: 'ignored' };

  function advice(standing, entries) {
    if (standing !== 'ignored') return 'leave it out of every caption of the set';
    return `take ${entries.map((entry) => `“${entry}”`).join(', ')} off the list of ignored tags`;
  }

  function chip(source, category, [name, text, score, standing, , entries], isAddable) {
    const about = `${text}, ${score.toFixed(2)}, ${STANDINGS[standing]}`;
    const title = `${name}: ${score} (${source.title}, ${category}), ${STANDINGS[standing]}. Click to ${advice(standing, entries)}.`;
    const data = `data-name="${escapeHtml(name)}" data-text="${escapeHtml(text)}"`;
    const add = isAddable
      ? `<button type="button" tabindex="-1" data-do="add" ${data} aria-label="Add ${escapeHtml(text)} to this caption" title="Add to this caption only">+</button>`
      : '';
    return (
      `<span class="cw-found" data-standing="${standing}"><button type="button" tabindex="-1" data-do="${standing === 'ignored' ? 'free' : 'ignore'}" ${data} ` +
      `title="${escapeHtml(title)}" aria-label="${escapeHtml(`${about}: ${advice(standing, entries)}`)}">` +
      `<span>${escapeHtml(text)}</span> <small>${score.toFixed(2)}</small></button>${add}</span>`
    );
  }

  /** @param {boolean} isOwn the caption is the person's own, so tags that were kept may be missing in it too */
  function drawSource(source, parts, isOwn) {
    const isOpen = opened.has(source.source);
    let hidden = 0;
    const categories = source.categories.map(({ category, tags }) => {
      const shown = isOpen ? tags : tags.filter((tag) => tag[4]);
      hidden += tags.length - shown.length;
      if (!shown.length) return '';
      const [first, ...others] = shown.map((tag) => {
        const isMissing = !partsOf(tag[1].toLowerCase()).every((part) => parts.has(part));
        return chip(source, category, tag, isMissing && (tag[3] === 'out' || (isOwn && tag[3] === 'kept')));
      });
      // The category's name never stands alone at a line's end.
      return `<span class="cw-category"><small>${escapeHtml(category)}</small>${first}</span>${others.join('')}`;
    });
    const more =
      hidden || isOpen
        ? `<button type="button" tabindex="-1" class="cw-more" data-do="more" data-name="${escapeHtml(source.source)}" aria-expanded="${isOpen}">${isOpen ? 'Fewer' : `${hidden.toLocaleString()} more`}</button>`
        : '';
    return `<div class="cw-source"><b>${escapeHtml(source.title)}</b>${categories.join('')}${more}</div>`;
  }

  function draw() {
    const found = details.now();
    const row = found && rowOf.get(found.id);
    panel.hidden = !row || !found.sources.length;
    if (panel.hidden) return;
    const all = found.sources.flatMap((source) => source.categories.flatMap(({ tags }) => tags));
    const kept = all.filter((tag) => tag[3] === 'kept').length;
    byId('cw-tags-count').textContent = `${kept.toLocaleString()} of ${all.length.toLocaleString()} kept`;
    if (!panel.open) return;
    const parts = new Set(partsOf(captionOf(row).toLowerCase()));
    const isOwn = stateOf(row) === 'edited' || (!!row.suggestion && row.suggestion !== captionOf(row));
    const html = found.sources.map((source) => drawSource(source, parts, isOwn)).join('');
    if (html === drawn) return;
    drawn = html;
    const focused = box.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && buttons().indexOf(focused);
    box.innerHTML = html;
    const again = focused && (find(focused.dataset) || buttons()[Math.min(place, buttons().length - 1)]);
    if (again) again.focus();
    makeReachable(again || buttons()[0]);
  }

  const buttons = () => [...box.querySelectorAll('button')];
  const find = ({ name, do: what }) =>
    buttons().find((button) => button.dataset.name === name && (button.dataset.do === what || (what !== 'more' && button.dataset.do !== 'add')));

  /** One button is in the page's tab order; the arrow keys lead from it to the others. */
  function makeReachable(button) {
    box.querySelector('button[tabindex="0"]')?.setAttribute('tabindex', '-1');
    button?.setAttribute('tabindex', '0');
  }

  /**
   * One click at a time, each on the list that the one before it left: the settings on the page follow a moment after
   * the server's, and a list sent too early would undo the last click.
   * @param {boolean} isIgnored put on the list, else taken off it
   */
  function ignore(name, isIgnored) {
    const sent = sending.then(async () => {
      if (!page.settings) return; // the controls are still on their way
      const request = { set: page.set, tag: name, is_ignored: isIgnored, settings: page.settings };
      const reply = await askOrTell('The list of ignored tags is as it was', 'ignore_tag', request);
      if (!reply || reply.ignore === page.settings.ignore) return;
      const entries = reply.entries.map((entry) => `“${entry}”`).join(', ');
      brief(isIgnored ? `${entries} is left out of every caption; Undo brings it back` : `${entries} is off the list of ignored tags`);
      const ours = { ...page.settings, ignore: reply.ignore }; // what is asked until the controls show the list
      page.settings = ours;
      byId('cw-reload-settings').click(); // after which the settings are tried at once
      sync.soon();
      const until = Date.now() + 2000;
      while (page.settings === ours && Date.now() < until) await new Promise((next) => setTimeout(next, 20));
    });
    // A bug is told as one, and the next click goes on.
    sending = sent.catch((error) => setTimeout(() => { throw error; }));
  }

  function add(text) {
    const row = rowOf.get(details.now()?.id);
    if (!row) return;
    const before = captionOf(row).trimEnd().replace(/,$/, '');
    editor.put(row.id, before ? `${before}, ${text}` : text);
  }

  box.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const { do: what, name, text } = button.dataset;
    makeReachable(button);
    if (what === 'add') add(text);
    else if (what === 'more') {
      if (!opened.delete(name)) opened.add(name);
      draw();
    } else ignore(name, what === 'ignore');
  });
  box.addEventListener('keydown', (event) => {
    const all = buttons();
    const at = all.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const next = all[Math.min(Math.max(to, 0), all.length - 1)];
    makeReachable(next);
    next.focus();
  });

  panel.open = browser.read(OPEN) !== 'no';
  panel.addEventListener('toggle', () => {
    browser.note(OPEN, panel.open ? 'yes' : 'no');
    draw();
  });
  const drawSoon = debounced(120, draw);
  on('details', draw);
  on('edited', (id) => id === page.current && drawSoon());
  on('rows', (ids) => ids.includes(page.current) && drawSoon());
})();
