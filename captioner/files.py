"""Folders of the person's and of the machine's, files that are written whole or not at all, and folders held by one
process. Knows no database and no format.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from captioner.errors import StoreError


def data_folder() -> Path:
    """Where a person's work is kept unless they say otherwise: in the user's data folder, as each system has it."""
    if sys.platform == "win32":
        return _local_app_data() / "Captioner"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Captioner"
    return (_xdg("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "captioner"


def cache_folder() -> Path:
    """Where computed things are kept: CAPTIONER_CACHE, else the platform's place for a user's caches."""
    if named := os.environ.get("CAPTIONER_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return _local_app_data() / "captioner" / "Cache"
    if named_cache := _xdg("XDG_CACHE_HOME"):
        return named_cache / "captioner"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "captioner"
    return Path.home() / ".cache" / "captioner"


def _local_app_data() -> Path:
    base = os.environ.get("LOCALAPPDATA")
    return Path(base) if base else Path.home() / "AppData" / "Local"


def _xdg(name: str) -> Path | None:
    """A folder that the environment names; a relative path there is to be ignored, says the XDG specification."""
    named = Path(os.environ.get(name, ""))
    return named if named.is_absolute() else None


@contextmanager
def written_whole(path: Path, *, is_durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write to, which has its name only when the block ended well; otherwise nothing is left of it.

    Args: is_durable: a power cut after the block cannot take it.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with unfinished.open("xb") as file:
            yield file
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if is_durable:
            sync_folder(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can (Windows does so by itself)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """Says that one process has a folder; the operating system lets go of it when the process dies, however it dies."""

    # Windows locks bytes against reading too, so the byte it locks lies behind the process number.
    _LOCKED_BYTE = 64

    def __init__(self, folder: Path, name: str) -> None:
        """Args: name: of the file in the folder that is locked; it stays there.

        Raises: StoreError: workspace_in_use: another process has it.
        """
        self._file: IO[bytes] = (folder / name).open("a+b")
        try:
            self._take()
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(20).decode("ascii", "replace").strip()
            self._file.close()
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise
            raise StoreError(
                f"the workspace {folder} is already open in another Captioner (process {holder or 'unknown'}); "
                "close that one, or give this one another folder with --workspace.",
                code="workspace_in_use",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n".encode())
        self._file.flush()

    def release(self) -> None:
        """Let the folder go; closing the file does so on every system."""
        self._file.close()

    if sys.platform == "win32":

        def _take(self) -> None:
            import msvcrt

            self._file.seek(self._LOCKED_BYTE)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
    else:

        def _take(self) -> None:
            import fcntl

            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
