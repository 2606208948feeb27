"""Uvicorn on a socket that is listening already, which waits for no client for ever; says where the page is.

Knows no page.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

REST_S = 65
"""How long a connection may rest between two requests: longer than clients and proxies (nginx: 60) keep one, else some
request goes out just as the connection is closed, and is lost."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a client may take.

    head_s: from its first byte, or the connection, to the end of a request's head. body_s: for `body_least_bytes` of
    a body; also what it may go on sending once it has its answer.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    body_least_bytes: int = 30_000


class PatientProtocol(H11Protocol):
    """Uvicorn's own (0.54), which waits for ever for the rest of a request, with an end to that."""

    def __init__(self, *arguments: Any, patience: Patience, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._patience = patience
        self._phase: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._follow()

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def _follow(self) -> None:
        """Begins to count when a new phase begins, and stops when nothing is waited for."""
        phase = self._current_phase()
        if phase != self._phase:
            self._phase = phase
            self._start_timer()

    def _current_phase(self) -> str | None:
        if self.conn.their_state is h11.IDLE:
            # Between two requests uvicorn's own timer runs.
            return "head" if self.timeout_keep_alive_task is None else None
        if self.conn.their_state is h11.SEND_BODY:
            return "body" if self.cycle is None or not self.cycle.response_complete else "rest"
        return None

    def _start_timer(self) -> None:
        self._stop_timer()
        if self._phase is not None and not self.transport.is_closing():
            wait_s = self._patience.head_s if self._phase == "head" else self._patience.body_s
            self._received_bytes = 0
            self._timer = self.loop.call_later(wait_s, self._end_or_go_on)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_or_go_on(self) -> None:
        # While reading is paused it is we who are slow.
        is_moving = self.flow.read_paused or self._received_bytes >= self._patience.body_least_bytes
        if self._phase == "body" and is_moving:
            self._start_timer()
        else:
            self.transport.abort()


class _CutByStopping(logging.Filter):
    """Leaves out uvicorn's pages on a request that was cut because the process was asked to stop."""

    def filter(self, record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        return not (isinstance(cause, asyncio.CancelledError) or str(record.msg).startswith("Cancel %s running task"))


_CUT_BY_STOPPING = _CutByStopping()


class Server(uvicorn.Server):
    """Serves one ASGI app until SIGINT or SIGTERM."""

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        host: str,
        patience: Patience | None = None,
        *,
        believes_proxies: bool = True,
        has_own_log: bool = True,
    ) -> None:
        """Args: believes_proxies: a proxy on this machine may say who the client is; False where the app needs to know
        who is connected. has_own_log: uvicorn writes its warnings itself; else the root logger has them.
        """
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                log_config=uvicorn.config.LOGGING_CONFIG if has_own_log else None,
                server_header=False,
                proxy_headers=believes_proxies,
                timeout_keep_alive=REST_S,
                timeout_graceful_shutdown=2,  # pages keep a stream open for as long as they are
                lifespan="on",
                http=functools.partial(PatientProtocol, patience=patience or Patience()),  # type: ignore[arg-type]
                ws="none",
            )
        )
        logging.getLogger("uvicorn.error").addFilter(_CUT_BY_STOPPING)
        self._listening = listening
        shown = f"[{host}]" if ":" in host else host
        self._address = f"http://{shown}:{listening.getsockname()[1]}"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Blocks until the process is asked to stop."""
        super().run(sockets=sockets or [self._listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, then tells where the page is."""
        await super().startup(sockets)
        if self.started:
            print(f"Captioner is ready on {self._address}  (Ctrl+C stops it)", flush=True)
