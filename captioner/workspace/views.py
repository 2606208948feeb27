"""What a set looks like, read in one query each: all pictures, or only what changed since a version."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from captioner.errors import UnknownPicture, UnknownSet
from captioner.workspace import journal
from captioner.workspace.records import CaptionSet, Changes, Failure, View

# The first of equal pictures is found by the index on digests, which is in the order of keys.
_VIEW = """
SELECT id, name, width, height, digest, notes, text, revision, existing,
    CASE WHEN text IS NOT NULL THEN 'edited' WHEN failure_code IS NOT NULL THEN 'failed'
        WHEN EXISTS (SELECT 1 FROM current_layers WHERE picture_key = pictures.key) THEN 'generated'
        ELSE 'empty' END,
    failure_code, failure_message, layers_version,
    COALESCE((SELECT other.id FROM pictures AS other WHERE other.set_key = pictures.set_key
        AND other.digest = pictures.digest AND other.is_removed = 0 AND other.key < pictures.key
        ORDER BY other.key LIMIT 1), '')
FROM pictures
"""


def find_set(db: sqlite3.Connection, set_id: str) -> int:
    """The key of a set. Raises: UnknownSet."""
    row = db.execute("SELECT key FROM sets WHERE id = ?", (set_id,)).fetchone() if _is_id(set_id) else None
    if row is None:
        raise UnknownSet(
            f"there is no caption set {_shown(set_id)} in this workspace; open another or begin a new one."
        )
    return int(row[0])


def find_picture(db: sqlite3.Connection, set_id: str, picture_id: str, *, is_removed_too: bool = False) -> int:
    """The key of a picture. Raises: UnknownSet, UnknownPicture: also for a removed one, unless asked for too."""
    set_key = find_set(db, set_id)
    row = None
    if _is_id(picture_id):
        row = db.execute(
            "SELECT key, is_removed FROM pictures WHERE set_key = ? AND id = ?", (set_key, picture_id)
        ).fetchone()
    if row is None:
        raise UnknownPicture(f"the set has no picture {_shown(picture_id)}; load the page again.")
    if row[1] and not is_removed_too:
        raise UnknownPicture(f"the picture {_shown(picture_id)} was removed from the set; undo brings it back.")
    return int(row[0])


def caption_set(db: sqlite3.Connection, set_id: str) -> CaptionSet:
    """A set's name, times and size. Raises: UnknownSet."""
    key = find_set(db, set_id)
    name, created_at, changed_at, version = db.execute(
        "SELECT name, created_at, changed_at, version FROM sets WHERE key = ?", (key,)
    ).fetchone()
    count = db.execute("SELECT COUNT(*) FROM pictures WHERE set_key = ? AND is_removed = 0", (key,)).fetchone()[0]
    return CaptionSet(
        id=set_id,
        name=name,
        created_at=created_at,
        changed_at=changed_at,
        picture_count=count,
        version=version,
    )


def settings_json(db: sqlite3.Connection, set_key: int) -> str:
    """A set's settings, as JSON."""
    return str(db.execute("SELECT settings FROM sets WHERE key = ?", (set_key,)).fetchone()[0])


def views(db: sqlite3.Connection, set_key: int, *, removed: bool = False) -> tuple[View, ...]:
    """The pictures of a set in upload order, or the removed ones."""
    where = "WHERE set_key = ? AND is_removed = ? ORDER BY key"
    return tuple(_views(db.execute(_VIEW + where, (set_key, removed))))


def view(db: sqlite3.Connection, picture_key: int) -> View:
    """One picture."""
    return next(_views(db.execute(_VIEW + "WHERE key = ?", (picture_key,))))


def changes_since(db: sqlite3.Connection, set_id: str, version: int) -> Changes:
    """What changed in a set after a version. Raises: UnknownSet."""
    set_key = find_set(db, set_id)
    name, settings, current, name_version, settings_version = db.execute(
        "SELECT name, settings, version, name_version, settings_version FROM sets WHERE key = ?", (set_key,)
    ).fetchone()
    is_everything = not 0 <= version <= current
    since = -1 if is_everything else version
    changed: tuple[View, ...] = ()
    removed: list[str] = []
    if since < current:
        changed = tuple(
            _views(
                db.execute(
                    _VIEW + "WHERE set_key = ? AND version > ? AND is_removed = 0 ORDER BY key", (set_key, since)
                )
            )
        )
        rows = db.execute(
            "SELECT id FROM pictures WHERE set_key = ? AND version > ? AND is_removed = 1 ORDER BY key",
            (set_key, since),
        )
        removed = [row[0] for row in rows]
    return Changes(
        version=current,
        views=changed,
        removed=tuple(removed),
        settings=json.loads(settings) if settings_version > since else None,
        name=name if name_version > since else None,
        undo=journal.next_undo(db, set_key),
        redo=journal.next_redo(db, set_key),
        is_everything=is_everything,
    )


def _views(rows: sqlite3.Cursor) -> Iterator[View]:
    for *simple, notes, text, revision, existing, state, code, message, layers_version, equal_to in rows:
        failure = None if code is None else Failure(code, message)
        yield View._make((*simple, _notes(notes), text, revision, existing, state, failure, layers_version, equal_to))


@lru_cache(maxsize=1024)
def _notes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _is_id(value: Any) -> bool:
    """Whether a value from outside can be looked up at all."""
    return isinstance(value, str) and len(value) <= 64 and value.isascii()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
