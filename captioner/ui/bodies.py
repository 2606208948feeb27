"""What a request brings along, counted as it arrives, and looked at where Gradio would follow it.

Knows no page: a limit in bytes, and the folder that uploads lie in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from captioner.errors import CaptionerError
from captioner.limits import read_json, shown

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Of one JSON text. Each takes 60 bytes and more where its text takes three, and time, in which nobody is answered.
_LISTS_AND_MAPPINGS_MAX = 150_000
_TEXTS_MAX = 450_000
_VALUES_MAX = 1_000_000
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class RefusedBody(CaptionerError):
    """A body that is not taken. status: the HTTP status that says so."""

    code = "bad_request"

    def __init__(self, status: int, message: str, code: str = "bad_request") -> None:
        super().__init__(message, code=code)
        self.status = status


class CountedBody:
    """`receive` of one request, which ends at a limit, whatever the request says of its length.

    Beyond the limit the application is told that the client has gone; `is_too_long` says so to who answers.
    """

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.is_too_long = False

    async def receive(self) -> Message:
        """ASGI."""
        if self.is_too_long:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.is_too_long = True
            return {"type": "http.disconnect"}
        return message

    async def read(self) -> bytes | None:
        """The whole body, None where it is too long or the client has gone."""
        parts = []
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what the client does next."""
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def read_call(body: bytes, folder: Path, own_hosts: Collection[str]) -> Any:
    """The value of a JSON text that names only files that were uploaded here.

    Gradio follows the path of whatever looks like a file, to another machine if it is an address, and writes a
    refused one into the log as it came.

    Args: folder: where uploads lie. own_hosts: as the request names this server.
    Raises: RefusedBody: no JSON, too much of it, or a file that is elsewhere.
    """
    if _has_too_many_parts(body):
        raise RefusedBody(413, "The request holds too many parts; send fewer at once.", "too_big")

    def look(mapping: dict[str, Any]) -> dict[str, Any]:
        path, url = mapping.get("path"), mapping.get("url")
        if isinstance(path, str) and not (is_inside(path, folder) and _is_own(url, own_hosts)):
            raise RefusedBody(403, "Files must be uploaded first; gradio_client's handle_file does it.", "bad_file")
        return mapping

    try:
        return read_json(body, "The request", look=look)
    except RefusedBody:
        raise
    except CaptionerError as error:
        raise RefusedBody(400, shown(str(error))) from error


def _has_too_many_parts(body: bytes) -> bool:
    """Counts what costs time and memory to read; captions hold commas of their own, so those are told apart last."""
    if body.count(b"[") + body.count(b"{") > _LISTS_AND_MAPPINGS_MAX:
        return True
    if body.count(b'"') - body.count(b'\\"') > 2 * _TEXTS_MAX:
        return True
    return body.count(b",") > _VALUES_MAX and _TEXT.sub(b"", body).count(b",") > _VALUES_MAX


def is_inside(path: str, folder: Path) -> bool:
    """Whether a path is absolute and leads into the folder; asks no disk and no network, so an address does not."""
    if _CONTROL.search(path):
        return False
    wanted = Path(os.path.normpath(path))  # resolve() would ask the machine of a \\machine\share
    return any(wanted != inner and wanted.is_relative_to(inner) for inner in (folder, folder.resolve()))


def _is_own(url: Any, own_hosts: Collection[str]) -> bool:
    """Whether the address of an upload, which some clients send along, is absent or ours."""
    if url is None:
        return True
    try:
        return isinstance(url, str) and urlsplit(url).netloc.lower() in own_hosts and "/gradio_api/file=" in url
    except ValueError:
        return False
