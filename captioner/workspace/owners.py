"""Whose each set is, where people have logins of their own: a small database beside the workspace's.

A set is its maker's, or nobody's; its owner may share it, then its link is enough for every user. Knows no login and no
HTTP.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple, Self

from captioner.workspace.disk import database_errors

FILE_NAME = "owners.sqlite"


class Ownership(NamedTuple):
    """owner: a user's name. is_shared: other users may use the set by its link."""

    owner: str
    is_shared: bool


class Owners:
    """The owners of all sets; kept in memory too. Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: the workspace's. Raises: StoreError: the file cannot be read or is none of ours."""
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        with database_errors(self._path):
            self._database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS owners"
                " (set_id TEXT PRIMARY KEY, owner TEXT NOT NULL, is_shared INTEGER NOT NULL)"
            )
            rows = self._database.execute("SELECT set_id, owner, is_shared FROM owners").fetchall()
        self._found = {set_id: Ownership(owner, bool(is_shared)) for set_id, owner, is_shared in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def of(self, set_id: str) -> Ownership | None:
        """Whose a set is; None where it is nobody's."""
        return self._found.get(set_id)

    def user_of(self, set_id: str) -> str | None:
        """The name of the user whose set it is; None where it is nobody's."""
        found = self.of(set_id)
        return found.owner if found else None

    def claim(self, set_id: str, user: str) -> Ownership:
        """Make a set the user's, if it is nobody's. Returns: whose it is. Raises: StoreError."""
        with self._lock:
            if set_id not in self._found:
                self._keep(set_id, Ownership(user, False))
            return self._found[set_id]

    def give(self, set_id: str, user: str) -> Ownership:
        """Make a set the user's, whosever it was; one that was nobody's stays open by its link. Raises: StoreError."""
        with self._lock:
            known = self._found.get(set_id)
            self._keep(set_id, Ownership(user, known is None or known.is_shared))
            return self._found[set_id]

    def share(self, set_id: str, *, is_shared: bool) -> Ownership:
        """Let other users in by the set's link, or no longer. Raises: StoreError."""
        with self._lock:
            self._keep(set_id, self._found[set_id]._replace(is_shared=is_shared))
            return self._found[set_id]

    def _keep(self, set_id: str, ownership: Ownership) -> None:
        with database_errors(self._path):
            self._database.execute(
                "INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", (set_id, ownership.owner, int(ownership.is_shared))
            )
        self._found[set_id] = ownership
