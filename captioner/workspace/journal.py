"""The journal of a set: what every change did, so that it can be undone and done again, also after a restart.

An entry is what one undo takes back; its steps say for each picture and field what was there before and after. Undone
entries are the newest ones and wait for a redo until something else is done. All functions run inside a transaction of
the caller's and know nothing of captions beyond the names of fields.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from captioner.workspace.checksums import checksum, damaged_row
from captioner.workspace.records import Entry, EntryKind

TEXT, EXISTING, IS_REMOVED, IS_REVIEWED = "text", "existing", "is_removed", "is_reviewed"
LAYER, RATING, KIND_TEXT = "layer:", "rating:", "text:"

# What a field's new value changes beside itself. The revision counts changes of the edit only; layers_version those
# of what a caption is composed from; a set's changed_at is the time of the change that goes on. The checksums of edits
# and ratings are written with them, the others' by trigger.
_PICTURE_UPDATES = {
    TEXT: "UPDATE pictures SET text = ?1, version = ?2, revision = revision + 1,"
    " text_checksum = captioner_checksum(?1, revision + 1) WHERE key = ?3",
    EXISTING: "UPDATE pictures SET existing = ?1, version = ?2, layers_version = ?2 WHERE key = ?3",
    IS_REMOVED: "UPDATE pictures SET is_removed = ?1, version = ?2, removed_at ="
    " CASE WHEN ?1 THEN (SELECT changed_at FROM sets WHERE sets.key = set_key) END WHERE key = ?3",
    IS_REVIEWED: "UPDATE pictures SET is_reviewed = ?1, version = ?2 WHERE key = ?3",
}
_RATING_UPDATE = (
    "UPDATE ratings SET rating = ?1, version = ?2, rating_checksum = captioner_checksum(key, ?1)"
    " WHERE key = CAST(?3 AS INTEGER)"
)


class Step(NamedTuple):
    """One picture's field before and after; for a layer the values are keys of layers, None for no layer; for a kind's
    edit that is put away its text, None for none.

    A rating is of one caption of the picture: its field names the row.
    """

    picture_key: int
    field: str
    before: Any
    after: Any


class Top(NamedTuple):
    """The newest entry of a set that is not undone, as far as joining it needs."""

    key: int
    kind: str
    label: str
    changed_at: float
    run_id: str | None


def apply(db: sqlite3.Connection, set_key: int, version: int, values: Iterable[tuple[int, str, Any]]) -> None:
    """Write fields of pictures: the one place where that is done, forward, undoing and redoing.

    Args: version: the set's new version. values: (picture key, field, value).
    """
    by_field: dict[str, list[tuple[Any, int, int]]] = defaultdict(list)
    for picture_key, field, value in values:
        by_field[field].append((value, version, picture_key))
    for field, rows in by_field.items():
        if field in _PICTURE_UPDATES:
            db.executemany(_PICTURE_UPDATES[field], rows)
            continue
        if field.startswith(RATING):
            db.executemany(_RATING_UPDATE, [(value, version, field.removeprefix(RATING)) for value, _, _ in rows])
            continue
        if field.startswith(KIND_TEXT):
            _put_away(db, field.removeprefix(KIND_TEXT), [(picture_key, text) for text, _, picture_key in rows])
            continue
        family = field.removeprefix(LAYER)
        db.executemany(
            "DELETE FROM current_layers WHERE picture_key = ? AND family = ?",
            [(picture_key, family) for value, _, picture_key in rows if value is None],
        )
        db.executemany(
            "INSERT INTO current_layers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET layer_key = excluded.layer_key",
            [(picture_key, family, value) for value, _, picture_key in rows if value is not None],
        )
        db.executemany(
            "UPDATE pictures SET version = ?1, layers_version = ?1 WHERE key = ?2", [row[1:] for row in rows]
        )
    if IS_REMOVED in by_field:  # which picture is the first of several equal ones may have changed
        db.execute(
            "UPDATE pictures SET version = ?1 WHERE set_key = ?2 AND version < ?1 AND digest IN"
            " (SELECT digest FROM pictures WHERE set_key = ?2 AND version = ?1)",
            (version, set_key),
        )


def _put_away(db: sqlite3.Connection, kind: str, texts: Iterable[tuple[int, str | None]]) -> None:
    for picture_key, text in texts:
        db.execute("DELETE FROM kind_texts WHERE picture_key = ? AND kind = ?", (picture_key, kind))
        if text is not None:
            row = (picture_key, kind, text)
            db.execute("INSERT INTO kind_texts VALUES (?, ?, ?, ?)", (*row, checksum(*row)))


def top(db: sqlite3.Connection, set_key: int) -> Top | None:
    """The entry that the next undo takes."""
    row = db.execute(
        "SELECT key, kind, label, changed_at, run_id FROM entries WHERE set_key = ? AND is_undone = 0"
        " ORDER BY key DESC LIMIT 1",
        (set_key,),
    ).fetchone()
    return Top(*row) if row else None


def add(
    db: sqlite3.Connection,
    set_key: int,
    kind: EntryKind,
    label: str,
    now: float,
    *,
    run_id: str | None = None,
    settings: tuple[str, str] | None = None,
) -> int:
    """A new entry without steps; what was undone can no longer be redone. Returns: its key.

    Args: settings: before and after, as JSON, where the entry changes the set's settings.
    """
    _forget_undone(db, set_key)
    before, after = settings or (None, None)
    key = db.execute(
        "INSERT INTO entries (set_key, kind, label, run_id, created_at, changed_at, settings_before, settings_after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (set_key, kind, label, run_id, now, now, before, after),
    ).lastrowid
    assert key is not None
    return key


def join(db: sqlite3.Connection, set_key: int, entry_key: int, now: float) -> None:
    """Say that the newest entry goes on; as with a new one, nothing can be redone any more."""
    _forget_undone(db, set_key)
    db.execute("UPDATE entries SET changed_at = ? WHERE key = ?", (now, entry_key))


def join_settings(db: sqlite3.Connection, set_key: int, entry_key: int, now: float, settings: str) -> None:
    """Let the newest entry, a change of settings, end with other settings; one that ends where it began goes."""
    join(db, set_key, entry_key, now)
    db.execute("UPDATE entries SET settings_after = ? WHERE key = ?", (settings, entry_key))
    db.execute("DELETE FROM entries WHERE key = ? AND settings_before = settings_after", (entry_key,))


def record_run(
    db: sqlite3.Connection,
    set_key: int,
    label: str,
    run_id: str | None,
    now: float,
    version: int,
    layer_steps: Sequence[Step],
) -> Entry:
    """Put stored layers into the entry of their run and make them current, unless that run was undone.

    Where the run has an entry already, that is not necessarily the newest, and what was undone can still be redone.
    It gets another entry where something newer gave one of these pictures a layer of the same family, or a mark,
    meanwhile: the changes of one field stand in the journal in the order in which they happened.
    """
    row = None
    if run_id is not None:
        row = db.execute(
            "SELECT key, is_undone FROM entries WHERE set_key = ? AND run_id = ? ORDER BY key DESC LIMIT 1",
            (set_key, run_id),
        ).fetchone()
    if row is None or any(_is_touched_after(db, set_key, row[0], step) for step in layer_steps):
        entry_key, is_undone = add(db, set_key, "run", label, now, run_id=run_id), False
    else:
        entry_key, is_undone = row
        db.execute("UPDATE entries SET changed_at = ? WHERE key = ?", (now, entry_key))
    record(db, entry_key, layer_steps)
    if not is_undone:
        apply(db, set_key, version, [(step.picture_key, step.field, step.after) for step in layer_steps])
    return entry(db, entry_key)


def record(db: sqlite3.Connection, entry_key: int, steps: Sequence[Step]) -> None:
    """Add steps to an entry; a field it has changed already keeps what was there before the entry."""
    pictures = {step.picture_key for step in steps}
    is_new = db.execute("SELECT 1 FROM steps WHERE entry_key = ? LIMIT 1", (entry_key,)).fetchone() is None
    known = {
        key
        for key in (() if is_new else pictures)
        if db.execute("SELECT 1 FROM steps WHERE entry_key = ? AND picture_key = ?", (entry_key, key)).fetchone()
    }
    db.executemany(
        "INSERT INTO steps (entry_key, picture_key, field, before_value, after_value, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET after_value = excluded.after_value",
        [(entry_key, *step, checksum(entry_key, *step)) for step in steps],
    )
    db.execute("UPDATE entries SET picture_count = picture_count + ? WHERE key = ?", (len(pictures - known), entry_key))


def step_of(db: sqlite3.Connection, entry_key: int, picture_key: int, field: str) -> Step | None:
    """What an entry did to one field of one picture; None where it did not touch it, or that was damaged."""
    row = db.execute(
        "SELECT before_value, after_value, checksum FROM steps WHERE entry_key = ? AND picture_key = ? AND field = ?",
        (entry_key, picture_key, field),
    ).fetchone()
    if row is None or row[2] != checksum(entry_key, picture_key, field, *row[:2]):
        return None
    return Step(picture_key, field, *row[:2])


def drop(db: sqlite3.Connection, entry_key: int) -> None:
    """Take an entry out of the journal that ended where it began."""
    db.execute("DELETE FROM entries WHERE key = ?", (entry_key,))


def steps(db: sqlite3.Connection, entry_key: int) -> list[Step]:
    """An entry's steps, in the order in which the pictures were added. Raises: StoreError: one was damaged."""
    rows = db.execute(
        "SELECT picture_key, field, before_value, after_value, checksum FROM steps WHERE entry_key = ?"
        " ORDER BY picture_key",
        (entry_key,),
    )
    found = []
    for *values, stored in rows:
        if stored != checksum(entry_key, *values):
            raise damaged_row("a step of what would be taken back or done again")
        found.append(Step(*values))
    return found


def check(db: sqlite3.Connection, entry_key: int) -> None:
    """Raises: StoreError: an entry was damaged, so it can be neither undone nor redone."""
    *values, stored = db.execute(
        "SELECT key, set_key, kind, label, run_id, settings_before, settings_after, checksum FROM entries"
        " WHERE key = ?",
        (entry_key,),
    ).fetchone()
    if stored != checksum(*values):
        raise damaged_row("the step that would be taken back or done again")


def next_undo(db: sqlite3.Connection, set_key: int) -> Entry | None:
    """The entry that an undo would take."""
    return next(_entries(db, "WHERE set_key = ? AND is_undone = 0 ORDER BY key DESC LIMIT 1", set_key), None)


def next_redo(db: sqlite3.Connection, set_key: int) -> Entry | None:
    """The entry that a redo would take."""
    return next(_entries(db, "WHERE set_key = ? AND is_undone = 1 ORDER BY key LIMIT 1", set_key), None)


def history(db: sqlite3.Connection, set_key: int, limit: int) -> tuple[Entry, ...]:
    """The entries of a set, newest first, undone ones included."""
    return tuple(_entries(db, "WHERE set_key = ? ORDER BY key DESC LIMIT ?", set_key, limit))


def entry(db: sqlite3.Connection, entry_key: int) -> Entry:
    """One entry by its key."""
    return next(_entries(db, "WHERE key = ?", entry_key))


def gone(db: sqlite3.Connection, entry_key: int) -> int:
    """How many pictures of an entry were deleted for good, and their steps with them."""
    row = db.execute(
        "SELECT picture_count - (SELECT COUNT(DISTINCT picture_key) FROM steps WHERE entry_key = entries.key)"
        " FROM entries WHERE key = ?",
        (entry_key,),
    ).fetchone()
    return max(0, int(row[0]))


def settings_of(db: sqlite3.Connection, entry_key: int) -> tuple[str | None, str | None]:
    """The set's settings before and after an entry, as JSON; None where it did not change them."""
    row = db.execute("SELECT settings_before, settings_after FROM entries WHERE key = ?", (entry_key,)).fetchone()
    return row[0], row[1]


def undo(db: sqlite3.Connection, set_key: int, entry_key: int, version: int) -> list[Step]:
    """Take an entry's steps back. Returns: its steps."""
    taken = steps(db, entry_key)
    apply(db, set_key, version, [(step.picture_key, step.field, step.before) for step in taken])
    db.execute("UPDATE entries SET is_undone = 1 WHERE key = ?", (entry_key,))
    return taken


def redo(db: sqlite3.Connection, set_key: int, entry_key: int, version: int) -> list[Step]:
    """Do an undone entry's steps again. Returns: its steps."""
    taken = steps(db, entry_key)
    found = [
        (current_layer(db, step.picture_key, step.field.removeprefix(LAYER)), entry_key, step.picture_key, step.field)
        for step in taken
        if step.field.startswith(LAYER)
    ]
    db.executemany(  # what is there now, since an older run may have gone on after the undo
        "UPDATE steps SET before_value = ? WHERE entry_key = ? AND picture_key = ? AND field = ?", found
    )
    apply(db, set_key, version, [(step.picture_key, step.field, step.after) for step in taken])
    db.execute("UPDATE entries SET is_undone = 0 WHERE key = ?", (entry_key,))
    return taken


def current_layer(db: sqlite3.Connection, picture_key: int, family: str) -> int | None:
    """The key of a picture's current layer of a family."""
    row = db.execute(
        "SELECT layer_key FROM current_layers WHERE picture_key = ? AND family = ?", (picture_key, family)
    ).fetchone()
    return int(row[0]) if row else None


def _entries(db: sqlite3.Connection, where: str, *values: Any) -> Iterator[Entry]:
    rows = db.execute(
        f"SELECT key, kind, label, created_at, changed_at, is_undone, picture_count FROM entries {where}", values
    )
    for key, kind, label, created_at, changed_at, is_undone, picture_count in rows:
        yield Entry(
            id=key,
            kind=kind,
            label=str(label),
            created_at=created_at,
            changed_at=changed_at,
            picture_count=picture_count,
            is_undone=bool(is_undone),
        )


def _is_touched_after(db: sqlite3.Connection, set_key: int, entry_key: int, step: Step) -> bool:
    """Whether a newer entry that is not undone changed the same field of the same picture."""
    row = db.execute(
        "SELECT 1 FROM entries JOIN steps ON steps.entry_key = entries.key AND steps.picture_key = ? AND field = ?"
        " WHERE set_key = ? AND is_undone = 0 AND entries.key > ? LIMIT 1",
        (step.picture_key, step.field, set_key, entry_key),
    ).fetchone()
    return row is not None


def _forget_undone(db: sqlite3.Connection, set_key: int) -> None:
    """Drop the entries that wait for a redo, and the layers that only they could bring back."""
    undone = [row[0] for row in db.execute("SELECT key FROM entries WHERE set_key = ? AND is_undone = 1", (set_key,))]
    for key in undone:
        layers = db.execute(
            f"SELECT after_value FROM steps WHERE entry_key = ? AND field LIKE '{LAYER}%' AND after_value IS NOT NULL",
            (key,),
        ).fetchall()
        db.execute("DELETE FROM entries WHERE key = ?", (key,))
        db.executemany(
            "DELETE FROM layers WHERE key = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM current_layers WHERE current_layers.layer_key = ?1)",
            layers,
        )
