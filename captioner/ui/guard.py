"""The door: every request is checked here before any other code sees it. Knows no page and no set, only headers."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from captioner.ui.address import is_loopback

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

# Nothing is fetched from anywhere else. Gradio's own page needs inline scripts and makes functions from text.
_PAGE_POLICY = "; ".join(
    (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)


class Guard:
    """Checks login and Origin of every request before any other code sees it, and adds headers that browsers obey.

    Login is HTTP Basic, so that page, pictures, uploads and API are behind one door. A request that a foreign page
    makes a browser send carries that page's Origin and is refused; so is, on a loopback address without a login, a
    Host that is no loopback name (a foreign name that was pointed at this machine).
    """

    def __init__(self, app: App, *, login: tuple[str, str] | None, loopback_only: bool) -> None:
        self._app = app
        self._login = login
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the page uses none
            return
        if refusal is not None:
            await refusal(scope, receive, send)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                names = {name.lower() for name, _ in headers}
                for name, value in (
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"same-origin"),
                    (b"content-security-policy", _PAGE_POLICY.encode()),
                ):
                    if name not in names:
                        headers.append((name, value))
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._loopback_only and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return _refuse(
                403, f"This page answers to localhost only, not to {host[:100]}; start it with --no-auth or --auth."
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in (
            host.lower(),
            headers.get("x-forwarded-host", host).lower(),
        ):
            return _refuse(403, "Another page tried to use this one; open it in its own tab.")
        if self._login is not None and not _is_login(headers.get("authorization", ""), self._login):
            response = _refuse(401, "A user name and a password are needed.")
            response.headers["www-authenticate"] = 'Basic realm="Captioner", charset="UTF-8"'
            return response
        return None


def _is_login(header: str, login: tuple[str, str]) -> bool:
    kind, _, encoded = header.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return secrets.compare_digest(given, ":".join(login).encode())


def _refuse(status: int, message: str) -> Response:
    return PlainTextResponse(message, status)
