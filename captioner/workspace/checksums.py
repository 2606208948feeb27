"""A checksum for each unit of a row that is written whole, so that damage on the disk is told from what was stored.

The triggers of the schema keep checksums up to date through `captioner_checksum`, which every connection has; those of
edits, of the journal's steps and of the lab's tables are written with them. Who reads a row compares. Damage of one
picture's row costs that picture (code damaged_row), not its set. Knows no transaction.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from operator import methodcaller
from typing import Any, TypeVar

from captioner.errors import StoreError
from captioner.workspace.records import DAMAGED_ROW

Result = TypeVar("Result")

CHECKED = {
    "sets": {"name_checksum": "key, id, name", "settings_checksum": "key, settings"},
    "pictures": {
        "checksum": "key, set_key, id, name, digest, width, height, notes, folder",
        "text_checksum": "text, revision",
        "existing_checksum": "existing",
    },
    "labels": {"checksum": "key, name, category, source"},
    "layers": {"checksum": "key, picture_key, family, model, model_revision, run_settings, sentence, tags"},
    "entries": {"checksum": "key, set_key, kind, label, run_id, settings_before, settings_after"},
    "steps": {"checksum": "entry_key, picture_key, field, before_value, after_value"},
    "sweeps": {
        "name_checksum": "key, id, name",
        "grid_checksum": "key, set_key, id, grid",
        "outcome_checksum": "key, outcome",
    },
    "sweep_cells": {"checksum": "sweep_key, picture_key, cell, caption, content"},
    "ratings": {"checksum": "key, picture_key, caption, made_by", "rating_checksum": "key, rating"},
    "readings": {"checksum": "picture_key, caption, read_by, content"},
    "jobs": {"checksum": "key, set_key, kind, request"},
    "kind_texts": {"checksum": "picture_key, kind, text"},
}
"""By table and checksum column: the columns it is made of, in order."""


_SPELT = tuple("%s\0" * count for count in range(12))


def checksum(*values: int | float | str | bytes | None) -> int:
    """CRC-32 of values as SQLite gives them: equal values give equal numbers, on every machine. A third of a us."""
    return zlib.crc32((_SPELT[len(values)] % values).encode("utf-8", "surrogatepass"))


_forgiving = methodcaller("decode", "utf-8", "replace")


def prepare(connection: sqlite3.Connection) -> None:
    """Let a connection write checksums, and read text that is no UTF-8 any more: with U+FFFD, so that it is noticed."""
    connection.create_function("captioner_checksum", -1, checksum, deterministic=True)
    connection.execute("PRAGMA trusted_schema = ON")  # some systems build SQLite so that triggers may call nothing
    connection.text_factory = _forgiving


def read_many(db: sqlite3.Connection, read: Callable[[], Result]) -> Result:
    """What a function reads from a prepared connection, in less time where it reads thousands of texts.

    SQLite's module decodes UTF-8 by itself; only where a text is none any more a function of ours does. `read` may be
    called twice.
    """
    db.text_factory = str
    try:
        return read()
    except sqlite3.OperationalError:  # a text that is no UTF-8, or what is raised again below
        pass
    finally:
        db.text_factory = _forgiving
    return read()


def damaged_row(what: str) -> StoreError:
    """The one error for a row that is not as it was written. Args: what: the subject of the sentence."""
    return StoreError(
        f"{what} was damaged on the disk and cannot be used; a backup of the workspace may still have it.",
        code=DAMAGED_ROW,
    )


def find_damage(db: sqlite3.Connection) -> str | None:
    """What is wrong with a file of the newest schema, by looking at all of it; None where it is whole."""
    try:
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            return " ".join(str(found).split())
        if db.execute("PRAGMA foreign_key_check").fetchone() is not None:
            return "a row refers to one that is not there"
        for table, checked in CHECKED.items():
            types = {row[1]: row[2] for row in db.execute(f"PRAGMA table_info({table})")}
            names = list(types)
            for row in db.execute(f"SELECT * FROM {table}"):
                values = dict(zip(names, row, strict=True))
                if not _is_whole(values, checked, types):
                    return f"a row of {table} is not as it was written"
    except sqlite3.Error as error:
        return str(error)
    return None


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (float,), "TEXT": (str,), "BLOB": (bytes,)}


def _is_whole(values: dict[str, Any], checked: dict[str, str], types: dict[str, str]) -> bool:
    for column, value in values.items():
        if value is not None and types[column] and not isinstance(value, _PYTHON_TYPES[types[column]]):
            return False
    return all(
        values[column] == checksum(*(values[name] for name in names.split(", "))) for column, names in checked.items()
    )
