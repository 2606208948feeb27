"""The edits of a set's kinds of captions: one kind is in front, and the edits of the others are put away meanwhile.

`pictures.text` holds the edit of the kind in front, so that whatever reads and writes edits knows no kinds. Putting
another kind in front exchanges the texts, as steps of the same journal entry as the change of settings.
"""

from __future__ import annotations

import json
import sqlite3

from captioner.records import KIND, MAIN
from captioner.workspace import views as reading
from captioner.workspace.checksums import checksum, read_many
from captioner.workspace.database import Database
from captioner.workspace.journal import KIND_TEXT, TEXT, Step


class KindTexts:
    """The edits that are put away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_set(self, set_id: str) -> dict[str, dict[str, str]]:
        """By kind and picture id, the edits of the kinds that are not in front; a damaged one is none.

        Raises: UnknownSet.
        """
        found: dict[str, dict[str, str]] = {}
        with self._database.read() as db:
            for kind, texts in _put_away(db, reading.find_set(db, set_id)).items():
                found[kind] = dict(texts.values())
        return found

    def of_picture(self, set_id: str, picture_id: str) -> dict[str, str]:
        """By kind, the edits of a picture that are put away. Raises: UnknownSet, UnknownPicture."""
        with self._database.read() as db:
            key = reading.find_picture(db, set_id, picture_id)
            rows = db.execute("SELECT kind, text, checksum FROM kind_texts WHERE picture_key = ?", (key,)).fetchall()
        return {kind: text for kind, text, stored in rows if stored == checksum(key, kind, text)}


def exchanged(db: sqlite3.Connection, set_key: int, before: str, after: str) -> list[Step]:
    """The steps that change one kind's edits for another's; none where the kind stays. Args: before, after: settings
    as JSON."""
    old, new = _kind_in(before), _kind_in(after)
    if old == new:
        return []
    waiting = _put_away(db, set_key).get(new, {})
    steps = []
    rows = db.execute(
        "SELECT key, text, revision, text_checksum FROM pictures WHERE set_key = ?", (set_key,)
    ).fetchall()
    for key, text, revision, stored in rows:
        fetched = waiting[key][1] if key in waiting else None
        if stored != checksum(text, revision) or (text is None and fetched is None):
            continue  # a damaged edit stays where it says so
        steps.append(Step(key, TEXT, text, fetched))
        if text is not None:
            steps.append(Step(key, KIND_TEXT + old, None, text))
        if fetched is not None:
            steps.append(Step(key, KIND_TEXT + new, fetched, None))
    return steps


def _put_away(db: sqlite3.Connection, set_key: int) -> dict[str, dict[int, tuple[str, str]]]:
    """By kind and picture key: picture id, text."""
    query = (
        "SELECT kind_texts.picture_key, kind, kind_texts.text, kind_texts.checksum, pictures.id FROM kind_texts"
        " JOIN pictures ON pictures.key = picture_key WHERE set_key = ?"
    )
    found: dict[str, dict[int, tuple[str, str]]] = {}
    for key, kind, text, stored, picture_id in read_many(db, lambda: db.execute(query, (set_key,)).fetchall()):
        if stored == checksum(key, kind, text):
            found.setdefault(kind, {})[key] = (picture_id, text)
    return found


def _kind_in(settings: str) -> str:
    return str(json.loads(settings).get(KIND, MAIN))
