"""What the disk and SQLite say when they fail, as errors with a sentence."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from captioner.errors import StoreError

_FULL, _CORRUPT, _NOT_A_DATABASE = sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNUSABLE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def disk_full(folder: Path) -> StoreError:
    """The one error for a full disk, whoever met it."""
    return StoreError(
        f"the disk that holds {folder} is full: the last change was not saved, everything before it was; "
        "free some space and try again.",
        code="disk_full",
    )


def damaged(path: Path, why: str) -> StoreError:
    """The one error for a file that is not the database we wrote."""
    return StoreError(
        f"the database {path} is damaged ({why}); it was left as it is. Put a backup in its place, or move it away "
        "together with its -wal file to start an empty workspace; the pictures lie beside it in the folder pictures.",
        code="damaged",
    )


@contextmanager
def file_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about files into a StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder) from error
        where = error.filename or folder
        raise StoreError(f"{where} cannot be read or written ({error.strerror}); check its permissions.") from error


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the disk into a StoreError; a wrong statement is a bug and stays what it is."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes what it found in a message that Python cannot read
        raise damaged(path, "what is in it is no text") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        if code == _FULL:
            raise disk_full(path.parent) from error
        if code in (_CORRUPT, _NOT_A_DATABASE):
            raise damaged(path, str(error)) from error
        if code in _BUSY:
            raise StoreError(f"another program holds {path}; close it and try again.", code="busy") from error
        if code in _UNUSABLE:
            raise StoreError(
                f"{path} cannot be read or written ({error}); check its permissions and the disk's free space."
            ) from error
        raise
