"""The door: every request is checked here before any other code sees it. Knows no page and no set.

In this order: the name it calls us by, the page it comes from, whose it is, the list of passages, whose set it names,
what it brings along.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response

from captioner.events import tell
from captioner.limits import shown
from captioner.ui import passages
from captioner.ui.address import ServedNames, name_in
from captioner.ui.bodies import CountedBody, RefusedBody, is_inside, read_call, replayed
from captioner.ui.callables import Callables
from captioner.ui.login import Login
from captioner.ui.passages import FILE_PREFIX, Kind, Passage
from captioner.ui.policies import App, Message, PagePolicy, Scope, Send, with_headers
from captioner.ui.visitors import VISITOR, Visitor, Visitors

_GZIP_LEVEL = 5  # the highest takes 14 ms for the page, in which nobody is answered; this 4, for 5 % more bytes
_NOTHING = "There is nothing at this address."


class Guard:
    """Lets in who may come in, to what is listed in `passages`, with what may be brought along; refuses all else.

    Login is HTTP Basic, so that page, pictures, uploads and API are behind one door.
    """

    def __init__(
        self,
        app: App,
        *,
        names: ServedNames,
        login: Login | None = None,
        upload_folder: Path,
        callables: Callables | None = None,
        visitors: Visitors | None = None,
        is_well: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args: login: the one of all; visitors: those who have names, in its place. upload_folder: where Gradio puts
        uploads; no request reaches a file elsewhere. callables: what calls may name; None where the app decides.
        is_well: what /healthz says.
        """
        self._app = app
        self._page: App = GZipMiddleware(PagePolicy(app), compresslevel=_GZIP_LEVEL)  # type: ignore[arg-type,assignment]
        self._names = names
        self._visitors = visitors or Visitors(login=login)
        self._upload_folder = upload_folder
        self._callables = callables
        self._is_well = is_well

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the page uses none
            return
        passage = passages.find(scope["method"], scope["path"])
        began, status = time.monotonic(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, send_and_note, passage)
        finally:
            kind = passage.kind.name.lower() if passage is not None else "none"
            tell("request", kind=kind, status=str(status), seconds=time.monotonic() - began)

    async def _answer(self, scope: Scope, receive: Any, send: Send, passage: Passage | None) -> None:
        headers = Headers(scope=scope)
        refusal = self._refuse_name(headers) or _refuse_foreign_page(headers, passage)
        if refusal is None and passage is not None and passage.kind is Kind.OPEN:
            is_well = await run_in_threadpool(self._is_well)
            state = JSONResponse({"status": "ok" if is_well else "failing"}, 200 if is_well else 503)
            await state(scope, receive, with_headers(send, is_file=False))
            return
        visitor = refusal or await self._visitors.enter(headers, scope)
        refusal = self._refuse_passage(headers, passage, scope) if isinstance(visitor, Visitor) else visitor
        if refusal is not None:
            await refusal(scope, receive, with_headers(send, is_file=False))
            return
        assert passage is not None and isinstance(visitor, Visitor)
        # Gradio builds addresses from the one and answers the other with the request's own headers.
        kept = [(name, value) for name, value in scope["headers"] if name not in (b"x-gradio-server", b"range")]
        send = with_headers(send, is_file=passage.kind is Kind.FILE)
        await self._let_in({**scope, "headers": kept, VISITOR: visitor}, receive, send, passage, visitor)

    async def _let_in(self, scope: Scope, receive: Any, send: Send, passage: Passage, visitor: Visitor) -> None:
        body = CountedBody(receive, passage.max_bytes)
        query = scope.get("query_string", b"").decode("latin-1")
        is_answered = False

        async def send_unless_too_long(message: Message) -> None:
            nonlocal is_answered
            if not body.is_too_long:
                is_answered = True
                await send(message)

        try:
            if passage.kind is Kind.DOOR:
                text = await body.read()
                told = read_call(text, self._upload_folder, ()) if text else None
                own = await self._visitors.answer(visitor, scope["method"], scope["path"], query, told)
                await (own or _refuse(404, _NOTHING))(scope, receive, send)
                return
            self._visitors.check_path(visitor, scope["path"])
            if passage.kind is Kind.UPLOAD:
                self._visitors.count_upload(visitor, _length(scope, passage))
            if passage.kind is not Kind.JSON:
                app = self._page if passage.kind is Kind.PAGE else self._app
                await app(scope, body.receive, send_unless_too_long)
            elif (text := await body.read()) is not None:
                call = read_call(text, self._upload_folder, ("", *_own_hosts(Headers(scope=scope))))
                is_filled = self._callables is not None and self._callables.check(scope["path"], call)
                if self._visitors.check_call(visitor, call) or is_filled:
                    text = json.dumps(call).encode()
                del call  # the application reads it again
                await self._app(scope, replayed(text, receive), send)
        except RefusedBody as error:
            await _refuse_body(error.status, str(error), error.code)(scope, receive, send)
        except Exception as error:
            if _is_told(error):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not body.is_too_long:  # else it is how the application ends when a client goes
                raise
        if body.is_too_long and not is_answered:
            await _too_long(passage)(scope, receive, send)

    def _refuse_name(self, headers: Headers) -> Response | None:
        for header in ("host", "x-forwarded-host"):
            value = headers.get(header)
            if value is None and header != "host":
                continue
            name = name_in((value or "").partition(",")[0].strip())
            if name is None:
                return _refuse(400, f"The request's {header.title()} is {shown(value or '')!r}, which is no name.")
            if name not in self._names:
                return _refuse(
                    403,
                    f"Captioner does not answer to the name {shown(name)}. If that is its name, start it with "
                    f"--allow-host {shown(name)}; else use localhost, or this machine's address.",
                )
        return None

    def _refuse_passage(self, headers: Headers, passage: Passage | None, scope: Scope) -> Response | None:
        # Gradio reads a file of visitors' making where an address has a deep_link.
        if passage is None or "deep_link" in QueryParams(scope["query_string"]):
            return _refuse(404, _NOTHING)
        if passage.kind is Kind.FILE and not is_inside(scope["path"].removeprefix(FILE_PREFIX), self._upload_folder):
            return _refuse(403, "This is no file that was uploaded here, or made to be fetched.")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if passage.kind is Kind.JSON and content_type != "application/json":
            return _refuse_body(415, "The request must be JSON (Content-Type: application/json).", "bad_request")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > passage.max_bytes:
            return _too_long(passage)
        return None


def _refuse_foreign_page(headers: Headers, passage: Passage | None) -> Response | None:
    """What another page makes a browser send carries that page's Origin, or says that it comes from elsewhere."""
    refusal = _refuse(403, "Another page tried to use this one; open it in its own tab.")
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) not in _own_hosts(headers):
        return refusal
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return None
    # "same-site" is no better: it includes every other port of this machine.
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return None if is_link and passage is not None and passage.kind is Kind.PAGE else refusal


def _length(scope: Scope, passage: Passage) -> int:
    """What a request says that it brings along; a body that says nothing counts as the greatest that may come."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else passage.max_bytes


def _is_told(error: Exception) -> bool:
    """Whether a stream of events ended with a refusal that it has told itself, as that of a forgotten session does."""
    return isinstance(error, RuntimeError) and isinstance(error.__cause__, HTTPException)


def _own_hosts(headers: Headers) -> tuple[str, ...]:
    """How the request names this server, with port, both names being checked ones: to us, and to a proxy before us."""
    names = (headers.get("host"), headers.get("x-forwarded-host"))
    return tuple(_without_usual_port(name.partition(",")[0].strip()) for name in names if name is not None)


def _host_of(origin: str) -> str | None:
    try:
        return _without_usual_port(urlsplit(origin).netloc) or None
    except ValueError:
        return None


def _without_usual_port(host: str) -> str:
    """Some proxies add the port that a browser leaves out."""
    return host.lower().removesuffix(":443").removesuffix(":80")


def _too_long(passage: Passage) -> Response:
    what = "The file" if passage.kind is Kind.UPLOAD else "The request"
    return _refuse_body(413, f"{what} is over the limit of {passage.max_bytes >> 20} MiB; {passage.advice}", "too_big")


def _refuse(status: int, message: str) -> Response:
    return PlainTextResponse(message, status)


def _refuse_body(status: int, message: str, code: str) -> Response:
    """As `routes` refuses, since the page's script reads it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status)
