"""A reverse proxy on a free port that serves one address under a path, as nginx does with a trailing slash."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/captions"


Held = Callable[[str, bytes], bool]


@contextmanager
def proxied(port: int, path: str = PATH, *, is_held: Held = lambda *_: False) -> Iterator[str]:
    """What listens on a port of this machine, under a path; other paths are not found. Gives the address.

    Args: is_held: from a request's path and body to whether it is never handed on, nor answered.
    """
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not self.path.startswith(f"{path}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if is_held(self.path, body):
                is_over.wait()
                return
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                asked.request(self.command, self.path.removeprefix(path), body or None, dict(self.headers))
                answered = asked.getresponse()
                self.send_response(answered.status)
                for name, value in answered.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                while some := answered.read1(65_536):
                    self.wfile.write(some)
                    self.wfile.flush()
            finally:
                asked.close()

        do_GET = do_POST = do_HEAD = answer

        def handle(self) -> None:
            with suppress(OSError):  # the browser went away, or the server did
                super().handle()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Proxy(ThreadingHTTPServer):
        daemon_threads = True  # a page's stream stays open for as long as the page does

    with Proxy(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{path}/"
        finally:
            is_over.set()
            server.shutdown()
            thread.join()
