"""The script's modules in a blank page of a real Chromium, with a server that answers what the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from captioner.ui import workbench

PREFIX = "captioner/edit/"

_BLANK = b"""<!doctype html><meta charset="utf-8"><title>units</title><div id="cw-notices"></div>
<div id="cw-toast"><p id="cw-brief"></p><p id="cw-brief-actions"></p><button id="cw-brief-close"></button></div>"""

# Each call waits in `asked` until the test answers it; an answer of undefined is a server that was not reached.
_PREPARE = """
async () => {
  const of = (path) => import(`./workbench/${path}`);
  Object.assign(window, {
    ...(await of('core/html.js')), ...(await of('core/server.js')), ...(await of('core/events.js')),
    ...(await of('set/captions.js')), ...(await of('set/listing.js')), ...(await of('set/pictures.js')),
    unsaved: await of('set/unsaved.js'), query: await of('set/query.js'),
    reviewed: await of('set/reviewed.js'), asked: [],
  });
  const wait = (name, request) => new Promise((answer) => asked.push({ name, request, answer }));
  connect(new Proxy({}, { get: (_, name) => (request) => wait(name, structuredClone(request)) }));
}
"""


class _Handler(BaseHTTPRequestHandler):
    """/ is a blank page, /workbench/... a module as it lies on the disk."""

    protocol_version = "HTTP/1.1"  # a connection serves many modules

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/")
        text = workbench.modules().get(path.removeprefix("workbench/"))
        body, kind = (_BLANK, "text/html") if text is None else (text.encode(), "text/javascript")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if text is not None:
            self.send_header("Cache-Control", "max-age=3600")  # the next test of this browser has it then
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The address of the blank page, on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class Tab:
    """A tab of the set SET with the pictures a, b and c, of revision 1, without a caption; its clock stands still."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.page.clock.install(time=0)
        self.page.goto(f"{url}?set=SET")
        self.page.clock.pause_at(10_000)
        self.page.evaluate(_PREPARE)
        self.take(*(row(id) for id in "abc"))

    def run(self, script: str, value: Any = None) -> Any:
        """What an expression over the modules' names gives; `value` is called `value` in it."""
        return self.page.evaluate(f"(value) => {script}", value)

    def pass_ms(self, time_ms: int) -> None:
        """Lets so much time pass."""
        self.page.clock.run_for(time_ms)

    def take(self, *rows: dict[str, Any]) -> None:
        """Rows come from the server."""
        self.run("{ takeRows(value); }", list(rows))

    def type(self, id: str, text: str | None) -> None:
        """What a keystroke leaves in the editor."""
        self.run("{ unsaved.edit(...value); }", [id, text])

    def asked(self) -> list[dict[str, Any]]:
        """All that was sent to the server."""
        return list(self.run("asked.map(({ request }) => request)"))

    def texts(self) -> list[str]:
        """The texts that were sent."""
        return [request["text"] for request in self.asked()]

    def answer(self, reply: dict[str, Any] | None, number: int = -1) -> None:
        """The server answers a call, the last one by default; None: it was not reached."""
        self.run("{ asked.at(value[1]).answer(value[0] ?? undefined); }", [reply, number])

    def entry(self, id: str) -> dict[str, Any] | None:
        """What the modules hold for a picture."""
        found: dict[str, Any] | None = self.run("unsaved.entry(value)", id)
        return found

    def stored(self) -> dict[str, dict[str, Any]]:
        """What lies in localStorage, by set, picture and tab."""
        items = self.run("Object.entries(localStorage)")
        return {key.removeprefix(PREFIX): json.loads(text) for key, text in items if key.startswith(PREFIX)}

    def stored_texts(self) -> list[str]:
        """The texts of what lies in localStorage."""
        return sorted(entry["text"] for entry in self.stored().values())

    def limit_storage(self, *, is_full: bool = True) -> None:
        """Gives localStorage no room beyond what it holds now, as a full one has it; or room again."""
        self.run(
            """{
              window.setItem ??= Storage.prototype.setItem;
              const lengthOf = (entries) => entries.flat().join('').length;
              const limit = value ? lengthOf(Object.entries(localStorage)) : Infinity;
              Storage.prototype.setItem = function (key, text) {
                const wanted = lengthOf(Object.entries({ ...this, [key]: text }));
                if (wanted > limit) throw new DOMException('full', 'QuotaExceededError');
                window.setItem.call(this, key, text);
              };
            }""",
            is_full,
        )


def row(id: str, caption: str = "", *, revision: int = 1, **values: Any) -> dict[str, Any]:
    """A picture as the server tells it."""
    state = "generated" if caption else "empty"
    texts = {"caption": caption, "text": caption}
    return {"id": id, "name": f"{id}.png", "folder": "", **texts, "state": state, "revision": revision, **values}


def saved(id: str, text: str, revision: int) -> dict[str, Any]:
    """The answer of a server that saved a text."""
    return {"ok": True, "revision": revision, "row": row(id, text, revision=revision, state="edited")}


def conflict(id: str, theirs: str, revision: int) -> dict[str, Any]:
    """The answer of a server that has another text meanwhile."""
    return {"ok": False, "conflict": theirs, "revision": revision, "row": row(id, theirs, revision=revision)}
