"""What the pictures of a set look like, for finding near-equal ones: stored beside them, made where it is missing.

A likeness comes with the upload; pictures of an earlier version have none until somebody asks. It is no change of the
set: no version counts it, no undo takes it away.
"""

from __future__ import annotations

import threading
import time

from captioner.errors import CaptionerError
from captioner.workspace import uploads
from captioner.workspace import views as reading
from captioner.workspace.database import Database
from captioner.workspace.files import PictureFiles

_AT_ONCE = 50  # likenesses that one transaction writes


class Likenesses:
    """Of all sets; safe to use from many threads."""

    def __init__(self, database: Database, files: PictureFiles) -> None:
        self._database = database
        self._files = files
        self._making = threading.Lock()
        self._unreadable: set[str] = set()  # digests whose thumbnail cannot be had; tried again after a restart

    def of_set(self, set_id: str) -> dict[str, str]:
        """By picture id, in upload order, as `images.likeness` gives it; "" where there is none. Raises: UnknownSet."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT id, likeness FROM pictures WHERE set_key = ? AND is_removed = 0 ORDER BY key",
                (reading.find_set(db, set_id),),
            )
            return {picture_id: str(likeness) for picture_id, likeness in rows}

    def complete(self, set_id: str, *, within_s: float) -> tuple[int, int]:
        """Make likenesses where there are none, for so long.

        Returns: how many pictures still wait for one, and how many cannot be read. Raises: UnknownSet, StoreError.
        """
        until = time.monotonic() + within_s
        with self._making:  # who asks meanwhile waits, and finds them made
            with self._database.read() as db:
                rows = db.execute(
                    "SELECT key, digest FROM pictures WHERE set_key = ? AND is_removed = 0 AND likeness = ''"
                    " ORDER BY key",
                    (reading.find_set(db, set_id),),
                ).fetchall()
            wanted = [(key, digest) for key, digest in rows if digest not in self._unreadable]
            done = 0
            while done < len(wanted) and time.monotonic() < until:
                self._make(wanted[done : done + _AT_ONCE])
                done += _AT_ONCE
            unreadable = sum(digest in self._unreadable for _, digest in rows)
        return max(0, len(wanted) - done), unreadable

    def _make(self, pictures: list[tuple[int, str]]) -> None:
        from captioner import images  # loads Pillow, which nothing else here needs

        made = []
        for key, digest in pictures:
            try:
                made.append((images.likeness(uploads.thumbnail(self._files, digest)), key))
            except CaptionerError:  # the file is gone or damaged: its row says so when the picture is looked at
                self._unreadable.add(digest)
        with self._database.write() as db:
            db.executemany("UPDATE pictures SET likeness = ? WHERE key = ?", made)
