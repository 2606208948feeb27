"""Which requests are let in: the list of routes that the page, the HTTP API and our own addresses use.

What is not listed is refused, so that a route that a later Gradio brings is shut until somebody opens it here.
tests/test_ui_passages.py walks every route of the mounted app and wants each to be listed here or refused by name.
Knows routes and sizes only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from captioner.images import MAX_BYTES

_FORM_ROOM_BYTES = 1_000_000  # of an upload beside the file: its name, caption files, the form's own lines
_CAPTIONS_MAX_BYTES = 8 << 20  # caption files of many pictures
_CALL_MAX_BYTES = 4 << 20  # /add_pictures naming ten thousand uploads
_FUNCTION_MAX_BYTES = 16 << 20  # a change to forty thousand captions at once
_IMPORT_MAX_BYTES = 4 << 30  # a set in a zip, which goes to the disk as it comes
_KEPT_FILE_MAX_BYTES = 64 << 20  # a vocabulary; the route knows each kind's own limit


FILE_PREFIX = "/gradio_api/file="


class Kind(Enum):
    """What a passage leads to, as far as the door has to know."""

    PAGE = "the page itself, the one thing that other pages may link to"
    JSON = "a function called with a JSON text"
    UPLOAD = "a file that is sent here"
    FILE = "a file that was uploaded, or made for a program to fetch"
    OPEN = "whether the app is well, which needs no login"
    DOOR = "what the door answers itself: who one is, leaving, sharing a set"
    OTHER = "pictures, zips, and the files that the page is made of"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Requests that are let in. path: the whole path matches. max_bytes: of the body. advice: if it is longer."""

    methods: frozenset[str]
    path: re.Pattern[str]
    kind: Kind
    max_bytes: int = 0
    advice: str = "send less at once."


def find(method: str, path: str) -> Passage | None:
    """The passage for a request, None where it is refused."""
    for passage in PASSAGES:
        if method in passage.methods and passage.path.fullmatch(path):
            return passage
    return None


def _passage(
    method: str, path: str, kind: Kind = Kind.OTHER, *, max_bytes: int = 0, advice: str = "send less at once."
) -> Passage:
    """`path`: a regular expression."""
    methods = frozenset({"GET", "HEAD"} if method == "GET" else {method})
    return Passage(methods=methods, path=re.compile(path), kind=kind, max_bytes=max_bytes, advice=advice)


_ID = r"[^/]{1,200}"
_FILE_NAMES = r"[\w.\-]+(?:/[\w.\-]+)*"

PASSAGES: Sequence[Passage] = (
    # The door's own (`visitors`).
    _passage("GET", "/healthz", Kind.OPEN),
    _passage("GET", "/who|/sign-out|/metrics", Kind.DOOR),
    _passage("GET", rf"/sets/{_ID}/sharing", Kind.DOOR),
    _passage("POST", rf"/sets/{_ID}/sharing", Kind.DOOR, max_bytes=1_000),
    # Our own (`routes`).
    _passage("GET", rf"/sets/{_ID}/pictures/{_ID}/(?:thumbnail|preview|full)"),
    _passage("GET", rf"/sets/{_ID}/export"),
    _passage("GET", rf"/sets/{_ID}/sweeps/{_ID}"),
    _passage(
        "POST",
        rf"/sets/{_ID}/pictures",
        Kind.UPLOAD,
        max_bytes=MAX_BYTES + _FORM_ROOM_BYTES,
        advice="save a smaller copy.",
    ),
    _passage(
        "POST",
        rf"/sets/{_ID}/captions",
        Kind.UPLOAD,
        max_bytes=_CAPTIONS_MAX_BYTES,
        advice="send fewer caption files at once.",
    ),
    _passage(
        "POST",
        rf"/sets/{_ID}/imports",
        Kind.UPLOAD,
        max_bytes=_IMPORT_MAX_BYTES,
        advice="unpack it and add the folder.",
    ),
    _passage("POST", rf"/kept/{_ID}", Kind.UPLOAD, max_bytes=_KEPT_FILE_MAX_BYTES, advice="split it."),
    _passage("GET", rf"/workbench/{_ID}/{_FILE_NAMES}"),
    _passage("GET", rf"/samples/{_ID}"),
    # The page and the files that Gradio makes it of.
    _passage("GET", "/", Kind.PAGE),
    _passage("GET", rf"/(?:assets|static)/{_FILE_NAMES}"),
    _passage("GET", r"/(?:theme\.css|favicon\.ico|manifest\.json)"),
    # What the page asks Gradio: settings loaded (run/predict), and the workbench's functions.
    _passage("POST", "/gradio_api/run/predict", Kind.JSON, max_bytes=_CALL_MAX_BYTES),
    _passage("POST", "/gradio_api/component_server/?", Kind.JSON, max_bytes=_FUNCTION_MAX_BYTES),
    # Programs: gradio_client describes, joins and reads the queue; plain HTTP uses call.
    _passage("GET", r"/config|/gradio_api/info"),
    _passage("POST", r"/gradio_api/queue/join|/gradio_api/cancel", Kind.JSON, max_bytes=_CALL_MAX_BYTES),
    _passage("GET", "/gradio_api/queue/data"),
    _passage("POST", rf"/gradio_api/call/{_ID}", Kind.JSON, max_bytes=_CALL_MAX_BYTES),
    _passage("GET", rf"/gradio_api/call/{_ID}/{_ID}"),
    _passage(
        "POST",
        "/gradio_api/upload",
        Kind.UPLOAD,
        max_bytes=MAX_BYTES + _FORM_ROOM_BYTES,
        advice="send fewer or smaller files at once.",
    ),
    _passage("GET", f"{FILE_PREFIX}.+", Kind.FILE),
)
