"""What a set looks like, read in one query each: all pictures, or only what changed since a version."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from captioner.errors import UnknownPicture, UnknownSet
from captioner.records import Picture
from captioner.workspace import journal
from captioner.workspace.checksums import CHECKED, checksum, read_many
from captioner.workspace.records import DAMAGED_ROW, CaptionSet, Changes, Failure, View

# The first of equal pictures is found by the index on digests, which is in the order of keys.
_VIEW = f"""
SELECT {CHECKED["pictures"]["checksum"]}, text, revision, existing, checksum, text_checksum, existing_checksum,
    CASE WHEN text IS NOT NULL THEN 'edited' WHEN failure_code IS NOT NULL THEN 'failed'
        WHEN EXISTS (SELECT 1 FROM current_layers WHERE picture_key = pictures.key) THEN 'generated'
        ELSE 'empty' END,
    failure_code, failure_message, layers_version,
    COALESCE((SELECT other.id FROM pictures AS other WHERE other.set_key = pictures.set_key
        AND other.digest = pictures.digest AND other.is_removed = 0 AND other.key < pictures.key
        ORDER BY other.key LIMIT 1), ''),
    is_reviewed
FROM pictures
"""


NO_SETTINGS = "{}"
NO_TEXT = checksum(None, 0)
NO_EXISTING = checksum("")
_BY_KEY = "damaged-"  # the id of a picture whose own cannot be read, before its key
_TEXT_DAMAGE = (
    "the caption of this picture was damaged on the disk and is not shown; write it again, or put a backup of the "
    "workspace in place."
)
_PICTURE_DAMAGE = (
    "what is stored about this picture was damaged on the disk; remove it and add it again, or put a backup of the "
    "workspace in place."
)


def find_set(db: sqlite3.Connection, set_id: str, *, is_deleted: bool = False) -> int:
    """The key of a set; of one in the bin where that is asked for. Raises: UnknownSet."""
    asked = f"SELECT key FROM sets WHERE id = ? AND deleted_at IS {'NOT ' if is_deleted else ''}NULL"
    row = db.execute(asked, (set_id,)).fetchone() if _is_id(set_id) else None
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
        if row is None and picture_id.startswith(_BY_KEY):
            row = db.execute(
                "SELECT key, is_removed FROM pictures WHERE set_key = ? AND key = CAST(? AS INTEGER)",
                (set_key, picture_id.removeprefix(_BY_KEY)),
            ).fetchone()
    if row is None:
        raise UnknownPicture(f"the set has no picture {_shown(picture_id)}; load the page again.")
    if row[1] and not is_removed_too:
        raise UnknownPicture(f"the picture {_shown(picture_id)} was removed from the set; undo brings it back.")
    return int(row[0])


def of_digest(db: sqlite3.Connection, set_key: int, digest: str) -> list[Picture]:
    """The pictures of a set with these bytes, in upload order."""
    rows = db.execute(
        "SELECT id, name, digest, width, height, notes, folder FROM pictures"
        " WHERE set_key = ? AND digest = ? AND is_removed = 0 ORDER BY key",
        (set_key, digest),
    )
    return [
        Picture(id=row[0], name=row[1], digest=row[2], width=row[3], height=row[4], notes=_notes(row[5]), folder=row[6])
        for row in rows
    ]


def caption_set(db: sqlite3.Connection, set_id: str) -> CaptionSet:
    """A set's name, times and size. Raises: UnknownSet."""
    key = find_set(db, set_id)
    created_at, changed_at, version = db.execute(
        "SELECT created_at, changed_at, version FROM sets WHERE key = ?", (key,)
    ).fetchone()
    return CaptionSet(
        id=set_id,
        name=set_name(db, key),
        created_at=created_at,
        changed_at=changed_at,
        picture_count=picture_count(db, key),
        version=version,
    )


def picture_count(db: sqlite3.Connection, set_key: int) -> int:
    """How many pictures a set shows."""
    asked = "SELECT COUNT(*) FROM pictures WHERE set_key = ? AND is_removed = 0"
    return int(db.execute(asked, (set_key,)).fetchone()[0])


def set_name(db: sqlite3.Connection, set_key: int) -> str:
    """A set's name."""
    set_id, name, stored = db.execute("SELECT id, name, name_checksum FROM sets WHERE key = ?", (set_key,)).fetchone()
    return str(name) if stored == checksum(set_key, set_id, name) else "Damaged name"


def settings_json(db: sqlite3.Connection, set_key: int) -> str:
    """A set's settings, as JSON; those of a new set where they were damaged."""
    settings, stored = db.execute("SELECT settings, settings_checksum FROM sets WHERE key = ?", (set_key,)).fetchone()
    return str(settings) if stored == checksum(set_key, settings) else NO_SETTINGS


def set_damage(db: sqlite3.Connection, set_key: int) -> tuple[str, ...]:
    """What of a set itself was damaged, in sentences; its pictures say so themselves."""
    settings, stored = db.execute("SELECT settings, settings_checksum FROM sets WHERE key = ?", (set_key,)).fetchone()
    if stored == checksum(set_key, settings):
        return ()
    return (
        "the settings of this set were damaged on the disk: the page shows those of a new set; choose yours again, "
        "or put a backup of the workspace in place.",
    )


def text_of(db: sqlite3.Connection, picture_key: int) -> tuple[str | None, int]:
    """A picture's edit and its revision, to be compared and set; a damaged edit is none."""
    text, revision, stored = db.execute(
        "SELECT text, revision, text_checksum FROM pictures WHERE key = ?", (picture_key,)
    ).fetchone()
    return (text, revision) if stored == checksum(text, revision) else (None, _whole_number(revision))


def texts_of(db: sqlite3.Connection, set_key: int) -> dict[str, tuple[int, str | None, int]]:
    """By id: key, edit and revision of every picture of a set that is not removed, as `text_of`."""
    query = "SELECT id, key, text, revision, text_checksum FROM pictures WHERE set_key = ? AND is_removed = 0"
    return read_many(
        db,
        lambda: {
            picture_id: (key, text, revision)
            if stored == checksum(text, revision)
            else (key, None, _whole_number(revision))
            for picture_id, key, text, revision, stored in db.execute(query, (set_key,))
        },
    )


def views(db: sqlite3.Connection, set_key: int, *, removed: bool = False) -> tuple[View, ...]:
    """The pictures of a set in upload order, or the removed ones."""
    where = "WHERE set_key = ? AND is_removed = ? ORDER BY key"
    return read_many(db, lambda: tuple(_views(db.execute(_VIEW + where, (set_key, removed)))))


def view(db: sqlite3.Connection, picture_key: int) -> View:
    """One picture."""
    return next(_views(db.execute(_VIEW + "WHERE key = ?", (picture_key,))))


def changes_since(db: sqlite3.Connection, set_id: str, version: int) -> Changes:
    """What changed in a set after a version. Raises: UnknownSet."""
    set_key = find_set(db, set_id)
    current, name_version, settings_version, gone_version = db.execute(
        "SELECT version, name_version, settings_version, gone_version FROM sets WHERE key = ?", (set_key,)
    ).fetchone()
    is_everything = not 0 <= version <= current or version < gone_version  # which rows went no row says any more
    since = -1 if is_everything else version
    changed: tuple[View, ...] = ()
    removed: list[str] = []
    if since < current:
        where = "WHERE set_key = ? AND version > ? AND is_removed = 0 ORDER BY key"
        changed = read_many(db, lambda: tuple(_views(db.execute(_VIEW + where, (set_key, since)))))
        rows = db.execute(
            "SELECT id FROM pictures WHERE set_key = ? AND version > ? AND is_removed = 1 ORDER BY key",
            (set_key, since),
        )
        removed = [row[0] for row in rows]
    return Changes(
        version=current,
        views=changed,
        removed=tuple(removed),
        settings=json.loads(settings_json(db, set_key)) if settings_version > since else None,
        name=set_name(db, set_key) if name_version > since else None,
        undo=journal.next_undo(db, set_key),
        redo=journal.next_redo(db, set_key),
        is_everything=is_everything,
    )


def _views(rows: sqlite3.Cursor) -> Iterator[View]:
    for row in rows:
        key, _, picture_id, name, digest, width, height, notes, folder, text, revision, existing = row[:12]
        whole, text_sum, existing_sum, state, code, message, layers_version, equal_to, is_reviewed = row[12:]
        is_whole = whole == checksum(*row[:9])
        # Most pictures have neither text, and these two checksums are always the same then.
        is_text_whole = text_sum == (NO_TEXT if text is None and revision == 0 else checksum(text, revision))
        is_existing_whole = existing_sum == (NO_EXISTING if existing == "" else checksum(existing))
        if not (is_whole and is_text_whole and is_existing_whole):
            state, code, message = "failed", DAMAGED_ROW, (_TEXT_DAMAGE if is_whole else _PICTURE_DAMAGE)
        if not is_whole:
            picture_id = picture_id if _is_id(picture_id) else f"{_BY_KEY}{key}"
            name, digest, notes, folder = _words(name), _words(digest), "[]", ""
            width, height = _whole_number(width), _whole_number(height)
        if not is_text_whole:
            text, revision = None, _whole_number(revision)
        if not is_existing_whole:
            existing = ""
        failure = None if code is None else Failure(str(code), str(message))
        about = (picture_id, name, width, height, digest, _notes(notes), text, revision, existing, state)
        yield View(*about, failure, layers_version, equal_to, folder, bool(is_reviewed))


@lru_cache(maxsize=1024)
def _notes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _is_id(value: Any) -> bool:
    """Whether a value from outside can be looked up at all."""
    return isinstance(value, str) and len(value) <= 64 and value.isascii()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def layered_after(db: sqlite3.Connection, set_key: int, last: int, limit: int) -> list[tuple[int, str, int]]:
    """(key, id, layers_version) of the set's next pictures behind the key `last`, in upload order."""
    return db.execute(
        "SELECT key, id, layers_version FROM pictures WHERE set_key = ? AND is_removed = 0 AND key > ?"
        " ORDER BY key LIMIT ?",
        (set_key, last, limit),
    ).fetchall()
