// The document's title: the set's name, and before it how a job ended while nobody looked at this tab.

let name = 'Captioner';
let mark = '';

function show() {
  document.title = mark ? `(${mark}) ${name}` : name;
}

export function setTitle(text) {
  name = text;
  show();
}

/** Says a word before the title until the tab is looked at. */
export function markTitle(word) {
  if (!document.hidden) return;
  mark = word;
  show();
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  mark = '';
  show();
});
