"""An answer that is a zip while it is written: the browser has its first bytes at once, and no copy lies on the disk.

What goes wrong in the midst breaks the connection off, so that a browser calls the download failed and keeps no part
of it under the file's name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from captioner.formats.zip_stream import ZipPieces
from captioner.service.exports import Export
from captioner.ui.downloads import attachment
from captioner.ui.lanes import Lane


class ZipResponse(StreamingResponse):
    """Args: lane: the threads that wait for the next piece."""

    def __init__(self, export: Export, lane: Lane) -> None:
        self._export = export
        self._lane = lane
        self._pieces: ZipPieces | None = None
        super().__init__(self._read(), media_type="application/zip", headers=attachment(f"{export.name}.zip"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; whoever goes away in the midst ends the writing too."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._pieces is not None:
                self._pieces.leave()

    async def _read(self) -> AsyncIterator[bytes]:
        self._pieces = pieces = ZipPieces(self._export.write)
        while piece := await self._lane.run(pieces.next_piece):
            yield piece
