"""Uvicorn on a socket that is listening already; says where the page is once it is there. Knows no page."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn


class Server(uvicorn.Server):
    """Serves one ASGI app until SIGINT or SIGTERM."""

    def __init__(self, app: Any, listening: socket.socket, host: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=2,  # pages keep a stream open for as long as they are
                lifespan="on",
                ws="none",
            )
        )
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
