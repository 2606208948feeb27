"""One SQLite file, held by one process: opening, checking, migrating, transactions.

A write is on the disk when its transaction ends (WAL mode, `synchronous=FULL`), in a file that is still there under its
name: where somebody deleted or replaced it meanwhile, all that was saved goes into a new file first (see `ground`).
Writers take turns; readers have connections of their own and wait for nobody. Knows nothing of captions.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from captioner.errors import CaptionerError, StoreError
from captioner.files import FolderLock, sync_folder
from captioner.workspace import checksums
from captioner.workspace.disk import damaged, database_errors, file_errors
from captioner.workspace.ground import LOGS, Ground, abandon, copy_out, finish, free_name
from captioner.workspace.schema import APPLICATION_ID, SCHEMA_VERSION, has_tables_of, migrate, schema_version

DATABASE_NAME = "captions.sqlite"
LOCK_NAME = "workspace.lock"
RESCUE_NAME = "captions.rescue-{}.sqlite"
IDLE_READERS = 8
BUSY_TIMEOUT_S = 5.0
# Larger files are not searched for damage when they are opened, since that would take seconds; damage then shows
# when it is met, as the same error.
CHECKED_UP_TO_BYTES = 64 * 1024 * 1024
MAX_FINDINGS = 10_000
_INDEX_FINDING = re.compile(r"row \d+ missing from index |wrong # of entries in index |non-unique entry in index ")
_HEADER = b"SQLite format 3\x00"
LOG_KEPT_BYTES = 32 * 1024 * 1024  # a log that grew in a large run shrinks to this again


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
        self._closed: tuple[str, str] | None = None  # why nothing can be done any more, and its code
        self.notices: tuple[str, ...] = ()
        with file_errors(folder), database_errors(self.path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder_lock = FolderLock(folder, LOCK_NAME)
            try:
                rescued = self._adopt_rescued()
                if self.path.exists():
                    self._check()
                    self._bring_up_to_date()
                else:
                    self._create()
                self._open()
                self.notices = tuple(_rescue_notice(path, self.path) for path in rescued)
            except BaseException:
                self._folder_lock.release()
                raise

    def _open(self) -> None:
        self._writer = self._connect()
        self._writer.execute("SELECT 1 FROM sqlite_schema").fetchone()  # now the logs are there
        self._ground = Ground(self.path)

    @contextmanager
    def write(self, *, is_deletion: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: on the disk when the block ends, undone when it raises. Writers take turns.

        Args: is_deletion: what refers to what is not looked at; for who deletes all of it together.
        Raises: StoreError: moved: the file was overwritten by another program; see `disk` for others.
        """
        with self._turn:
            self._stand()
            with self._errors():
                if is_deletion:  # only then: setting it makes SQLite prepare all statements anew
                    self._writer.execute("PRAGMA foreign_keys = OFF")
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:  # a full disk makes SQLite roll back by itself
                        self._writer.execute("ROLLBACK")
                    raise
                finally:
                    if is_deletion:
                        self._writer.execute("PRAGMA foreign_keys = ON")
            self._ground.note_write()
            self._stand()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that reads one moment's state, whatever writers do meanwhile."""
        with self._errors():
            reader, ground = self._reader()
            try:
                reader.execute("BEGIN")
                yield reader
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                with self._idle_lock:
                    if self._closed or ground is not self._ground or len(self._idle) >= IDLE_READERS:
                        reader.close()
                    else:
                        self._idle.append(reader)

    def _reader(self) -> tuple[sqlite3.Connection, Ground]:
        """A connection for reading, and the files that it is open on."""
        while True:
            if self._ground.fate() is not None:
                with self._turn:
                    self._stand()
            with self._idle_lock:
                if self._closed is not None:
                    raise self._refusal()
                ground = self._ground
                if self._idle:
                    return self._idle.pop(), ground
            reader = self._connect(is_reader=True)
            if ground is self._ground and ground.fate() is None:
                return reader, ground
            abandon(reader)  # the files were taken away while it opened them

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What goes wrong in a transaction: a full disk, a damaged file, or, where the file is whole, a bug of ours."""
        try:
            with database_errors(self.path):
                yield
        except CaptionerError:
            raise
        except Exception as error:
            why = self._damage()
            if why is None:
                raise
            raise damaged(self.path, why) from error

    def _damage(self) -> str | None:
        try:
            with closing(self._connect(is_reader=True)) as connection:
                if not has_tables_of(connection, SCHEMA_VERSION):
                    return "its tables are not ours"
                return checksums.find_damage(connection)
        except sqlite3.Error as error:
            return str(error)

    def shrink(self) -> None:
        """Write the file anew without what was deleted; readers and writers wait. Needs its size again on the disk."""
        with self._turn:
            self._stand()
            with self._errors():
                self._writer.execute("VACUUM")
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._ground.note_write()

    # The file under its name

    def _stand(self) -> None:
        """Go on in a file that is there, where the one we had is not; called by whoever has the turn.

        Raises: StoreError: closed; moved: what was saved is no longer to be had.
        """
        if self._closed is not None:
            raise self._refusal()
        fate = self._ground.fate()
        if fate is None:
            return
        folder = self.path.parent
        with file_errors(folder), database_errors(self.path):
            if not folder.is_dir():
                raise StoreError(
                    f"the workspace folder {folder} is gone: nothing can be saved; put it back where it was.",
                    code="moved",
                )
            rescue = free_name(folder, RESCUE_NAME)
            try:
                copy_out(self._writer, rescue)
            except sqlite3.DatabaseError as error:
                if fate != "overwritten" or error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    rescue.unlink(missing_ok=True)
                    raise
            sync_folder(folder)
            if fate == "overwritten":  # old pages and new ones may stand side by side: nothing can be promised of it
                self._give_up(rescue)
                raise self._refusal()
            self._ground.clear_logs()
            if fate == "gone":
                for suffix in LOGS:
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                rescue.replace(self.path)
                sync_folder(folder)
                notice = (
                    f"another program deleted {self.path} or a file beside it while Captioner was open; it was written "
                    "again with everything that was saved."
                )
            else:
                notice = (
                    f"another program put something else in place of {self.path} while Captioner was open. Everything "
                    f"saved here is kept, and goes on, in {rescue}: close Captioner, decide which of the two files is "
                    f"the right one, and leave that one in the folder as {DATABASE_NAME}."
                )
                self.path = rescue
            with self._idle_lock:
                for reader in self._idle:
                    reader.close()
                self._idle.clear()
                abandon(self._writer)
                self._open()
            self.notices = (*self.notices, notice)

    def _give_up(self, rescue: Path) -> None:
        """Refuse all that follows, after our file was overwritten; what could be kept of it stays beside."""
        log = rescue.with_name(rescue.name + ".log")
        self._ground.clear_logs(aside=log)
        abandon(self._writer)
        self._closed = (
            f"another program wrote into {self.path} while Captioner was open: nothing more is saved. Close Captioner "
            f"and start it again to see what is in the file now; what could be kept of the earlier state is in "
            f"{rescue.name} and {log.name}.",
            "moved",
        )

    def _refusal(self) -> StoreError:
        assert self._closed is not None
        return StoreError(self._closed[0], code=self._closed[1])

    def _adopt_rescued(self) -> list[Path]:
        """Take the newest rescue file for the database where there is none. Returns: the rescue files that are left."""
        rescued = sorted(self.path.parent.glob(RESCUE_NAME.format("*")))
        for path in rescued:
            with suppress(sqlite3.Error):  # a damaged one is for the person to look at
                finish(path)
        if rescued and not any(self.path.with_name(DATABASE_NAME + suffix).exists() for suffix in ("", "-wal")):
            rescued.pop().replace(self.path)
            sync_folder(self.path.parent)
        return rescued

    def close(self) -> None:
        """Close the file and let the folder go; waits for a write in progress. Twice is once."""
        with self._turn, self._idle_lock:
            if self._closed is not None:
                self._folder_lock.release()
                return
            fate = self._ground.fate()
            self._closed = (f"the workspace {self.path.parent} was closed.", "closed")
            for reader in self._idle:
                reader.close()
            if fate is None:
                self._writer.close()
            else:
                abandon(self._writer)
            self._folder_lock.release()

    def _connect(self, *, is_reader: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        checksums.prepare(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cell_size_check = ON")
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
            checksums.prepare(connection)
            migrate(connection)
        unfinished.replace(self.path)
        sync_folder(self.path.parent)

    def _check(self) -> None:
        """Refuse a file that is not ours or not whole. Only reads: a damaged file stays as it is, for rescue.

        What only finds rows faster is made again from the rows, after a copy of the file was put beside it.
        Raises: StoreError.
        """
        with self.path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise damaged(self.path, "it is not a SQLite file")
        uri = self.path.resolve().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            try:
                findings = self._findings(connection)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                    raise
                raise damaged(self.path, str(error)) from error  # no statement of ours there can be wrong
        if findings and all(_INDEX_FINDING.match(finding) for finding in findings):
            self._make_indexes_again()
        elif findings:
            raise damaged(self.path, findings[0])

    def _findings(self, connection: sqlite3.Connection) -> list[str]:
        """What SQLite finds damaged, unless the file is too large to look. Raises: StoreError: not our file."""
        checksums.prepare(connection)
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
        findings = []
        if self.path.stat().st_size <= CHECKED_UP_TO_BYTES:
            found = connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})")
            findings = [" ".join(str(row[0]).split()) for row in found if row[0] != "ok"]
        if not findings and not has_tables_of(connection, version):
            return [f"its tables are not those of schema {version}, which it says it has"]
        return findings

    def _make_indexes_again(self) -> None:
        """Build all indexes from the rows, whole or not at all. Raises: StoreError: that does not make it whole."""
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            checksums.prepare(connection)
            connection.execute("PRAGMA synchronous = FULL")
            copy = free_name(self.path.parent, f"{DATABASE_NAME}.damaged-{{}}")
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("REINDEX")
                found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if found == "ok" and connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                    found = "a row belongs to something that is not there"
                if found != "ok":
                    raise damaged(self.path, " ".join(str(found).split()))
                connection.execute("COMMIT")
            except BaseException as error:
                connection.execute("ROLLBACK")
                copy.unlink()
                if isinstance(error, sqlite3.IntegrityError):
                    raise damaged(self.path, str(error)) from error
                raise

    def _bring_up_to_date(self) -> None:
        """Migrate an older file, after a copy of it was put beside it."""
        with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            checksums.prepare(connection)
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


def _rescue_notice(rescue: Path, path: Path) -> str:
    return (
        f"{rescue} holds what was saved after another program had replaced {path.name}. To go on with it: close "
        f"Captioner, move {path.name} away, and rename {rescue.name} to {path.name}. If {path.name} is the right one, "
        f"delete {rescue.name}."
    )
