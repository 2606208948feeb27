"""What changes a set, each inside a transaction of the caller's: edits, settings, removals, layers, undo and redo.

Every change counts the set's version up and stands in the journal. Edits are compared and set: a text that somebody
else changed meanwhile is never overwritten. Knows no file and no clock: `now` is seconds since 1970.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from captioner.errors import StoreError
from captioner.records import Layer
from captioner.workspace import journal, kinds
from captioner.workspace import views as reading
from captioner.workspace.checks import differing_settings
from captioner.workspace.journal import EXISTING, IS_REMOVED, IS_REVIEWED, LAYER, TEXT, Step
from captioner.workspace.layers import Labels, to_row
from captioner.workspace.records import Applied, Change, EntryKind, Failure, Saved

IMPORT_LABEL = "Import captions"
SETTINGS_JOIN_WITHIN_S = 2.0  # a slider that is being dragged is one undo step


def new_version(db: sqlite3.Connection, set_key: int, now: float) -> int:
    """Count a change of the set; what it changes carries this number."""
    db.execute("UPDATE sets SET version = version + 1, changed_at = ? WHERE key = ?", (now, set_key))
    return int(db.execute("SELECT version FROM sets WHERE key = ?", (set_key,)).fetchone()[0])


def save_edit(
    db: sqlite3.Connection,
    set_id: str,
    edit: tuple[str, str | None, int],
    now: float,
    *,
    label: str,
    is_autosave: bool,
) -> Saved:
    """Store one edit, or say what is there. Args: edit: picture id, text, the revision it was written on."""
    picture_id, text, base_revision = edit
    set_key = reading.find_set(db, set_id)
    key = reading.find_picture(db, set_id, picture_id)
    before, revision = reading.text_of(db, key)
    if before == text:
        return Saved(True, revision)
    if revision != base_revision:
        return Saved(False, revision, before)
    journal.apply(db, set_key, new_version(db, set_key, now), [(key, TEXT, text)])
    _record_edit(db, set_key, Step(key, TEXT, before, text), label, now, is_autosave)
    return Saved(True, revision + 1)


def apply_edits(
    db: sqlite3.Connection,
    set_id: str,
    changes: Mapping[str, str | None],
    label: str,
    now: float,
    *,
    revisions: Mapping[str, int] | None,
) -> Applied:
    """Change the edits of many pictures as one entry, all of them or, where a revision is another one, none."""
    set_key = reading.find_set(db, set_id)
    stored = reading.texts_of(db, set_key)
    steps, new_revisions, conflicts = [], {}, []
    for picture_id, text in changes.items():
        if picture_id not in stored:
            reading.find_picture(db, set_id, picture_id)  # says in which way it is unknown
        key, before, revision = stored[picture_id]
        if revisions is not None and revisions.get(picture_id) != revision:
            conflicts.append(picture_id)
        if before != text:
            steps.append((picture_id, Step(key, TEXT, before, text)))
            new_revisions[picture_id] = revision + 1
    if conflicts:
        return Applied(ok=False, entry=None, revisions={}, conflicts=tuple(conflicts))
    change = write_steps(db, set_key, "bulk", label, now, steps)
    return Applied(ok=True, entry=change.entry, revisions=new_revisions)


def set_existing(
    db: sqlite3.Connection,
    set_id: str,
    captions: Mapping[str, str],
    now: float,
    *,
    upload_id: str = "",
    is_where_none: bool = False,
) -> Change:
    """Store captions that came beside pictures, by picture id, in the newest entry if that is of the same upload.

    Args: is_where_none: only of pictures that have none.
    """
    set_key = reading.find_set(db, set_id)
    steps = []
    for picture_id, text in captions.items():
        key = reading.find_picture(db, set_id, picture_id)
        before = reading.view(db, key).existing
        if before != text and not (is_where_none and before):
            steps.append((picture_id, Step(key, EXISTING, before, text)))
    return write_steps(db, set_key, "import", IMPORT_LABEL, now, steps, run_id=upload_id or None)


def set_removed(
    db: sqlite3.Connection, set_id: str, picture_ids: Iterable[str], label: str, now: float, *, is_removed: bool
) -> Change:
    """Take pictures out of the set, or bring them back."""
    set_key = reading.find_set(db, set_id)
    steps = []
    for picture_id in dict.fromkeys(picture_ids):
        key = reading.find_picture(db, set_id, picture_id, is_removed_too=True)
        before = db.execute("SELECT is_removed FROM pictures WHERE key = ?", (key,)).fetchone()[0]
        if bool(before) != is_removed:
            steps.append((picture_id, Step(key, IS_REMOVED, before, int(is_removed))))
    return write_steps(db, set_key, "remove" if is_removed else "restore", label, now, steps)


def set_settings(db: sqlite3.Connection, set_id: str, after: str, label: str, now: float) -> None:
    """Replace the set's settings (JSON); changes of the same names in quick succession are one entry.

    Where they put another kind of caption in front, its edits take the place of those that were shown.
    """
    set_key = reading.find_set(db, set_id)
    before = reading.settings_json(db, set_key)
    if before == after:
        return
    version = new_version(db, set_key, now)
    _write_settings(db, set_key, version, after)
    if steps := kinds.exchanged(db, set_key, before, after):
        entry_key = journal.add(db, set_key, "settings", label, now, settings=(before, after))
        journal.record(db, entry_key, steps)
        journal.apply(db, set_key, version, [(step.picture_key, step.field, step.after) for step in steps])
        return
    top = journal.top(db, set_key)
    is_like_top = top is not None and (top.kind, top.label) == ("settings", label)
    if top is not None and is_like_top and now - top.changed_at <= SETTINGS_JOIN_WITHIN_S:
        first, last = journal.settings_of(db, top.key)
        if (
            first is not None
            and last is not None
            and differing_settings(first, last) == differing_settings(before, after)
        ):
            journal.join_settings(db, set_key, top.key, now, after)
            return
    journal.add(db, set_key, "settings", label, now, settings=(before, after))


def put_layers(
    db: sqlite3.Connection,
    set_id: str,
    layers: Sequence[Layer],
    failures: Mapping[str, Failure],
    now: float,
    *,
    run: tuple[str | None, str],
    labels: Labels,
    fresh: dict[tuple[str, str, str], int],
    replaces_edits: bool = False,
    unreviewed: Collection[str] = (),
) -> Change:
    """Make layers the current ones of their pictures.

    Args: run: its id and label. fresh: see `Labels.keys`. unreviewed: pictures whose caption is another one now, unless
        it is an edit: they lose the reviewer's mark.
    """
    run_id, label = run
    set_key = reading.find_set(db, set_id)
    version = new_version(db, set_key, now)
    pictures = {
        picture_id: reading.find_picture(db, set_id, picture_id, is_removed_too=True)
        for picture_id in dict.fromkeys([*(layer.picture_id for layer in layers), *failures])
    }
    entry = None
    if layers:
        steps = []
        for layer in {(layer.picture_id, layer.key): layer for layer in layers}.values():
            key = pictures[layer.picture_id]
            before = journal.current_layer(db, key, layer.key)
            steps.append(Step(key, LAYER + layer.key, before, to_row(db, key, layer, labels, fresh)))
        for key in pictures.values() if replaces_edits else ():
            text, _ = reading.text_of(db, key)
            if text is not None:
                steps.append(Step(key, TEXT, text, None))
        for key in (pictures[picture_id] for picture_id in unreviewed):
            if db.execute("SELECT is_reviewed AND text IS NULL FROM pictures WHERE key = ?", (key,)).fetchone()[0]:
                steps.append(Step(key, IS_REVIEWED, 1, 0))
        entry = journal.record_run(db, set_key, label, run_id, now, version, steps)
    for layer in layers:
        _write_failure(db, pictures[layer.picture_id], version, None)
    for picture_id, failure in failures.items():
        _write_failure(db, pictures[picture_id], version, failure)
    return Change(entry=entry, picture_ids=tuple(pictures), version=version)


def travel(db: sqlite3.Connection, set_id: str, expected: int | None, now: float, *, is_undo: bool) -> Change | None:
    """Undo the newest entry, or redo the one undone last; None where there is none. Pictures that were deleted for good
    are passed over and counted.

    Raises: StoreError: it is not the expected one; nothing was done.
    """
    set_key = reading.find_set(db, set_id)
    entry = journal.next_undo(db, set_key) if is_undo else journal.next_redo(db, set_key)
    if expected is not None and (entry is None or entry.id != expected):
        raise StoreError(
            "something else was done meanwhile, so nothing was taken back or done again; look and try again.",
            code="journal_moved",
        )
    if entry is None:
        return None
    journal.check(db, entry.id)
    version = new_version(db, set_key, now)
    steps = (journal.undo if is_undo else journal.redo)(db, set_key, entry.id, version)
    before, after = journal.settings_of(db, entry.id)
    settings = before if is_undo else after
    if settings is not None:
        _write_settings(db, set_key, version, settings)
    keys = dict.fromkeys(step.picture_key for step in steps)
    ids = dict(db.execute("SELECT key, id FROM pictures WHERE set_key = ?", (set_key,)).fetchall())
    return Change(
        entry=journal.entry(db, entry.id),
        picture_ids=tuple(ids[key] for key in keys),
        version=version,
        gone=journal.gone(db, entry.id),
    )


def write_steps(
    db: sqlite3.Connection,
    set_key: int,
    kind: EntryKind,
    label: str,
    now: float,
    steps: Sequence[tuple[str, Step]],
    *,
    run_id: str | None = None,
) -> Change:
    """Write steps (with their pictures' ids) as one entry, the newest one if it is of this run; no steps are none."""
    version = new_version(db, set_key, now)
    entry = None
    if steps:
        top = journal.top(db, set_key)
        if run_id is not None and top is not None and (top.kind, top.run_id) == (kind, run_id):
            entry_key = top.key
            journal.join(db, set_key, entry_key, now)
        else:
            entry_key = journal.add(db, set_key, kind, label, now, run_id=run_id)
        journal.record(db, entry_key, [step for _, step in steps])
        journal.apply(db, set_key, version, [(step.picture_key, step.field, step.after) for _, step in steps])
        entry = journal.entry(db, entry_key)
    return Change(entry=entry, picture_ids=tuple(picture_id for picture_id, _ in steps), version=version)


def _record_edit(db: sqlite3.Connection, set_key: int, step: Step, label: str, now: float, is_autosave: bool) -> None:
    """Put a saved edit into the journal: into the newest entry where that is this picture's autosave too.

    The first letter of a new edit and the removal of one begin an entry of their own.
    """
    top = journal.top(db, set_key)
    if is_autosave and step.before is not None and step.after is not None and top and top.kind == "edit":
        earlier = journal.step_of(db, top.key, step.picture_key, TEXT)
        if earlier is not None:
            journal.join(db, set_key, top.key, now)
            journal.record(db, top.key, [step])
            if earlier.before == step.after:
                journal.drop(db, top.key)
            return
    kind: EntryKind = "edit" if is_autosave and step.after is not None else "change"
    journal.record(db, journal.add(db, set_key, kind, label, now), [step])


def _write_settings(db: sqlite3.Connection, set_key: int, version: int, settings: str) -> None:
    db.execute("UPDATE sets SET settings = ?, settings_version = ? WHERE key = ?", (settings, version, set_key))


def _write_failure(db: sqlite3.Connection, picture_key: int, version: int, failure: Failure | None) -> None:
    code, message = failure or (None, None)
    db.execute(
        "UPDATE pictures SET failure_code = ?, failure_message = ?, version = ? WHERE key = ?",
        (code, message, version, picture_key),
    )
