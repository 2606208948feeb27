"""The way into a workspace: every method is one transaction, or one file.

What a method has returned is on the disk, through a kill as through a power cut. Edits are compared and set: whoever
saves names the revision the text was written on, and a text that somebody else changed meanwhile is never
overwritten. Safe to use from many threads; one process at a time holds a workspace. Does not compose captions
(`pipeline.caption_text` does, from what `views` and `all_layers` give).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from captioner.errors import UnknownSet
from captioner.files import data_folder
from captioner.records import Layer, Picture
from captioner.workspace import edits, journal, uploads
from captioner.workspace import views as reading
from captioner.workspace.bin import Bin
from captioner.workspace.checks import check_caption, check_revision, settings_json, storable_name
from captioner.workspace.database import Database
from captioner.workspace.files import PictureFiles
from captioner.workspace.jobs import StoredJobs
from captioner.workspace.kinds import KindTexts
from captioner.workspace.lab import Lab
from captioner.workspace.layers import StoredLayers
from captioner.workspace.likenesses import Likenesses
from captioner.workspace.readings import Readings
from captioner.workspace.records import (
    Added,
    Applied,
    CaptionSet,
    Change,
    Changes,
    Entry,
    Failure,
    Refused,
    Saved,
    Upload,
    View,
)
from captioner.workspace.reviews import Reviews
from captioner.workspace.space import Space

LAYERS_AT_ONCE = 500  # pictures whose layers one read transaction fetches
LAYERS_ONE_BY_ONE = 64  # of so many pictures layers are read singly; for more, those of the whole set are gone through


class Workspace:
    """All caption sets in a folder, made where there is none.

    Args: folder: None for `files.data_folder()`. clock: seconds since 1970, for tests.
    Raises: StoreError: another process has the folder, its database is damaged or of a newer Captioner, or it cannot
        be written. Every method raises StoreError where the disk is full or failing; what was there stays.
    """

    def __init__(self, folder: Path | str | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = data_folder() if folder is None else Path(folder)
        self._clock = clock
        self._database = Database(self.folder)
        self._files = PictureFiles(self.folder)
        self._layers = StoredLayers()
        self.reviews = Reviews(self._database, clock)
        self.lab = Lab(self._database, clock)
        self.likenesses = Likenesses(self._database, self._files)
        self.readings = Readings(self._database, clock)
        self.jobs = StoredJobs(self._database, clock)
        self.kind_texts = KindTexts(self._database)
        self.bin = Bin(self._database, self._files, clock)
        self.bin.empty()
        self.space = Space(self._database, self._files)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the person must know about the database itself, in sentences: that another program replaced it."""
        return self._database.notices

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
            version = edits.new_version(db, set_key, self._clock())
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
            return dict(json.loads(reading.settings_json(db, reading.find_set(db, set_id))))

    def delete_set(self, set_id: str) -> None:
        """Delete a set for good, as `Bin.delete`."""
        self.bin.delete(set_id)

    def damage(self, set_id: str) -> tuple[str, ...]:
        """What of the set itself was damaged on the disk, in sentences; its pictures say so in their views."""
        with self._database.read() as db:
            return reading.set_damage(db, reading.find_set(db, set_id))

    def set_settings(self, set_id: str, settings: Mapping[str, Any], *, label: str = "Settings") -> None:
        """Replace the set's settings, as one journal entry; changes of the same names in quick succession are one.

        Args: settings: flat, values as JSON has them. What they mean is not checked here. label: only changes of the
            same label become one entry. Another `records.KIND` puts that kind's edits in the shown ones' place.
        """
        after = settings_json(settings)
        now = self._clock()
        with self._database.write() as db:
            edits.set_settings(db, set_id, after, label, now)

    # Pictures

    def add_picture(
        self, set_id: str, name: str, data: bytes, existing: str = "", *, folder: str = "", upload_id: str = ""
    ) -> Picture:
        """Store a picture: its bytes as they are, and a thumbnail. Equal pictures of other names are all kept.

        Args: name: the file's name as data; it is never used as a path. existing: the caption that came beside it.
            folder: see `checks.check_folder`. upload_id: see `uploads.insert`, as for what is there already.
        Raises: UnknownSet. BadPicture: see `captioner.images` for its codes. SettingsError: a text that cannot be kept.
        """
        with self._database.read() as db:
            reading.find_set(db, set_id)
        with self._files.uploading():
            prepared = uploads.prepare(self._files, Upload(name, data, existing, folder))
            with self._database.write() as db:
                return uploads.insert(db, set_id, [prepared], self._clock(), upload_id=upload_id)[0]

    def add_pictures(self, set_id: str, files: Iterable[Upload]) -> list[Added]:
        """For each upload, in order, the stored picture or why it was refused; faster than one by one."""
        with self._database.read() as db:
            reading.find_set(db, set_id)
        with self._files.uploading():
            prepared = uploads.prepare_all(self._files, files)
            with self._database.write() as db:
                good = [one for one in prepared if not isinstance(one, Refused)]
                stored = iter(uploads.insert(db, set_id, good, self._clock()))
        return [one if isinstance(one, Refused) else next(stored) for one in prepared]

    def pictures(self, set_id: str) -> tuple[Picture, ...]:
        """The set's pictures in upload order."""
        return tuple(view.picture() for view in self.views(set_id))

    def picture_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture's original bytes; also of a removed one. Raises: UnknownSet, UnknownPicture."""
        return self._files.picture(self._digest(set_id, picture_id))

    def picture_path(self, set_id: str, picture_id: str) -> Path:
        """Where the original bytes are, to be read and never written. Raises: UnknownSet, UnknownPicture."""
        return self._files.path(self._digest(set_id, picture_id))

    def thumbnail_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture's thumbnail as WebP; also of a removed one. Raises: UnknownSet, UnknownPicture."""
        return uploads.thumbnail(self._files, self._digest(set_id, picture_id))

    def remove_pictures(self, set_id: str, picture_ids: Iterable[str], *, label: str = "Remove") -> Change:
        """Take pictures out of the set, as one journal entry; undo brings all back until the bin is emptied of them."""
        now = self._clock()
        with self._database.write() as db:
            return edits.set_removed(db, set_id, picture_ids, label, now, is_removed=True)

    def restore_pictures(self, set_id: str, picture_ids: Iterable[str], *, label: str = "Restore") -> Change:
        """Bring removed pictures back with edits and layers, as one journal entry."""
        now = self._clock()
        with self._database.write() as db:
            return edits.set_removed(db, set_id, picture_ids, label, now, is_removed=False)

    def removed(self, set_id: str) -> tuple[View, ...]:
        """The pictures that were removed and can be restored, in upload order."""
        with self._database.read() as db:
            return reading.views(db, reading.find_set(db, set_id), removed=True)

    def set_existing(
        self, set_id: str, captions: Mapping[str, str], *, upload_id: str = "", is_where_none: bool = False
    ) -> Change:
        """Store captions that came beside pictures (sidecar files), by picture id, as one journal entry.

        Args: upload_id: calls of one id, with nothing else between them, are one entry. is_where_none: pictures that
            have one keep it; `Change.picture_ids` are those that got one.
        """
        for text in captions.values():
            check_caption(text)
        now = self._clock()
        with self._database.write() as db:
            return edits.set_existing(db, set_id, captions, now, upload_id=upload_id, is_where_none=is_where_none)

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
        replaces_edits: bool = False,
        unreviewed: Collection[str] = (),
    ) -> Change:
        """Make layers the current ones of their pictures and families; edits and revisions stay as they are, unless
        the layers are to replace the edits, which the same undo brings back.

        Calls with one run id are one journal entry. A run that was undone while it goes on stays undone: what it
        still brings comes with the redo. Layers for a removed picture are kept for when it comes back.
        Args: failures: by picture id, why this step gave nothing; a layer clears an earlier failure of its picture.
            unreviewed: of the layers' pictures, those that lose the reviewer's mark if they have it and no edit.
        """
        fresh: dict[tuple[str, str, str], int] = {}
        labels = self._layers.labels
        with self._database.write() as db:
            change = edits.put_layers(
                *(db, set_id, layers, failures or {}, self._clock()),
                run=(run_id, label),
                labels=labels,
                fresh=fresh,
                replaces_edits=replaces_edits,
                unreviewed=unreviewed,
            )
        labels.remember(fresh)
        return change

    def put_failure(self, set_id: str, picture_id: str, failure: Failure) -> Change:
        """Store why a picture got nothing; the next successful run clears it."""
        return self.put_layers(set_id, (), failures={picture_id: failure})

    def layers(self, set_id: str, picture_id: str) -> tuple[Layer, ...]:
        """The current layers of a picture, one a family and kind, sorted. Raises: UnknownSet, UnknownPicture."""
        with self._database.read() as db:
            key = reading.find_picture(db, set_id, picture_id)
            version = db.execute("SELECT layers_version FROM pictures WHERE key = ?", (key,)).fetchone()[0]
            return self._layers.current(db, set_id, [(key, picture_id, version)])[picture_id]

    def all_layers(self, set_id: str) -> Iterator[tuple[str, tuple[Layer, ...]]]:
        """(picture id, its current layers) for every picture of the set in upload order, from memory where they are.

        Pictures without layers come too, with (). A set is read in pieces: one that changes meanwhile gives some
        pictures as they were and some as they are.
        """
        last = 0
        while True:
            with self._database.read() as db:
                rows = reading.layered_after(db, reading.find_set(db, set_id), last, LAYERS_AT_ONCE)
                parsed = self._layers.current(db, set_id, rows)
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
        now, edit = self._clock(), (picture_id, text, base_revision)
        with self._database.write() as db:
            return edits.save_edit(db, set_id, edit, now, label=label, is_autosave=is_autosave)

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
            return edits.apply_edits(db, set_id, changes, label, now, revisions=revisions)

    # The journal

    def undo(self, set_id: str, *, expected: int | None = None) -> Change | None:
        """Take back the newest entry that is not undone; None where there is none.

        Edits that change get a new revision. Args: expected: the id of the entry that was shown to the person.
        Raises: UnknownSet. StoreError: the next entry is not the expected one; nothing was undone.
        """
        now = self._clock()
        with self._database.write() as db:
            return edits.travel(db, set_id, expected, now, is_undo=True)

    def redo(self, set_id: str, *, expected: int | None = None) -> Change | None:
        """Do again the entry that was undone last; None where there is none. Otherwise as `undo`."""
        now = self._clock()
        with self._database.write() as db:
            return edits.travel(db, set_id, expected, now, is_undo=False)

    def history(self, set_id: str, limit: int = 100) -> tuple[Entry, ...]:
        """The newest entries of the journal, newest first, with those that wait for a redo."""
        with self._database.read() as db:
            return journal.history(db, reading.find_set(db, set_id), limit)

    def _digest(self, set_id: str, picture_id: str) -> str:
        with self._database.read() as db:
            key = reading.find_picture(db, set_id, picture_id, is_removed_too=True)
            return str(db.execute("SELECT digest FROM pictures WHERE key = ?", (key,)).fetchone()[0])
