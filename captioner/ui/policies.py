"""The headers that tell a browser what our answers may do: nothing but what the page needs.

Knows of the page only that its HTML carries scripts, which are named by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

# Whatever is no page may neither run, nor load, nor be put into a frame, whatever its bytes look like.
NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"

_FOR_ALL = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"content-security-policy": NOTHING.encode(),
}
_FOR_FILES = {b"content-security-policy": NOTHING.encode(), b"content-disposition": b"attachment"}
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def page_policy(html: bytes) -> str:
    """The Content-Security-Policy of the page: its own files, and the scripts that stand in its HTML, by their hashes.

    Gradio 6.31 makes functions from text (`js=`, `js_on_load`, its Handlebars templates), hence 'unsafe-eval', and sets
    styles on elements, hence 'unsafe-inline' for styles; tests/browser/test_hostile.py shows that it needs both.
    """
    # A browser hashes what its parser read, where every line break is \n.
    scripts = (script.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for script in _INLINE_SCRIPT.findall(html))
    hashes = (f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {' '.join(dict.fromkeys(hashes))}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def with_headers(send: Send, *, is_file: bool) -> Send:
    """`send` that adds the headers for all answers where the answer has none of its own.

    is_file: it is a file from outside, which a browser shall only ever save.
    """
    forced = _FOR_FILES if is_file else {}

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in forced]
            names = {name.lower() for name, _ in kept}
            added = [(name, value) for name, value in (_FOR_ALL | forced).items() if name not in names]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return send_guarded


class PagePolicy:
    """An application whose HTML leaves with the policy that fits it; it has to be held back whole for that."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """ASGI."""
        # Hashes are of plain text, so Gradio must not compress it.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message | None = None
        parts: list[bytes] = []

        async def send_with_policy(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            parts.append(message.get("body", b""))
            if start is None or message.get("more_body", False):
                return
            html = b"".join(parts)
            policy = (b"content-security-policy", page_policy(html).encode())
            await send({**start, "headers": [*start["headers"], policy]})
            await send({**message, "body": html})

        await self._app({**scope, "headers": plain}, receive, send_with_policy)
