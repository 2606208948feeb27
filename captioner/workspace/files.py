"""Pictures on the disk, each under the hash of its bytes: kept exactly as they came, written whole or not at all.

A picture's own name is never part of a path here. Knows no database.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from captioner.errors import StoreError
from captioner.workspace.disk import file_errors, sync_folder


class PictureFiles:
    """The folders pictures/ and thumbnails/ of a workspace; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, digest: str, data: bytes, make_thumbnail: Callable[[], bytes]) -> None:
        """Put a picture's bytes on the disk, durably, and its thumbnail beside it. Equal bytes are stored once.

        Raises: StoreError: the disk is full or not writable; then no part of a file is left under its name.
        """
        path = self._path("pictures", digest)
        with file_errors(self._folder):
            # A size that differs means that the file was damaged from outside: it is written again.
            if not path.exists() or path.stat().st_size != len(data):
                self._write(path, data, is_durable=True)
        self.thumbnail(digest, make_thumbnail)

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
        return self._folder / kind / digest[:2] / (digest + suffix)

    def _write(self, path: Path, data: bytes, *, is_durable: bool) -> None:
        """Write under another name, then rename; durable means that a power cut after this cannot take it."""
        parent = path.parent
        if not parent.exists():
            parent.mkdir(parents=True, exist_ok=True)
            if is_durable:
                sync_folder(parent.parent)
                sync_folder(self._folder)
        unfinished = parent / f"{path.name}.{secrets.token_hex(4)}.new"
        try:
            with unfinished.open("xb") as file:
                file.write(data)
                if is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            unfinished.replace(path)
            if is_durable:
                sync_folder(parent)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _is_whole_webp(data: bytes) -> bool:
    """Whether the length in the RIFF header is that of the data."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data)
