"""The jobs of sets, kept: what was asked for, how far it came, how it ended. So a job outlives the process it ran in.

No job is a change of its set: no version counts it and no undo takes it away. What is kept of one is what it takes to
ask for the same again. Knows no model and runs nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from captioner.workspace import views as reading
from captioner.workspace.checksums import checksum
from captioner.workspace.database import Database

KEPT = 100
"""Ended jobs of a set that are kept; older ones are forgotten."""

RUNNING, INTERRUPTED = "running", "interrupted"


class StoredJob(NamedTuple):
    """key: unlike any other job's of the workspace, ever. kind: a word of whoever began it. request: what was asked
    for, as JSON has it; None where the disk has damaged it. state: running, interrupted (the app ended before it did),
    or a word for how it ended. created_at, ended_at: seconds since 1970; ended_at None before. done counts no failed
    ones.
    """

    key: int
    set_id: str
    kind: str
    request: Mapping[str, Any] | None
    state: str
    total: int
    done: int
    failed: int
    message: str
    created_at: float
    ended_at: float | None


class StoredJobs:
    """The jobs of all sets of a workspace; safe to use from many threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, set_id: str, kind: str, request: Mapping[str, Any], total: int) -> int:
        """Keep a job that begins now. Returns: its key. Raises: UnknownSet, StoreError."""
        asked = json.dumps(request, ensure_ascii=False, allow_nan=False)
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            key = db.execute(
                "INSERT INTO jobs (set_key, kind, request, state, total, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                (set_key, kind, asked, RUNNING, total, self._clock()),
            ).lastrowid
            assert key is not None
            db.execute("UPDATE jobs SET checksum = ? WHERE key = ?", (checksum(key, set_key, kind, asked), key))
            db.execute(
                "DELETE FROM jobs WHERE set_key = ?1 AND state != ?2 AND key NOT IN"
                " (SELECT key FROM jobs WHERE set_key = ?1 ORDER BY key DESC LIMIT ?3)",
                (set_key, RUNNING, KEPT),
            )
        return key

    def note(self, key: int, *, done: int, failed: int) -> None:
        """Keep how far a job is."""
        with self._database.write() as db:
            db.execute("UPDATE jobs SET done = ?, failed = ? WHERE key = ?", (done, failed, key))

    def end(self, key: int, state: str, *, done: int, failed: int, message: str = "") -> None:
        """Keep how a job ended; nothing where its set was deleted."""
        with self._database.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, done = ?, failed = ?, message = ?, ended_at = ? WHERE key = ?",
                (state, done, failed, message, self._clock(), key),
            )

    def rename_state(self, key: int, state: str) -> None:
        """Say another word for how a job ended."""
        with self._database.write() as db:
            db.execute("UPDATE jobs SET state = ? WHERE key = ?", (state, key))

    def interrupt(self) -> tuple[StoredJob, ...]:
        """Call those that run interrupted, for who begins when none can be running.

        Returns: all that are interrupted, oldest first.
        """
        with self._database.write() as db:
            db.execute("UPDATE jobs SET state = ? WHERE state = ?", (INTERRUPTED, RUNNING))
            return tuple(_jobs(db, "jobs.state = ? ORDER BY jobs.key", INTERRUPTED))

    def of_set(self, set_id: str) -> tuple[StoredJob, ...]:
        """The jobs of a set, the newest first. Raises: UnknownSet."""
        with self._database.read() as db:
            return tuple(_jobs(db, "jobs.set_key = ? ORDER BY jobs.key DESC", reading.find_set(db, set_id)))


def _jobs(db: sqlite3.Connection, where: str, value: int | str) -> Iterator[StoredJob]:
    rows = db.execute(
        "SELECT jobs.key, set_key, sets.id, kind, request, jobs.checksum, state, total, done, failed, message,"
        f" jobs.created_at, ended_at FROM jobs JOIN sets ON sets.key = jobs.set_key WHERE {where}",
        (value,),
    ).fetchall()
    for key, set_key, set_id, kind, request, stored, *rest in rows:
        is_whole = stored == checksum(key, set_key, kind, request)
        yield StoredJob(key, set_id, kind, json.loads(request) if is_whole else None, *rest)
