"""What an open database stands on: notices when its files are taken away or replaced, and saves what is in it.

On POSIX an open file lives on when its name is gone, so that everything that was saved can still be copied out. SQLite
itself does not look: it would go on writing into a file that nobody finds again. Knows no rows.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

LOGS = ("-wal", "-shm")
SETTLING_S = 5.0  # some file systems change a file's time a while after it was written

Fate = Literal["gone", "replaced", "overwritten"]


class _Look(NamedTuple):
    """Device and number of the database and its two logs (None: not there), and the database's time of change."""

    database: tuple[int, int] | None
    logs: tuple[tuple[int, int] | None, ...]
    changed_ns: int


class Ground:
    """The files of an open database, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        """Args: path: a database that is open, with its logs."""
        self.path = path
        self._known = _look(path)
        self._written_at = time.time()

    def note_write(self) -> None:
        """Say that we wrote just now: the file's time is ours, whatever the clock says that it comes from."""
        self._written_at = time.time()
        database = _status(self.path)
        if database is not None:
            self._known = self._known._replace(changed_ns=database.st_mtime_ns)

    def fate(self) -> Fate | None:
        """What became of the files, None where they are as we left them. Three system calls.

        gone: the database or a log lost its name, and nobody else's database is there. replaced: another file has the
        name. overwritten: somebody wrote into the file.
        """
        now = _look(self.path)
        if now == self._known:
            return None
        if now.database is not None and now.database != self._known.database:
            return "replaced"
        if now.database is None or now.logs != self._known.logs:
            return "gone"
        if abs(now.changed_ns / 1e9 - self._written_at) < SETTLING_S:
            self._known = now
            return None
        return "overwritten"

    def clear_logs(self, aside: Path | None = None) -> None:
        """Take our logs from beside a database that is not ours: SQLite would replay them into it.

        Args: aside: where the log goes that may be all there is of some edits; None deletes it.
        """
        for suffix, known, now in zip(LOGS, self._known.logs, _look(self.path).logs, strict=True):
            if now is not None and now == known:
                log = self.path.with_name(self.path.name + suffix)
                if aside is not None and suffix == "-wal":
                    log.replace(aside)
                else:
                    log.unlink(missing_ok=True)


def free_name(folder: Path, name: str) -> Path:
    """A name of today for a rescue file that nothing has yet. Args: name: with {} for the time."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1_000):
        path = folder / name.format(stamp if number == 1 else f"{stamp}-{number}")
        if not path.exists():
            return path
    raise FileExistsError(f"{folder} has a thousand rescue files of one second")


def copy_out(connection: sqlite3.Connection, target: Path) -> None:
    """Copy all a connection sees into a new file, durably."""
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = FULL")
        connection.backup(copy)


def finish(path: Path) -> None:
    """Work the log of a database that was left by a killed process into it, so that it is one file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def abandon(connection: sqlite3.Connection) -> None:
    """Keep a connection open until the process ends, whoever forgets it.

    SQLite's close deletes the logs by their names, and those belong to another database now.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _look(path: Path) -> _Look:
    database = _status(path)
    logs = (_status(path.with_name(path.name + suffix)) for suffix in LOGS)
    return _Look(
        (database.st_dev, database.st_ino) if database else None,
        tuple((log.st_dev, log.st_ino) if log else None for log in logs),
        database.st_mtime_ns if database else 0,
    )


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
