// What one part tells all others, at once and in the order in which they began to listen. The events:
//   opened  {reply}       this page has a set now         told      {reply}   the server said how the set stands
//   taken   {isNew}       rows came, before they are listed                   listed    the listed pictures changed
//   rows    [ids]         these rows may have changed     selected  {before, id}  another picture is shown
//   edited  id            its unsaved edit changed        settled   id        the person, or an older tab, chose its text
//   picked                the selection changed           uploading {done, total}       uploaded
//   settings {values}     a control was moved             suggested {reply}   the settings were tried
//   stored  {reply}       the server has the settings     sending, answered  id   a save goes out, its answer is taken
//   details {found}       tags and other sentences        job       {isRunning}
//   counted {isFirst}     there are new token counts      reviewed  [ids]       their mark changed
//   viewed                thumbnails or list, and their size
//   read    {isLive, isAll}  there are new readings; isLive: of the selected caption only, isAll: the whole set was asked
//   doubts  {found}       what was read of the selected picture's caption; null while nothing was
//   compare {isShown}     Compare opened or closed        sweep {isNew}  the open comparison, or how it stands
//   cells   [{picture, cell}]  these changed              cell    {before}      the keys act on another one
//   summed                it is summed up anew
//   tried                 no suggestion is waited for
//   lists {files, isAlone}      files came that an import may know

const listeners = {};

export function on(event, listener) {
  listeners[event] ??= [];
  listeners[event].push(listener);
}

export function announce(event, detail) {
  for (const listener of listeners[event] ?? []) listener(detail);
}
