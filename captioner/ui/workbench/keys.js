// The keyboard, wherever the focus is: Ctrl+Up and Ctrl+Down go to the previous and next picture, Ctrl+Enter uses the
// suggestion.

window.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') step(event.key === 'ArrowDown' ? 1 : -1);
  else if (event.key === 'Enter') preview.use();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
