"""The bin: sets that were deleted wait here a while before they go for good, so that a slip can be taken back.

A set in the bin is as if it were not there for everybody who asks for it, and is kept whole. Pictures that were removed
from a set wait as long for an undo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from captioner.errors import UnknownSet
from captioner.workspace import deletion
from captioner.workspace import views as reading
from captioner.workspace.database import Database
from captioner.workspace.files import PictureFiles

KEPT_DAYS = 30
_DAY_S = 86_400.0
_LOOKED_AGAIN_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Binned:
    """A set in the bin. deleted_at, goes_at: seconds since 1970, when it was deleted and when it goes for good."""

    id: str
    name: str
    picture_count: int
    deleted_at: float
    goes_at: float


class Bin:
    """The bin of a workspace; what has waited long enough goes when the workspace is opened or the bin looked into."""

    def __init__(self, database: Database, files: PictureFiles, clock: Callable[[], float]) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._emptied_at = clock()

    def put(self, set_id: str) -> None:
        """Delete a set, to be had back for `KEPT_DAYS`. Raises: UnknownSet."""
        now = self._clock()
        with self._database.write() as db:
            db.execute("UPDATE sets SET deleted_at = ? WHERE key = ?", (now, reading.find_set(db, set_id)))

    def take_back(self, set_id: str) -> None:
        """Bring a set back as it was. Raises: UnknownSet: it is not in the bin."""
        with self._database.write() as db:
            key = reading.find_set(db, set_id, is_deleted=True)
            db.execute("UPDATE sets SET deleted_at = NULL WHERE key = ?", (key,))

    def delete(self, set_id: str) -> None:
        """Delete a set for good, in the bin or not, with its pictures, edits and journal; the files of pictures that no
        other set has too.

        Raises: UnknownSet.
        """
        with self._database.write(is_deletion=True) as db:
            try:
                key = reading.find_set(db, set_id, is_deleted=True)
            except UnknownSet:
                key = reading.find_set(db, set_id)
            deletion.delete_rows(db, key)
        deletion.discard_files(self._database, self._files)

    def delete_removed(self, set_id: str) -> int:
        """Delete for good what was removed from a set, and the files that nobody else has. Undo passes it over then.

        Returns: how many pictures went. Raises: UnknownSet.
        """
        with self._database.write(is_deletion=True) as db:
            count = deletion.delete_removed_rows(db, reading.find_set(db, set_id))
        deletion.discard_files(self._database, self._files)
        return count

    def listed(self, set_ids: Iterable[str]) -> tuple[Binned, ...]:
        """Those of these sets that are in the bin, as given."""
        if self._clock() - self._emptied_at > _LOOKED_AGAIN_S:
            self.empty()
        found = []
        with self._database.read() as db:
            for set_id in set_ids:
                try:
                    key = reading.find_set(db, set_id, is_deleted=True)
                except UnknownSet:
                    continue
                [deleted_at] = db.execute("SELECT deleted_at FROM sets WHERE key = ?", (key,)).fetchone()
                count = reading.picture_count(db, key)
                goes_at = deleted_at + KEPT_DAYS * _DAY_S
                found.append(Binned(set_id, reading.set_name(db, key), count, deleted_at, goes_at))
        return tuple(found)

    def empty(self, kept_days: float = KEPT_DAYS) -> tuple[int, int]:
        """Delete for good the sets and removed pictures that have waited for so long, and the files that they leave.

        Returns: how many sets, and how many pictures that were removed from others.
        """
        self._emptied_at = self._clock()
        before = self._emptied_at - kept_days * _DAY_S
        with self._database.read() as db:
            is_due = db.execute(
                "SELECT EXISTS (SELECT 1 FROM sets WHERE deleted_at <= ?1)"
                " OR EXISTS (SELECT 1 FROM pictures WHERE removed_at <= ?1)",
                (before,),
            ).fetchone()[0]
        sets = pictures = 0
        if is_due:
            with self._database.write(is_deletion=True) as db:
                for (key,) in db.execute("SELECT key FROM sets WHERE deleted_at <= ?", (before,)).fetchall():
                    deletion.delete_rows(db, key)
                    sets += 1
                due = "SELECT DISTINCT set_key FROM pictures WHERE removed_at <= ?"
                for (key,) in db.execute(due, (before,)).fetchall():
                    pictures += deletion.delete_removed_rows(db, key, before)
        deletion.discard_files(self._database, self._files)
        return sets, pictures
