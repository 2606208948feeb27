"""What sets take on the disk: rows of the database and the sizes of their files, put together.

Files are kept once whatever number of sets has them.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from captioner.workspace import views as reading
from captioner.workspace.database import Database
from captioner.workspace.files import PictureFiles


@dataclass(frozen=True, slots=True)
class SetUse:
    """What a set takes. pictures: it shows; removed: that wait for an undo. picture_bytes: of both as they came, equal
    ones once. own_bytes: what deleting it would free, since no other set has them; removed_bytes: what deleting the
    removed ones would. Thumbnails and rows come on top."""

    id: str
    name: str
    pictures: int
    removed: int
    picture_bytes: int
    own_bytes: int
    removed_bytes: int
    is_in_bin: bool = False


def uses(db: sqlite3.Connection, files: PictureFiles, only: int | None = None) -> list[SetUse]:
    """What all sets take, the largest first, or one alone. Args: only: its key."""
    shown: dict[int, int] = {}
    removed: dict[int, int] = {}
    # By digest and set: whether the set shows such a picture, or has it among the removed ones only.
    holders: dict[str, dict[int, bool]] = {}
    rows = db.execute(
        "SELECT set_key, digest, is_removed FROM pictures WHERE ?1 IS NULL OR digest IN"
        " (SELECT digest FROM pictures WHERE set_key = ?1)",
        (only,),
    )
    for set_key, digest, is_removed in rows:
        counts = removed if is_removed else shown
        counts[set_key] = counts.get(set_key, 0) + 1
        held = holders.setdefault(digest, {})
        held[set_key] = held.get(set_key, False) or not is_removed
    picture_bytes: dict[int, int] = {}
    own_bytes: dict[int, int] = {}
    removed_bytes: dict[int, int] = {}
    for digest, held in holders.items():
        size_bytes = files.size_bytes(digest)
        is_alone = len(held) == 1
        for set_key, is_shown in held.items():
            picture_bytes[set_key] = picture_bytes.get(set_key, 0) + size_bytes
            own_bytes[set_key] = own_bytes.get(set_key, 0) + is_alone * size_bytes
            removed_bytes[set_key] = removed_bytes.get(set_key, 0) + (is_alone and not is_shown) * size_bytes
    found = [
        SetUse(
            id=set_id,
            name=reading.set_name(db, key),
            pictures=shown.get(key, 0),
            removed=removed.get(key, 0),
            picture_bytes=picture_bytes.get(key, 0),
            own_bytes=own_bytes.get(key, 0),
            removed_bytes=removed_bytes.get(key, 0),
            is_in_bin=deleted_at is not None,
        )
        for key, set_id, deleted_at in db.execute(
            "SELECT key, id, deleted_at FROM sets WHERE ?1 IS NULL OR key = ?1", (only,)
        ).fetchall()
    ]
    return sorted(found, key=lambda one: -one.picture_bytes)


def sets_naming(db: sqlite3.Connection, word: str) -> tuple[str, ...]:
    """The ids of the sets whose settings have a word in them, those in the bin too."""
    asked = "SELECT id FROM sets WHERE instr(settings, ?) ORDER BY key"
    return tuple(row[0] for row in db.execute(asked, (json.dumps(word)[1:-1],)))


class Space:
    """What the sets of an open workspace take."""

    def __init__(self, database: Database, files: PictureFiles) -> None:
        self._database = database
        self._files = files

    def sets_naming(self, word: str) -> tuple[str, ...]:
        """The ids of the sets whose settings have a word in them, those in the bin too."""
        with self._database.read() as db:
            return sets_naming(db, word)

    def of_set(self, set_id: str) -> SetUse:
        """What a set takes. Raises: UnknownSet."""
        with self._database.read() as db:
            return uses(db, self._files, reading.find_set(db, set_id))[0]
