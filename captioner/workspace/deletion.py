"""Deleting a set or removed pictures for good: their rows in one transaction, which also notes the picture files that
nobody needs then.

The files go after that, so that a kill in between leaves files without rows, never rows without files; what is noted
is finished when the workspace opens next. Only noted files are ever deleted: a file that no row knows may belong to a
database that was put away for a moment.
"""

from __future__ import annotations

import sqlite3

from captioner.workspace.database import Database
from captioner.workspace.files import PictureFiles

FILES_AT_ONCE = 500  # files that are deleted while nobody else can write

_OF_SET = "picture_key IN (SELECT key FROM pictures WHERE set_key = ?)"
_OF_PICTURE = ("ratings", "readings", "kind_texts", "current_layers", "layers")


def delete_rows(db: sqlite3.Connection, set_key: int) -> None:
    """Delete a set with all it has, and note its files. Foreign keys must be off: each row would be looked up."""
    db.execute("INSERT OR IGNORE INTO unused_files SELECT DISTINCT digest FROM pictures WHERE set_key = ?", (set_key,))
    db.execute("DELETE FROM steps WHERE entry_key IN (SELECT key FROM entries WHERE set_key = ?)", (set_key,))
    db.execute("DELETE FROM entries WHERE set_key = ?", (set_key,))
    db.execute("DELETE FROM sweep_cells WHERE sweep_key IN (SELECT key FROM sweeps WHERE set_key = ?)", (set_key,))
    db.execute("DELETE FROM sweeps WHERE set_key = ?", (set_key,))
    db.execute("DELETE FROM jobs WHERE set_key = ?", (set_key,))
    for table in _OF_PICTURE:
        db.execute(f"DELETE FROM {table} WHERE {_OF_SET}", (set_key,))
    db.execute("DELETE FROM pictures WHERE set_key = ?", (set_key,))
    db.execute("DELETE FROM sets WHERE key = ?", (set_key,))


def delete_removed_rows(db: sqlite3.Connection, set_key: int, before: float | None = None) -> int:
    """Delete what was removed from a set, with all it has, and note its files. Foreign keys must be off, as above.

    The journal keeps its entries, without the steps of these pictures: `journal.gone` counts them.

    Args: before: only what was removed until then. Returns: how many pictures went.
    """
    which = "set_key = ?1 AND is_removed = 1 AND (?2 IS NULL OR removed_at <= ?2)"
    values = (set_key, before)
    count, version = db.execute(f"SELECT COUNT(*), MAX(version) FROM pictures WHERE {which}", values).fetchone()
    if not count:
        return 0
    keys = f"picture_key IN (SELECT key FROM pictures WHERE {which})"
    db.execute(f"INSERT OR IGNORE INTO unused_files SELECT DISTINCT digest FROM pictures WHERE {which}", values)
    db.execute(f"DELETE FROM steps WHERE entry_key IN (SELECT key FROM entries WHERE set_key = ?1) AND {keys}", values)
    of_sweeps = "sweep_key IN (SELECT key FROM sweeps WHERE set_key = ?1)"
    db.execute(f"DELETE FROM sweep_cells WHERE {of_sweeps} AND {keys}", values)
    for table in _OF_PICTURE:
        db.execute(f"DELETE FROM {table} WHERE {keys}", values)
    db.execute(f"DELETE FROM pictures WHERE {which}", values)
    db.execute("UPDATE sets SET gone_version = MAX(gone_version, ?2) WHERE key = ?1", (set_key, version))
    return int(count)


def noted(db: sqlite3.Connection, limit: int) -> list[tuple[str, bool]]:
    """The next noted files, by digest, and whether a set has such a picture (again)."""
    rows = db.execute(
        "SELECT digest, EXISTS (SELECT 1 FROM sets JOIN pictures ON pictures.set_key = sets.key"
        " AND pictures.digest = unused_files.digest) FROM unused_files LIMIT ?",
        (limit,),
    )
    return [(digest, bool(is_used)) for digest, is_used in rows]


def forget(db: sqlite3.Connection, digests: list[str]) -> None:
    """Take files off the list."""
    db.executemany("DELETE FROM unused_files WHERE digest = ?", [(digest,) for digest in digests])


def discard_files(database: Database, files: PictureFiles) -> None:
    """Delete the files that deleted sets and pictures have left, unless an upload goes on: the next time then."""
    while True:
        with database.read() as db:
            if not noted(db, 1):
                return
        with database.write() as db:
            found = noted(db, FILES_AT_ONCE)
            if not files.discard(digest for digest, is_used in found if not is_used):
                return
            forget(db, [digest for digest, _ in found])
