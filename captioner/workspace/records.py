"""What the workspace hands out: plain values, no logic. Knows no database, no Gradio and no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from captioner.records import Picture

DAMAGED_ROW = "damaged_row"
"""The code of what was damaged on the disk and costs one picture."""

State = Literal["empty", "generated", "edited", "failed"]
EntryKind = Literal["edit", "change", "bulk", "run", "settings", "remove", "restore", "import", "review", "rating"]


class Failure(NamedTuple):
    """Why the last run gave nothing for a picture: a stable word and a sentence."""

    code: str
    message: str


class View(NamedTuple):
    """Everything a grid needs to know about one picture, except the composed text.

    A tuple because ten thousand are made at once.
    text: the edit; None while nobody wrote anything. revision: counts changes of the edit only.
    existing: the caption that was uploaded with the picture. folder: where it lies within the set, with "/" between
        folders; "" at the top.
    state: edited before failed before generated; "empty" means no edit and no layer (an existing caption may be
        there). failure: of the last run, kept beside an edit too; its code is damaged_row where what is stored was
        damaged on the disk: the state is failed then, and the text that was damaged is left out.
    layers_version: changes whenever the layers or the existing caption change, so composed text can be kept by it.
    equal_to: id of the first picture in the set with the same bytes; "" where there is none before this one.
    is_reviewed: a person looked at it and found its caption good.
    """

    id: str
    name: str
    width: int
    height: int
    digest: str
    notes: tuple[str, ...]
    text: str | None
    revision: int
    existing: str
    state: State
    failure: Failure | None
    layers_version: int
    equal_to: str
    folder: str
    is_reviewed: bool

    @property
    def is_edited(self) -> bool:
        """Whether the person wrote something; the empty text counts."""
        return self.text is not None

    @property
    def is_damaged(self) -> bool:
        """Whether something of this picture that is stored was damaged on the disk."""
        return self.failure is not None and self.failure.code == DAMAGED_ROW

    def picture(self) -> Picture:
        """What was uploaded, without what became of it."""
        return Picture(
            id=self.id,
            name=self.name,
            digest=self.digest,
            width=self.width,
            height=self.height,
            notes=self.notes,
            folder=self.folder,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionSet:
    """A caption set as a list of sets shows it.

    created_at, changed_at: seconds since 1970, UTC. picture_count: without removed pictures.
    version: grows with every change of the set.
    """

    id: str
    name: str
    created_at: float
    changed_at: float
    picture_count: int
    version: int


@dataclass(frozen=True, slots=True)
class Saved:
    """The answer to a save.

    ok: the text is on the disk (or was there already). revision: the edit's revision now.
    conflict: where not ok, the text that is stored; None there means that the edit was removed meanwhile.
    """

    ok: bool
    revision: int
    conflict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step of the journal, what one undo takes back.

    picture_count: pictures it touches. is_undone: it waits for a redo.
    """

    id: int
    kind: EntryKind
    label: str
    created_at: float
    changed_at: float
    picture_count: int
    is_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an undo, a redo, a removal or a run did.

    entry: None where nothing changed. version: the set's version after it. gone: how many pictures of the entry were
    deleted for good, so that an undo or redo passed them over.
    """

    entry: Entry | None
    picture_ids: tuple[str, ...]
    version: int
    gone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The answer to a bulk change, which happens whole or not at all.

    revisions: new revision of each changed picture. conflicts: ids of pictures whose edit changed since the preview;
    where there are any, nothing was changed.
    """

    ok: bool
    entry: Entry | None
    revisions: Mapping[str, int]
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happened in a set since a version.

    views: pictures that are new or changed, in upload order. removed: ids of pictures removed since.
    settings, name: None where they did not change. undo, redo: the entries that undo and redo would take next.
    is_everything: the version asked from was not one of this set's, so this is all there is and the rest is gone.
    """

    version: int
    views: tuple[View, ...]
    removed: tuple[str, ...]
    settings: Mapping[str, Any] | None
    name: str | None
    undo: Entry | None
    redo: Entry | None
    is_everything: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSweep:
    """A grid of settings tried on pictures, as it is stored.

    created_at: seconds since 1970, UTC. grid: what was asked for; None where the disk has damaged it. outcome: what
    came of it as a whole; empty where the disk has damaged it. cells: how many are stored. rated: how many of them hold
    a caption that has a rating.
    """

    id: str
    name: str
    created_at: float
    grid: Mapping[str, Any] | None
    outcome: Mapping[str, Any]
    cells: int
    rated: int


class StoredCell(NamedTuple):
    """One cell of a sweep for one picture.

    caption: None where there is none. content: None where it was damaged; its `text` is the caption without prefix and
    suffix, by which ratings know it.
    """

    picture_id: str
    cell: int
    caption: str | None
    content: Mapping[str, Any] | None


class Rating(NamedTuple):
    """What a person said of a caption of a picture; rating: green, yellow, red, or None where it was taken back.

    made_by: what it was seen with. rated_at: seconds since 1970, UTC, also of what was taken back.
    """

    picture_id: str
    caption: str
    rating: str | None
    made_by: Mapping[str, Any]
    rated_at: float


class Ratings(NamedTuple):
    """The ratings of a set, and how many the disk has damaged, which are left out."""

    whole: tuple[Rating, ...]
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabChanges:
    """What a sweep's page has to know, as one moment has it.

    version: the set's. cells: those of the sweep that changed since a version. ratings: those of the set that did.
    settings: the set's, as stored.
    """

    version: int
    sweep: StoredSweep
    cells: tuple[StoredCell, ...]
    ratings: Ratings
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of an upload: name as data, bytes, the caption that came beside it, and its folder in the set."""

    name: str
    data: bytes
    existing: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """An uploaded file that was not taken, and why."""

    name: str
    code: str
    message: str


Added = Picture | Refused
