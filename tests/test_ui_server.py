"""The line over a real socket: who never gets on is let go, and nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.ui.address import ServedNames
from captioner.ui.guard import Guard
from captioner.ui.server import Patience, Server

# Generous beside the limits of the server under test, so that a busy machine fails no test.
LIMIT_S = 20.0
PATIENCE = Patience(head_s=0.4, body_s=0.4, body_least_bytes=10)
POST = b"POST /gradio_api/call/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of what it was sent; at /slow it begins to read after a second."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1.0)
    length, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
        is_more = message.get("more_body", False)
    text = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@contextlib.contextmanager
def _serving(app: Any, patience: Patience = PATIENCE) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = Server(app, listening, "127.0.0.1", patience)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with _serving(_app) as port:
        yield port


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as client:
        yield client


def _rest(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half"])
def test_half_a_head_is_let_go(port: int, begun: bytes) -> None:
    with _connected(port) as client:
        client.sendall(begun)
        assert _rest(client) == b""


def test_a_head_that_comes_byte_by_byte_is_let_go(port: int) -> None:
    with _connected(port) as client, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        until = time.monotonic() + LIMIT_S
        client.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        while time.monotonic() < until:
            client.sendall(b"x")
            time.sleep(0.05)
        raise AssertionError("the server still listens")


def test_a_body_that_stands_or_trickles_is_let_go(port: int) -> None:
    with _connected(port) as client:
        client.sendall(POST + b"Content-Length: 1000\r\n\r\nabc")
        assert _rest(client) == b""
    with _connected(port) as client, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        client.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            client.sendall(b"x")
            time.sleep(0.1)
        raise AssertionError("the server still listens")


def test_a_slow_body_that_gets_on_arrives(port: int) -> None:
    with _connected(port) as client:
        client.sendall(POST + b"Content-Length: 10000\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 500)
            time.sleep(0.05)
        assert _rest(client).endswith(b"\r\n\r\n10000")


def test_a_client_does_not_pay_for_a_slow_server(port: int) -> None:
    with _connected(port) as client:
        client.sendall(POST.replace(b"/gradio_api/call/a", b"/slow") + b"Content-Length: 400000\r\n")
        client.sendall(b"Connection: close\r\n\r\n" + b"x" * 400_000)
        assert _rest(client).endswith(b"\r\n\r\n400000")


def test_a_connection_may_rest_between_two_requests(port: int) -> None:
    with _connected(port) as client:
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\n0"):
                answer += client.recv(1)
            time.sleep(1.0)


def test_a_resting_connection_is_kept_longer_than_proxies_keep_one() -> None:
    """So it is they who close it, and no request of theirs meets a connection that is being closed."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        assert Server(_app, listening, "127.0.0.1").config.timeout_keep_alive > 60, "nginx: 60 s"


def test_a_request_that_stopping_cuts_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    is_asked = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _app(scope, receive, send)
            return
        is_asked.set()
        await asyncio.sleep(600)

    with contextlib.ExitStack() as stack:
        with _serving(endless) as port:
            client = stack.enter_context(_connected(port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert is_asked.wait(LIMIT_S)
        assert b"500" in _rest(client)
    assert "rror" not in capfd.readouterr().err


def test_a_body_longer_than_it_says_is_refused_with_bounded_memory(tmp_path: Path) -> None:
    guard = Guard(_app, names=ServedNames.of("127.0.0.1", []), login=None, upload_folder=tmp_path)
    with _serving(guard) as port, _connected(port) as client:
        client.sendall(POST + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        tracemalloc.start()
        try:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for _ in range(100):
                    client.sendall(piece)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
        assert peak_bytes < 40_000_000


def test_who_goes_on_sending_after_the_answer_is_let_go(tmp_path: Path) -> None:
    guard = Guard(_app, names=ServedNames.of("127.0.0.1", []), login=None, upload_folder=tmp_path)
    with _serving(guard) as port, _connected(port) as client:
        client.sendall(POST + b"Content-Length: 100000000000\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
        until = time.monotonic() + LIMIT_S
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < until:
                client.sendall(b"x" * 10_000)
                time.sleep(0.01)
            raise AssertionError("the server still listens")
