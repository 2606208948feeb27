"""A zip that is read while it is written: its pieces leave as they come, and no more than a few of them wait.

What goes wrong in the midst ends the reader's loop with the error, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from captioner.formats.targets import Sink, readable, zip_entry, zip_mark

_ROOM_BYTES = 4 << 20  # what may wait for the reader
_PIECE_BYTES = 1 << 20


class ReaderLeft(Exception):
    """Nobody reads any more, so the rest need not be made."""


class ZipPieces:
    """The bytes of a zip that `fill` writes in a thread of its own. Read with `next_piece` until it is empty.

    Args: fill: writes the files into the sink it is given; what it raises, `next_piece` raises.
    """

    def __init__(self, fill: Callable[[Sink], object]) -> None:
        self._fill = fill
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_ended = self._is_left = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="zip-stream", daemon=True)
        self._thread.start()

    def next_piece(self) -> bytes:
        """Some bytes, as soon as there are any; none at the end. Raises: whatever ended the writing."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_ended)
            piece = b"".join(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
            if not piece and self._error is not None:
                raise self._error
            return piece

    def leave(self) -> None:
        """Read no more; the writing ends at its next piece."""
        with self._changed:
            self._is_left = True
            self._changed.notify_all()

    # What zipfile writes to

    def write(self, data: bytes) -> int:
        """Wait for room and hand the bytes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_left or self._bytes < _ROOM_BYTES)
            if self._is_left:
                raise ReaderLeft
            if data:  # an empty piece would look like the end
                self._waiting.append(bytes(data))
                self._bytes += len(data)
                self._changed.notify_all()
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def _write(self) -> None:
        archive = zipfile.ZipFile(cast(Any, self), "w", zipfile.ZIP_DEFLATED)
        try:
            self._fill(_StreamedZip(archive))
            archive.comment = zip_mark(archive)
            archive.close()
        except BaseException as error:  # noqa: BLE001 (the reader's thread raises it)
            archive.fp = None  # else its clean-up writes on
            self._error = error
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()


class _StreamedZip:
    """The sink of a zip that cannot be gone back in."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, data: bytes) -> None:
        """As `Sink.write`."""
        self._archive.writestr(zip_entry(name, zipfile.ZIP_DEFLATED), data)

    def copy(self, name: str, source: Path | bytes) -> None:
        """As `Sink.copy`."""
        with readable(source) as original:
            entry = zip_entry(name, zipfile.ZIP_STORED)
            entry.file_size = original.size  # so that small ones need no entry for giants, which old programs refuse
            with self._archive.open(entry, "w") as file:
                shutil.copyfileobj(original, file, _PIECE_BYTES)

    def stream(self, name: str) -> BinaryIO:
        """As `Sink.stream`."""
        return cast(BinaryIO, self._archive.open(zip_entry(name, zipfile.ZIP_STORED), "w", force_zip64=True))
