"""What `benchmarks.page` runs in the page: each measures one thing there, in milliseconds."""

# Notes the moment when the page first shows `count` pictures with every thumbnail in sight drawn.
WATCH = """
window.shownAt = null;
(function look() {
  const cells = [...document.querySelectorAll('.cw-cell img')];
  const words = (document.getElementById('cw-count')?.textContent || '').replace(/[^0-9]/g, '');
  const isReady = document.querySelector('.cw[data-ready=true]');
  if (isReady && words && cells.length && cells.every((image) => image.complete && image.naturalWidth))
    window.shownAt ??= performance.now();
  requestAnimationFrame(look);
})();
"""

SCROLL = """
async () => {
  const box = document.getElementById('cw-grid');
  const gaps = [];
  let last = performance.now();
  for (let step = 0; step < 120; step += 1) {
    box.scrollTop += 400;
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  box.scrollTop = 0;
  return gaps;
}
"""

SELECT_NEXT = """
async () => {
  const editor = document.getElementById('cw-editor');
  const times = [];
  editor.focus();
  for (let step = 0; step < 50; step += 1) {
    const before = editor.value;
    const start = performance.now();
    const press = { key: 'ArrowDown', ctrlKey: true, bubbles: true, cancelable: true };
    editor.dispatchEvent(new KeyboardEvent('keydown', press));
    do await new Promise(requestAnimationFrame);
    while (editor.value === before && performance.now() - start < 5000);
    if (editor.value === before) throw new Error('the selection did not move');
    times.push(performance.now() - start);
  }
  return times;
}
"""

FILTER = """
async (texts) => {
  const box = document.getElementById('cw-filter');
  const count = document.getElementById('cw-count');
  const times = [];
  for (const text of texts) {
    const before = count.textContent;
    const start = performance.now();
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(requestAnimationFrame); // the list is drawn in this frame
    await new Promise((painted) => setTimeout(painted));
    times.push(performance.now() - start);
    if (count.textContent === before) throw new Error(`${text} filtered nothing`);
  }
  return times;
}
"""

# Notes how long after a key press the suggestion was last painted.
NOTE_ANSWERS = """
() => {
  const box = document.getElementById('cw-suggestion');
  let pressed = null;
  window.answered = [];
  document.addEventListener('keydown', () => (pressed = performance.now()), true);
  new MutationObserver(() => {
    if (box.dataset.busy !== 'false' || pressed === null) return;
    const start = pressed;
    pressed = null;
    requestAnimationFrame(() => window.answered.push(performance.now() - start));
  }).observe(box, { attributes: true, attributeFilter: ['data-busy'] });
}
"""

DRAW_TAGS = """
() => {
  const start = performance.now();
  for (let turn = 0; turn < 20; turn += 1) {
    document.querySelector('#cw-tags-found .cw-more').click();
    document.querySelector('#cw-tags-found').getBoundingClientRect();
  }
  return (performance.now() - start) / 20;
}
"""

# From the click that starts a comparison until its first caption, all 25, and all their scores are painted, in ms.
COMPARE = """() => new Promise((done) => {
    const found = {};
    const since = performance.now();
    const note = (name) => (found[name] ??= performance.now() - since);
    const look = () => {
        const cells = document.querySelectorAll('#cw-compare-table [data-state=done]').length;
        if (cells) note('first');
        if (cells === 25) note('all');
        if (cells === 25 && !document.getElementById('cw-compare-state').textContent) {
            note('scored');
            done(found);
        } else requestAnimationFrame(look);
    };
    document.getElementById('cw-compare-start').click();
    requestAnimationFrame(look);
})"""
