"""`batch` over a list of web addresses, as a real server answers them: busy, forbidden, cut, not there."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from captioner.batch import reading, store
from tests.batch_sources import picture_bytes, rows_in
from tests.shell import Shell

pytest.importorskip("aiohttp", reason="needs the web driver")

ASKED: Counter[str] = Counter()


class Answer(BaseHTTPRequestHandler):
    """An address says what is answered: /503 and /cut are well from the third try on."""

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        ASKED[name] += 1
        data = picture_bytes()
        if name in ("403", "404") or (name == "503" and ASKED[name] < 3):
            self.send_response(int(name))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:20] if name == "cut" and ASKED[name] < 3 else data)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(time, "sleep", lambda s: None)
    ASKED.clear()
    store._opened.cache_clear()
    reading._store.cache_clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def batch(shell: Shell, *words: str) -> str:
    return shell("batch", *words, "--models", shell.models, "--device", "cpu").summary


def test_each_address_has_its_row_and_says_what_was_answered(shell: Shell, web: str) -> None:
    names = ["a.png", "b.png?width=3", "503", "cut", "403", "404"]
    (shell.folder / "list.csv").write_text("url\n" + "".join(f"{web}/{name}\n" for name in names))
    batch(shell, "list.csv", "--out", "out", "--format", "jsonl")
    rows = rows_in(shell.folder / "out")
    assert [row["key"] for row in rows] == [f"{web}/{name}" for name in names]
    assert [row["error_code"] for row in rows] == ["", "", "", "", "unreadable", "unreadable"]
    assert f"{web}/403 cannot be read: the server answers 403 (Forbidden)." in rows[4]["error_message"]
    assert rows[5]["error_message"].endswith(f" {web}/404 cannot be read: there is no such file, folder or bucket.")
    assert (ASKED["503"], ASKED["cut"], ASKED["403"]) == (3, 3, 1)


def test_nothing_is_written_to_the_web(shell: Shell, web: str) -> None:
    (shell.folder / "list.csv").write_text(f"url\n{web}/a.png\n")
    said = batch(shell, "list.csv", "--out", f"{web}/out")
    assert said == f"captioner: {web}/out is no place to write to; name a folder or a bucket."
    batch(shell, "list.csv", "--out", "out", "--format", "sidecars")
    assert [row["error_code"] for row in rows_in(shell.folder / "out", "sidecars")] == ["no_place"]
