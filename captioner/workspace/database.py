"""One SQLite file, held by one process: opening, checking, migrating, transactions, and errors as sentences.

A write is on the disk when its transaction ends (WAL mode, `synchronous=FULL`). Writers take turns; readers have
connections of their own and wait for nobody. Knows nothing of captions.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from captioner.errors import StoreError
from captioner.workspace.schema import APPLICATION_ID, SCHEMA_VERSION, migrate, schema_version

DATABASE_NAME = "captions.sqlite"
LOCK_NAME = "workspace.lock"
IDLE_READERS = 8
BUSY_TIMEOUT_S = 5.0
# Larger files are not searched for damage when they are opened, since that would take seconds; damage then shows
# when it is met, as the same error.
CHECKED_UP_TO_BYTES = 64 * 1024 * 1024
LOG_KEPT_BYTES = 32 * 1024 * 1024  # a log that grew in a large run shrinks to this again

_FULL, _CORRUPT, _NOT_A_DATABASE = sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNUSABLE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_HEADER = b"SQLite format 3\x00"


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

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = (folder / LOCK_NAME).open("a+b")
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


class Database:
    """The open database of a workspace folder, made where there is none.

    Raises: StoreError: another process has the folder, the file is damaged, foreign or of a newer Captioner, or
        the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / DATABASE_NAME
        self._turn = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._is_closed = False
        with file_errors(folder), database_errors(self.path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder_lock = FolderLock(folder)
            try:
                if self.path.exists():
                    self._check()
                    self._bring_up_to_date()
                else:
                    self._create()
                self._writer = self._connect()
            except BaseException:
                self._folder_lock.release()
                raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: on the disk when the block ends, undone when it raises. Writers take turns."""
        with self._turn, database_errors(self.path):
            if self._is_closed:
                raise self._closed_error()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk makes SQLite roll back by itself
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that reads one moment's state, whatever writers do meanwhile."""
        with database_errors(self.path):
            with self._idle_lock:
                if self._is_closed:
                    raise self._closed_error()
                reader = self._idle.pop() if self._idle else None
            reader = reader or self._connect(is_reader=True)
            try:
                reader.execute("BEGIN")
                yield reader
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                with self._idle_lock:
                    if self._is_closed or len(self._idle) >= IDLE_READERS:
                        reader.close()
                    else:
                        self._idle.append(reader)

    def close(self) -> None:
        """Close the file and let the folder go; waits for a write in progress. Twice is once."""
        with self._turn, self._idle_lock:
            if self._is_closed:
                return
            self._is_closed = True
            for reader in self._idle:
                reader.close()
            self._writer.close()
            self._folder_lock.release()

    def _connect(self, *, is_reader: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stops at the drive's cache
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT_BYTES}")
        if is_reader:
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _create(self) -> None:
        """Make the whole file under another name first: one that carries the final name is never half made."""
        log = self.path.with_name(DATABASE_NAME + "-wal")
        if log.exists():  # SQLite would replay it into the new file
            raise damaged(self.path, f"it is missing while {log.name} is there")
        unfinished = self.path.with_name(DATABASE_NAME + ".new")
        for suffix in ("", "-journal", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection)
        unfinished.replace(self.path)
        sync_folder(self.path.parent)

    def _check(self) -> None:
        """Refuse a file that is not ours or not whole. Only reads: a damaged file stays as it is, for rescue.

        Raises: StoreError.
        """
        with self.path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise damaged(self.path, "it is not a SQLite file")
        uri = self.path.resolve().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise StoreError(
                    f"{self.path} was not made by Captioner; give another folder with --workspace.", code="foreign"
                )
            version = schema_version(connection)
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer Captioner (its schema is {version}, this one knows "
                    f"{SCHEMA_VERSION}); update Captioner, or give another folder with --workspace.",
                    code="newer",
                )
            if self.path.stat().st_size <= CHECKED_UP_TO_BYTES:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise damaged(self.path, " ".join(str(found).split()))

    def _bring_up_to_date(self) -> None:
        """Migrate an older file, after a copy of it was put beside it."""
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            version = schema_version(connection)
            if version == SCHEMA_VERSION:
                return
            copy = self.path.with_name(f"{DATABASE_NAME}.version-{version}")
            unfinished = copy.with_name(copy.name + ".new")
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(unfinished)) as target:
                connection.backup(target)
            unfinished.replace(copy)
            migrate(connection)

    def _closed_error(self) -> StoreError:
        return StoreError(f"the workspace {self.path.parent} was closed.", code="closed")
