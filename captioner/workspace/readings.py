"""What models said of the captions that are there, one reading a picture: of which text, by whom, and what came of it.

A reading is no change of the set: no version counts it and no undo takes it away. Whether it still holds is for others
to say; a row that the disk damaged is none, so that the caption is read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from captioner.workspace import views
from captioner.workspace.checksums import checksum, read_many
from captioner.workspace.database import Database


class StoredReading(NamedTuple):
    """caption: the text that was read. read_by: who was asked. content: what came of it. Both as JSON has them."""

    caption: str
    read_by: Mapping[str, Any]
    content: Mapping[str, Any]


class Readings:
    """The readings of all sets of a workspace; safe to use from many threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def put(self, set_id: str, picture_id: str, reading: StoredReading) -> None:
        """Keep a picture's reading in the place of the last one; of a removed picture too.

        Raises: UnknownSet, UnknownPicture, StoreError.
        """
        texts = (
            reading.caption,
            json.dumps(reading.read_by, ensure_ascii=False),
            json.dumps(reading.content, ensure_ascii=False, allow_nan=False),
        )
        with self._database.write() as db:
            key = views.find_picture(db, set_id, picture_id, is_removed_too=True)
            db.execute(
                "INSERT OR REPLACE INTO readings (picture_key, caption, read_by, content, read_at, checksum)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key, *texts, self._clock(), checksum(key, *texts)),
            )

    def of_picture(self, set_id: str, picture_id: str) -> StoredReading | None:
        """The picture's reading, None where there is none. Raises: UnknownSet, UnknownPicture."""
        with self._database.read() as db:
            key = views.find_picture(db, set_id, picture_id)
            rows = db.execute(f"{_SELECT} WHERE pictures.key = ?", (key,))
            return next((reading for _, reading in _whole(rows)), None)

    def of_set(self, set_id: str) -> dict[str, StoredReading]:
        """By picture id, the readings of all pictures that have one. Raises: UnknownSet."""
        with self._database.read() as db:
            set_key = views.find_set(db, set_id)
            query = f"{_SELECT} WHERE set_key = ? AND is_removed = 0 ORDER BY pictures.key"
            return dict(_whole(read_many(db, lambda: db.execute(query, (set_key,)).fetchall())))


_SELECT = (
    "SELECT id, picture_key, caption, read_by, content, readings.checksum FROM readings"
    " JOIN pictures ON pictures.key = picture_key"
)


def _whole(rows: Iterable[sqlite3.Row | tuple[Any, ...]]) -> Iterator[tuple[str, StoredReading]]:
    """The readings that are as they were written."""
    for picture_id, key, caption, read_by, content, stored in rows:
        if stored == checksum(key, caption, read_by, content):
            yield picture_id, StoredReading(caption, json.loads(read_by), json.loads(content))
