"""The reviewer's mark: which pictures a person looked at and found good. Each change is one step of the journal.

What takes the mark away again is decided elsewhere: `put_layers` is told. Knows no caption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from captioner.workspace import edits
from captioner.workspace import views as reading
from captioner.workspace.database import Database
from captioner.workspace.journal import IS_REVIEWED, Step
from captioner.workspace.records import Change


class Reviews:
    """The marks of all sets of a workspace; safe to use from many threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def mark(self, set_id: str, picture_ids: Iterable[str], *, is_reviewed: bool, label: str = "Reviewed") -> Change:
        """Give pictures the mark, or take it away, as one journal entry; those that are so already are left out.

        Raises: UnknownSet. UnknownPicture: one is not in the set, or was removed; no picture is marked then.
        """
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            steps = []
            for picture_id in dict.fromkeys(picture_ids):
                key = reading.find_picture(db, set_id, picture_id)
                before = db.execute("SELECT is_reviewed FROM pictures WHERE key = ?", (key,)).fetchone()[0]
                if bool(before) != is_reviewed:
                    steps.append((picture_id, Step(key, IS_REVIEWED, before, int(is_reviewed))))
            return edits.write_steps(db, set_key, "review", label, now, steps)
