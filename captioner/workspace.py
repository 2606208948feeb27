"""A person's work, durable: caption sets with pictures, layers, settings, edits, and a journal to undo and redo.

What a method has returned is on the disk, through a kill as through a power cut. Edits are compared and set: whoever
saves names the revision the text was written on, and a text that somebody else changed meanwhile is never
overwritten. Safe to use from many threads; one process at a time holds a workspace. Knows no Gradio and no model, and
does not compose captions (`captions.review` does, from what `views` and `all_layers` give).

Beside this file: workspace_records (what is handed out), workspace_database (opening, transactions), workspace_schema
(tables, migrations), workspace_journal (undo), workspace_views (reading), workspace_layers (layers as rows, cache),
workspace_files (pictures on the disk), workspace_checks (what may be stored).
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from captioner import workspace_journal as journal
from captioner import workspace_views as reading
from captioner.errors import BadPicture, SettingsError, StoreError, UnknownSet
from captioner.records import Layer, Picture
from captioner.workspace_checks import check_caption, check_revision, differing_settings, settings_json, storable_name
from captioner.workspace_database import Database
from captioner.workspace_files import PictureFiles
from captioner.workspace_journal import EXISTING, IS_REMOVED, LAYER, TEXT, Step
from captioner.workspace_layers import LAYER_COLUMNS, Labels, LayerCache, from_row, to_row
from captioner.workspace_records import (
    Added,
    Applied,
    CaptionSet,
    Change,
    Changes,
    Entry,
    EntryKind,
    Failure,
    Refused,
    Saved,
    Upload,
    View,
)

__all__ = ["Workspace", "default_folder"]

SETTINGS_JOIN_WITHIN_S = 2.0  # a slider that is being dragged is one undo step
PREPARING_THREADS = min(4, os.cpu_count() or 1)  # Pillow decodes and shrinks outside Python's lock
LAYERS_AT_ONCE = 500  # pictures whose layers one read transaction fetches
LAYERS_ONE_BY_ONE = 64  # of so many pictures layers are read singly; for more, those of the whole set are gone through
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"  # safe in any file system, URL and HTML
_PICTURE_ID_LENGTH = 12  # 60 bits


def default_folder() -> Path:
    """Where a workspace lies unless a folder is given: in the user's data folder, as each system has it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "Captioner"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Captioner"
    base = os.environ.get("XDG_DATA_HOME", "")
    # A relative path there is invalid and to be ignored, says the XDG base directory specification.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "captioner"


class Workspace:
    """All caption sets in a folder, made where there is none.

    Args: folder: None for `default_folder()`. clock: seconds since 1970, for tests.
    Raises: StoreError: another process has the folder, its database is damaged or of a newer Captioner, or it cannot
        be written. Every method raises StoreError where the disk is full or failing; what was there stays.
    """

    def __init__(self, folder: Path | str | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self._clock = clock
        self._database = Database(self.folder)
        self._files = PictureFiles(self.folder)
        self._labels = Labels()
        self._cache = LayerCache()

    def close(self) -> None:
        """Let the folder go."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Sets

    def create_set(self, name: str = "", settings: Mapping[str, Any] | None = None) -> str:
        """A new empty set. Returns: its id, 128 random bits: who knows it may see and change the set.

        Args: settings: what it begins with, see `set_settings`; no journal entry, so that no undo takes them away.
        """
        set_id, now = secrets.token_urlsafe(16), self._clock()
        with self._database.write() as db:
            db.execute(
                "INSERT INTO sets (id, name, settings, created_at, changed_at, version, name_version, settings_version)"
                " VALUES (?, ?, ?, ?, ?, 1, 1, 1)",
                (set_id, storable_name(name), settings_json(settings or {}), now, now),
            )
        return set_id

    def rename_set(self, set_id: str, name: str) -> None:
        """Give a set another name; the journal does not know of it."""
        name = storable_name(name)
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            version = self._new_version(db, set_key)
            db.execute("UPDATE sets SET name = ?, name_version = ? WHERE key = ?", (name, version, set_key))

    def find_set(self, set_id: str) -> CaptionSet:
        """Name, times and size of a set. Raises: UnknownSet."""
        with self._database.read() as db:
            return reading.caption_set(db, set_id)

    def sets(self, set_ids: Iterable[str]) -> tuple[CaptionSet, ...]:
        """The sets of these ids, as given; ids that nobody knows are left out (they came from another workspace)."""
        found = []
        with self._database.read() as db:
            for set_id in set_ids:
                try:
                    found.append(reading.caption_set(db, set_id))
                except UnknownSet:
                    continue
        return tuple(found)

    def settings(self, set_id: str) -> dict[str, Any]:
        """The set's stored settings, a flat mapping; empty for a new set."""
        with self._database.read() as db:
            return dict(json.loads(_settings_json(db, reading.find_set(db, set_id))))

    def set_settings(self, set_id: str, settings: Mapping[str, Any], *, label: str = "Settings") -> None:
        """Replace the set's settings, as one journal entry; changes of the same names in quick succession are one.

        Args: settings: flat, values as JSON has them. What they mean is not checked here. label: only changes of the
            same label become one entry.
        """
        after = settings_json(settings)
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            before = _settings_json(db, set_key)
            if before == after:
                return
            version = self._new_version(db, set_key)
            _write_settings(db, set_key, version, after)
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

    # Pictures

    def add_picture(self, set_id: str, name: str, data: bytes, existing: str = "") -> Picture:
        """Store a picture: its bytes as they are, and a thumbnail. Equal pictures are all kept.

        Args: name: the file's name as data; it is never used as a path. existing: the caption that came beside it.
        Raises: UnknownSet. BadPicture: see `captioner.images` for its codes.
        """
        with self._database.read() as db:
            reading.find_set(db, set_id)
        prepared = self._prepare(Upload(name, data, existing))
        with self._database.write() as db:
            self._insert(db, set_id, [prepared])
        return prepared[0]

    def add_pictures(self, set_id: str, uploads: Iterable[Upload]) -> list[Added]:
        """Store several pictures at once, faster than one by one. One bad file costs one file.

        Returns: for each upload, in order, the picture or why it was refused.
        """
        with self._database.read() as db:
            reading.find_set(db, set_id)
        with ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="add-pictures") as pool:
            prepared = list(pool.map(self._prepare_or_refuse, uploads))
        with self._database.write() as db:
            self._insert(db, set_id, [one for one in prepared if not isinstance(one, Refused)])
        return [one if isinstance(one, Refused) else one[0] for one in prepared]

    def pictures(self, set_id: str) -> tuple[Picture, ...]:
        """The set's pictures in upload order."""
        return tuple(
            Picture(id=v.id, name=v.name, digest=v.digest, width=v.width, height=v.height, notes=v.notes)
            for v in self.views(set_id)
        )

    def picture_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture's original bytes; also of a removed one. Raises: UnknownSet, UnknownPicture."""
        return self._files.picture(self._digest(set_id, picture_id))

    def picture_path(self, set_id: str, picture_id: str) -> Path:
        """Where the original bytes are, to be read and never written. Raises: UnknownSet, UnknownPicture."""
        return self._files.path(self._digest(set_id, picture_id))

    def thumbnail_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture's thumbnail as WebP; also of a removed one. Raises: UnknownSet, UnknownPicture."""
        digest = self._digest(set_id, picture_id)
        return self._files.thumbnail(digest, lambda: _thumbnail(self._files.picture(digest)))

    def remove_pictures(self, set_id: str, picture_ids: Iterable[str], *, label: str = "Remove") -> Change:
        """Take pictures out of the set, as one journal entry; nothing is deleted, so that undo brings all back."""
        return self._set_removed(set_id, picture_ids, True, "remove", label)

    def restore_pictures(self, set_id: str, picture_ids: Iterable[str], *, label: str = "Restore") -> Change:
        """Bring removed pictures back with edits and layers, as one journal entry."""
        return self._set_removed(set_id, picture_ids, False, "restore", label)

    def removed(self, set_id: str) -> tuple[View, ...]:
        """The pictures that were removed and can be restored, in upload order."""
        with self._database.read() as db:
            return reading.views(db, reading.find_set(db, set_id), removed=True)

    def set_existing(self, set_id: str, captions: Mapping[str, str], *, label: str = "Import captions") -> Change:
        """Store captions that came beside pictures (sidecar files), by picture id, as one journal entry."""
        for text in captions.values():
            check_caption(text)
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            steps = []
            for picture_id, text in captions.items():
                key = reading.find_picture(db, set_id, picture_id)
                before = db.execute("SELECT existing FROM pictures WHERE key = ?", (key,)).fetchone()[0]
                if before != text:
                    steps.append((picture_id, Step(key, EXISTING, before, text)))
            return self._do(db, set_key, "import", label, now, steps)

    # Reading

    def views(self, set_id: str) -> tuple[View, ...]:
        """All a grid shows of the set's pictures, in upload order, without composed text. Raises: UnknownSet."""
        with self._database.read() as db:
            return reading.views(db, reading.find_set(db, set_id))

    def view(self, set_id: str, picture_id: str) -> View:
        """The same for one picture. Raises: UnknownSet, UnknownPicture."""
        with self._database.read() as db:
            return reading.view(db, reading.find_picture(db, set_id, picture_id))

    def changes_since(self, set_id: str, version: int) -> Changes:
        """What changed after a version, cheap where nothing did. Raises: UnknownSet."""
        with self._database.read() as db:
            return reading.changes_since(db, set_id, version)

    # Layers

    def put_layers(
        self,
        set_id: str,
        layers: Sequence[Layer],
        *,
        run_id: str | None = None,
        label: str = "Caption",
        failures: Mapping[str, Failure] | None = None,
    ) -> Change:
        """Make layers the current ones of their pictures and families; edits and revisions stay as they are.

        Calls with one run id are one journal entry. A run that was undone while it goes on stays undone: what it
        still brings comes with the redo. Layers for a removed picture are kept for when it comes back.
        Args: failures: by picture id, why this step gave nothing; a layer clears an earlier failure of its picture.
        """
        now = self._clock()
        fresh: dict[tuple[str, str, str], int] = {}
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            version = self._new_version(db, set_key)
            pictures = {
                picture_id: reading.find_picture(db, set_id, picture_id, is_removed_too=True)
                for picture_id in dict.fromkeys([*(layer.picture_id for layer in layers), *(failures or {})])
            }
            entry = None
            if layers:
                steps = [
                    self._layer_step(db, pictures[layer.picture_id], layer, fresh)
                    for layer in {(layer.picture_id, layer.family): layer for layer in layers}.values()
                ]
                entry = journal.record_run(db, set_key, label, run_id, now, version, steps)
            for layer in layers:
                _write_failure(db, pictures[layer.picture_id], version, None)
            for picture_id, failure in (failures or {}).items():
                _write_failure(db, pictures[picture_id], version, failure)
        self._labels.remember(fresh)
        return Change(entry=entry, picture_ids=tuple(pictures), version=version)

    def put_failure(self, set_id: str, picture_id: str, failure: Failure) -> Change:
        """Store why a picture got nothing; the next successful run clears it."""
        return self.put_layers(set_id, (), failures={picture_id: failure})

    def layers(self, set_id: str, picture_id: str) -> tuple[Layer, ...]:
        """The current layers of a picture, one a family, sorted by family. Raises: UnknownSet, UnknownPicture."""
        with self._database.read() as db:
            set_key = reading.find_set(db, set_id)
            key = reading.find_picture(db, set_id, picture_id)
            version = db.execute("SELECT layers_version FROM pictures WHERE key = ?", (key,)).fetchone()[0]
            return self._parsed(db, set_key, [(key, picture_id, version)])[picture_id]

    def all_layers(self, set_id: str) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """(picture id, its current layers) for every picture of the set in upload order, from memory where they are.

        Pictures without layers come too, with (). A set is read in pieces: one that changes meanwhile gives some
        pictures as they were and some as they are.
        """
        last = 0
        while True:
            with self._database.read() as db:
                set_key = reading.find_set(db, set_id)
                rows = db.execute(
                    "SELECT key, id, layers_version FROM pictures WHERE set_key = ? AND is_removed = 0 AND key > ?"
                    " ORDER BY key LIMIT ?",
                    (set_key, last, LAYERS_AT_ONCE),
                ).fetchall()
                parsed = self._parsed(db, set_key, rows)
            if not rows:
                return
            last = rows[-1][0]
            yield from parsed.items()

    def layers_of(self, set_id: str, picture_ids: Collection[str]) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """(picture id, its current layers) for some pictures of the set, given in upload order; as `all_layers`.

        Raises: UnknownSet. UnknownPicture: one of few pictures is not there; of many it is left out.
        """
        if len(picture_ids) > LAYERS_ONE_BY_ONE:
            wanted = set(picture_ids)
            yield from ((picture_id, layers) for picture_id, layers in self.all_layers(set_id) if picture_id in wanted)
        else:
            for picture_id in picture_ids:
                yield picture_id, self.layers(set_id, picture_id)

    # Edits

    def save_edit(
        self,
        set_id: str,
        picture_id: str,
        text: str | None,
        base_revision: int,
        *,
        label: str = "Edit",
        is_autosave: bool = True,
    ) -> Saved:
        """Store what the person wrote, unless somebody changed it since the revision it was written on.

        A text that is stored already is no conflict, whatever the revision: an answer may have been lost on the way.
        Args:
            text: None removes the edit, "" is an empty one; at most 10,000 characters.
            is_autosave: autosaves of one picture in a row are one undo step; say False for what a button did.
        Raises: UnknownSet, UnknownPicture. SettingsError: the text is too long or holds half a character.
        """
        check_caption(text)
        check_revision(base_revision)
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            key = reading.find_picture(db, set_id, picture_id)
            before, revision = db.execute("SELECT text, revision FROM pictures WHERE key = ?", (key,)).fetchone()
            if before == text:
                return Saved(True, revision)
            if revision != base_revision:
                return Saved(False, revision, before)
            journal.apply(db, set_key, self._new_version(db, set_key), [(key, TEXT, text)])
            self._record_edit(db, set_key, Step(key, TEXT, before, text), label, now, is_autosave)
            return Saved(True, revision + 1)

    def apply_edits(
        self,
        set_id: str,
        changes: Mapping[str, str | None],
        label: str,
        *,
        revisions: Mapping[str, int] | None = None,
    ) -> Applied:
        """Change the edits of many pictures as one journal entry, all of them or none.

        Args:
            changes: picture id to new text; None removes the edit. Those that change nothing are left out.
            revisions: those the preview was made from, by picture id; where one differs now, nothing is changed.
        Raises: UnknownSet, UnknownPicture. SettingsError: a text is too long or holds half a character.
        """
        for text in changes.values():
            check_caption(text)
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            stored = {
                row[0]: row[1:]
                for row in db.execute(
                    "SELECT id, key, text, revision FROM pictures WHERE set_key = ? AND is_removed = 0", (set_key,)
                )
            }
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
            change = self._do(db, set_key, "bulk", label, now, steps)
            return Applied(ok=True, entry=change.entry, revisions=new_revisions)

    # The journal

    def undo(self, set_id: str, *, expected: int | None = None) -> Change | None:
        """Take back the newest entry that is not undone; None where there is none.

        Edits that change get a new revision. Args: expected: the id of the entry that was shown to the person.
        Raises: UnknownSet. StoreError: the next entry is not the expected one; nothing was undone.
        """
        return self._travel(set_id, expected, is_undo=True)

    def redo(self, set_id: str, *, expected: int | None = None) -> Change | None:
        """Do again the entry that was undone last; None where there is none. Otherwise as `undo`."""
        return self._travel(set_id, expected, is_undo=False)

    def history(self, set_id: str, limit: int = 100) -> tuple[Entry, ...]:
        """The newest entries of the journal, newest first, with those that wait for a redo."""
        with self._database.read() as db:
            return journal.history(db, reading.find_set(db, set_id), limit)

    # Within

    def _new_version(self, db: sqlite3.Connection, set_key: int) -> int:
        """Count a change of the set; what it changes carries this number."""
        db.execute("UPDATE sets SET version = version + 1, changed_at = ? WHERE key = ?", (self._clock(), set_key))
        return int(db.execute("SELECT version FROM sets WHERE key = ?", (set_key,)).fetchone()[0])

    def _do(
        self,
        db: sqlite3.Connection,
        set_key: int,
        kind: EntryKind,
        label: str,
        now: float,
        steps: Sequence[tuple[str, Step]],
    ) -> Change:
        """Write steps (with their pictures' ids) as one new entry; no steps are no entry."""
        version = self._new_version(db, set_key)
        entry = None
        if steps:
            entry_key = journal.add(db, set_key, kind, label, now)
            journal.record(db, entry_key, [step for _, step in steps])
            journal.apply(db, set_key, version, [(step.picture_key, step.field, step.after) for _, step in steps])
            entry = journal.entry(db, entry_key)
        return Change(entry=entry, picture_ids=tuple(picture_id for picture_id, _ in steps), version=version)

    def _record_edit(
        self, db: sqlite3.Connection, set_key: int, step: Step, label: str, now: float, is_autosave: bool
    ) -> None:
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

    def _layer_step(
        self, db: sqlite3.Connection, picture_key: int, layer: Layer, fresh: dict[tuple[str, str, str], int]
    ) -> Step:
        before = journal.current_layer(db, picture_key, layer.family)
        after = to_row(db, picture_key, layer, self._labels, fresh)
        return Step(picture_key, LAYER + layer.family, before, after)

    def _travel(self, set_id: str, expected: int | None, *, is_undo: bool) -> Change | None:
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            entry = journal.next_undo(db, set_key) if is_undo else journal.next_redo(db, set_key)
            if expected is not None and (entry is None or entry.id != expected):
                raise StoreError(
                    "something else was done meanwhile, so nothing was taken back or done again; look and try again.",
                    code="journal_moved",
                )
            if entry is None:
                return None
            version = self._new_version(db, set_key)
            steps = (journal.undo if is_undo else journal.redo)(db, set_key, entry.id, version)
            before, after = journal.settings_of(db, entry.id)
            settings = before if is_undo else after
            if settings is not None:
                _write_settings(db, set_key, version, settings)
            keys = dict.fromkeys(step.picture_key for step in steps)
            ids = dict(db.execute("SELECT key, id FROM pictures WHERE set_key = ?", (set_key,)).fetchall())
            return Change(
                entry=journal.entry(db, entry.id), picture_ids=tuple(ids[key] for key in keys), version=version
            )

    def _set_removed(
        self, set_id: str, picture_ids: Iterable[str], is_removed: bool, kind: EntryKind, label: str
    ) -> Change:
        now = self._clock()
        with self._database.write() as db:
            set_key = reading.find_set(db, set_id)
            steps = []
            for picture_id in dict.fromkeys(picture_ids):
                key = reading.find_picture(db, set_id, picture_id, is_removed_too=True)
                before = db.execute("SELECT is_removed FROM pictures WHERE key = ?", (key,)).fetchone()[0]
                if bool(before) != is_removed:
                    steps.append((picture_id, Step(key, IS_REMOVED, before, int(is_removed))))
            return self._do(db, set_key, kind, label, now, steps)

    def _prepare(self, upload: Upload) -> tuple[Picture, str]:
        """Decode an upload and put its bytes on the disk; only the row is missing then. Runs beside other threads."""
        from captioner import images  # loads Pillow, which nothing else here needs

        name = storable_name(upload.name)
        check_caption(upload.existing)
        digest = images.digest(upload.data)
        with images.opened_picture(upload.data) as opened:
            self._files.keep(digest, upload.data, lambda: images.thumbnail(opened.image))
            width, height = opened.image.size
        picture = Picture(
            id="".join(secrets.choice(_ID_LETTERS) for _ in range(_PICTURE_ID_LENGTH)),
            name=name,
            digest=digest,
            width=width,
            height=height,
            notes=opened.notes,
        )
        return picture, upload.existing

    def _prepare_or_refuse(self, upload: Upload) -> tuple[Picture, str] | Refused:
        try:
            return self._prepare(upload)
        except (BadPicture, SettingsError) as error:
            return Refused(upload.name, error.code, str(error))

    def _insert(self, db: sqlite3.Connection, set_id: str, prepared: Sequence[tuple[Picture, str]]) -> None:
        set_key = reading.find_set(db, set_id)
        version, now = self._new_version(db, set_key), self._clock()
        db.executemany(
            "INSERT INTO pictures (set_key, id, name, digest, width, height, notes, added_at, existing, version,"
            " layers_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(set_key, picture.id, picture.name, picture.digest, picture.width, picture.height),
                    *(json.dumps(picture.notes), now, existing, version, version),
                )
                for picture, existing in prepared
            ],
        )

    def _digest(self, set_id: str, picture_id: str) -> str:
        with self._database.read() as db:
            key = reading.find_picture(db, set_id, picture_id, is_removed_too=True)
            return str(db.execute("SELECT digest FROM pictures WHERE key = ?", (key,)).fetchone()[0])

    def _parsed(
        self, db: sqlite3.Connection, set_key: int, pictures: Sequence[tuple[int, str, int]]
    ) -> dict[str, tuple[Layer, ...]]:
        """Current layers by picture id, from the cache where they are. Args: pictures: (key, id, layers_version)."""
        found = self._cache.find(set_key, ((key, version) for key, _, version in pictures))
        fresh = []
        for key, picture_id, version in pictures:
            if key not in found:
                rows = db.execute(
                    f"SELECT {LAYER_COLUMNS} FROM current_layers AS c JOIN layers AS l ON l.key = c.layer_key"
                    " WHERE c.picture_key = ? ORDER BY c.family",
                    (key,),
                ).fetchall()
                found[key] = tuple(from_row(db, picture_id, row, self._labels) for row in rows)
                fresh.append((key, version, found[key]))
        self._cache.keep(set_key, fresh)
        return {picture_id: found[key] for key, picture_id, _ in pictures}


def _thumbnail(data: bytes) -> bytes:
    from captioner import images

    with images.opened_picture(data) as opened:
        return images.thumbnail(opened.image)


def _settings_json(db: sqlite3.Connection, set_key: int) -> str:
    return str(db.execute("SELECT settings FROM sets WHERE key = ?", (set_key,)).fetchone()[0])


def _write_settings(db: sqlite3.Connection, set_key: int, version: int, settings: str) -> None:
    db.execute("UPDATE sets SET settings = ?, settings_version = ? WHERE key = ?", (settings, version, set_key))


def _write_failure(db: sqlite3.Connection, picture_key: int, version: int, failure: Failure | None) -> None:
    code, message = failure or (None, None)
    db.execute(
        "UPDATE pictures SET failure_code = ?, failure_message = ?, version = ? WHERE key = ?",
        (code, message, version, picture_key),
    )
