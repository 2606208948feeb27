"""A Hugging Face hub of one's own: serves folders under repository names, for `HF_ENDPOINT`.

Answers what huggingface_hub's snapshot_download asks: the revision, the tree, HEAD and GET of files with ranges.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".onnx")  # kept in LFS


class HubServer:
    """Serves until `close` or the end of a with-block. Its port is its own.

    requests: (method, path, range header or ""), as they came. breaks: how many bytes of which file the next GET of it
    gets before the connection breaks, consumed by doing so; -1 breaks every time. delay_s: waited before each half
    megabyte. gated: repositories whose files are given only to who sends the token "accepted". hangs_up: it answers
    nobody.
    """

    def __init__(self, repositories: Mapping[str, Path]) -> None:
        self.repositories = dict(repositories)
        self.requests: list[tuple[str, str, str]] = []
        self.breaks: dict[str, int] = {}
        self.breaks_always = False
        self.delay_s = 0.0
        self.gated: set[str] = set()
        self.hangs_up = False
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def __enter__(self) -> HubServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def gets(self, file_name: str) -> list[str]:
        """The range headers of the GETs of a file, "" for the whole of it."""
        return [wanted for method, path, wanted in self.requests if method == "GET" and path.endswith(f"/{file_name}")]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.requests.append((request.command, path, request.headers.get("Range", "")))
        if self.hangs_up:
            request.close_connection = True
            return None
        for name, folder in self.repositories.items():
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            if path in (f"/api/models/{name}", f"/api/models/{name}/revision/main"):
                siblings = [{"rfilename": file.relative_to(folder).as_posix()} for file in files]
                return self._send_json(request, {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings})
            if path in [f"/api/models/{name}/tree/{revision}" for revision in ("main", COMMIT)]:
                return self._send_json(request, [_entry(file, folder) for file in files])
            for revision in ("main", COMMIT):
                prefix = f"/{name}/resolve/{revision}/"
                if path.startswith(prefix) and name in self.gated and not _has_accepted(request):
                    headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to {name} is restricted."}
                    return self._send(request, 401, b"Access is restricted.", headers)
                if path.startswith(prefix) and folder / path.removeprefix(prefix) in files:
                    return self._send_file(request, folder / path.removeprefix(prefix))
        return self._send(request, 404, b"not found", {"X-Error-Code": "RepoNotFound"})

    def _send_json(self, request: BaseHTTPRequestHandler, value: Any) -> None:
        self._send(request, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send_file(self, request: BaseHTTPRequestHandler, file: Path) -> None:
        data = file.read_bytes()
        headers = {"ETag": f'"{_etag(file)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        status = 200
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            status = 206
        keep: int | None = None
        if request.command == "GET":
            keep = self.breaks.get(file.name) if self.breaks_always else self.breaks.pop(file.name, None)
        self._send(request, status, data[start:], headers, keep)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str],
        keep: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "HEAD":
            return
        body = body if keep is None else body[:keep]
        step = 500_000 if self.delay_s else max(1, len(body))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # whoever asked wants no more
            for start in range(0, len(body), step):
                time.sleep(self.delay_s)
                request.wfile.write(body[start : start + step])
        if keep is not None:
            request.wfile.flush()
            request.close_connection = True
            request.connection.shutdown(2)


def _has_accepted(request: BaseHTTPRequestHandler) -> bool:
    return request.headers.get("Authorization") == "Bearer accepted"


def _etag(file: Path) -> str:
    """As the real hub's: sha256 of what it keeps in LFS, git's digest of the rest."""
    data = file.read_bytes()
    if file.suffix in LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(file: Path, folder: Path) -> dict[str, Any]:
    """A file as the tree lists it."""
    digest, size = _etag(file), file.stat().st_size
    entry = {"type": "file", "path": file.relative_to(folder).as_posix(), "size": size, "oid": digest}
    return entry | ({"lfs": {"oid": digest, "size": size, "pointerSize": 134}} if file.suffix in LARGE else {})
