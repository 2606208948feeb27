"""Pictures on the disk, each under the hash of its bytes: kept exactly as they came, written whole or not at all.

A picture's own name is never part of a path here. Knows no database.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from captioner.errors import StoreError
from captioner.files import sync_folder, written_whole
from captioner.workspace.checksums import damaged_row
from captioner.workspace.disk import file_errors

_DIGEST = re.compile("[0-9a-f]{64}")


class PictureFiles:
    """The folders pictures/ and thumbnails/ of a workspace; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._uploads = 0

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """While pictures are kept whose rows are not written yet: no file is deleted then."""
        with self._lock:
            self._uploads += 1
        try:
            yield
        finally:
            with self._lock:
                self._uploads -= 1

    def discard(self, digests: Iterable[str]) -> bool:
        """Delete pictures and their thumbnails. Returns: whether that was done; during an upload nothing is."""
        with self._lock, file_errors(self._folder):
            if self._uploads:
                return False
            for digest in digests:
                if _DIGEST.fullmatch(digest):  # what the disk has made of one may lead anywhere
                    self._path("pictures", digest).unlink(missing_ok=True)
                    self._path("thumbnails", digest, ".webp").unlink(missing_ok=True)
            return True

    def keep(self, digest: str, data: bytes, make_thumbnail: Callable[[], bytes]) -> bytes:
        """Put a picture's bytes on the disk, durably, and its thumbnail beside it. Equal bytes are stored once.

        Returns: the thumbnail.
        Raises: StoreError: the disk is full or not writable; then no part of a file is left under its name.
        """
        path = self._path("pictures", digest)
        with file_errors(self._folder):
            # A file with another content was damaged from outside: it is written again.
            if not path.exists() or path.stat().st_size != len(data) or path.read_bytes() != data:
                self._write(path, data, is_durable=True)
        return self.thumbnail(digest, make_thumbnail)

    def picture(self, digest: str) -> bytes:
        """The original bytes.

        Raises: StoreError: the file is gone or cannot be read.
        """
        path = self._path("pictures", digest)
        with file_errors(self._folder):
            try:
                return path.read_bytes()
            except FileNotFoundError as error:
                raise StoreError(
                    f"the picture file {path} is missing; put it back from a backup, or remove the picture.",
                    code="picture_file_missing",
                ) from error

    def path(self, digest: str) -> Path:
        """Where the original bytes are; whether they are still there is for the reader to see."""
        return self._path("pictures", digest)

    def size_bytes(self, digest: str) -> int:
        """How long the original is; 0 where it is not there."""
        try:
            return self._path("pictures", digest).stat().st_size
        except (OSError, StoreError):
            return 0

    def thumbnail(self, digest: str, make: Callable[[], bytes]) -> bytes:
        """The thumbnail; made where there is none, or where a power cut left half of one."""
        path = self._path("thumbnails", digest, ".webp")
        with file_errors(self._folder):
            data = path.read_bytes() if path.exists() else b""
        if _is_whole_webp(data):
            return data
        data = make()
        with file_errors(self._folder):
            self._write(path, data, is_durable=False)
        return data

    def _path(self, kind: str, digest: str, suffix: str = "") -> Path:
        if not _DIGEST.fullmatch(digest):
            raise damaged_row("what is stored about the picture")
        return self._folder / kind / digest[:2] / (digest + suffix)

    def _write(self, path: Path, data: bytes, *, is_durable: bool) -> None:
        """Write under another name, then rename; durable means that a power cut after this cannot take it."""
        parent = path.parent
        if not parent.exists():
            parent.mkdir(parents=True, exist_ok=True)
            if is_durable:
                sync_folder(parent.parent)
                sync_folder(self._folder)
        with written_whole(path, is_durable=is_durable) as file:
            file.write(data)


def _is_whole_webp(data: bytes) -> bool:
    """Whether the length in the RIFF header is that of the data."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data)
