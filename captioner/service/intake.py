"""Files that come into a set: pictures with the captions beside them, and captions of pictures that are there.

One bad file costs one file, a bad caption never its picture, and no caption that a picture has is replaced unasked.
`incoming` says what files are, the workspace stores them. Knows no Gradio and no HTTP.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from captioner.errors import BadPicture, CaptionerError, SettingsError
from captioner.formats import passed_over
from captioner.formats.format import path_of
from captioner.formats.incoming import (
    LIST,
    UNSURE,
    CaptionFile,
    Incoming,
    SortedFile,
    captions_of,
    read_captions,
    sort_files,
    with_owners,
)
from captioner.plural import plural
from captioner.service.live import LivePreview
from captioner.service.messages import message_of
from captioner.service.rows import Rows
from captioner.service.shares import Shares
from captioner.workspace import Workspace
from captioner.workspace.records import Upload, View

HAS_CAPTION = "has_caption"
"""The code of a caption that was not taken because its picture has another one."""


@dataclass(slots=True)
class _Told:
    """What there is to tell of files: those refused, and sentences on others."""

    refused: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, path: str, error: CaptionerError) -> None:
        self.refused.append({"name": path, **message_of(error)})

    def refuse_stray(self, caption: CaptionFile) -> None:
        place = f"the folder {caption.folder} of this set" if caption.folder else "this set"
        message = f"no picture of this name is in {place}; add it, with this file or before it."
        self.refuse(path_of(caption.folder, caption.name), CaptionerError(message, code="no_picture"))

    def refuse_second(self, names: Iterable[str], view: View) -> None:
        for name in names:
            message = f"{view.name} has another caption already, which stays."
            self.refuse(path_of(view.folder, name), CaptionerError(message, code=HAS_CAPTION))

    def is_beside(self, name: str, view: View) -> None:
        self.notes.append(f"{path_of(view.folder, name)} is kept beside what you wrote for {view.name}, which stays.")

    def count(self, number: int, one: str, several: str, what: str, whats: str) -> None:
        if number:
            self.notes.append(f"{plural(number, f'{one} {what}', f'{several} {whats}')}.")

    def stand_for_generated(self, count: int) -> None:
        if count:
            those = plural(count, "caption that came stands", "captions that came stand")
            self.notes.append(f"{those} in the place of what models said; undo takes that back.")

    def went_alone(self, found: Sequence[tuple[CaptionFile, View]]) -> None:
        """Tells of caption files without a folder that went to the only pictures of their names."""
        if found:
            file, view = found[0]
            more = f", and {len(found) - 1:,} more so" if len(found) > 1 else ""
            path = path_of(view.folder, view.name)
            self.notes.append(f"{file.name} went to {path}, the only picture of this name{more}.")

    def plain(self) -> dict[str, Any]:
        return {"refused": self.refused, "notes": self.notes}


class _Attached(NamedTuple):
    """What became of captions: rows of pictures that got one; pictures that have another one; those with an edit."""

    rows: list[dict[str, Any]]
    second: list[View]
    beside: list[View]


class Intake:
    """The way in for all sets."""

    def __init__(self, workspace: Workspace, rows: Rows, live: LivePreview, shares: Shares) -> None:
        self._shares = shares
        self._workspace = workspace
        self._rows = rows
        self._live = live

    def sort(self, files: Sequence[Incoming], *, include_masks: bool = False) -> dict[str, Any]:
        """What files are that a person chose, before any is sent.

        Returns: files: for each, {"folder", "name", "kind", "picture": of a caption, the place of its picture among
            them, else None}, where kind is picture, caption, or why it is left out; "list" for what an import may know,
            "unsure" where its first bytes must be shown; notes: on those left out, in sentences; left_out: how many;
            is_missed: some a person would have expected.
        """
        found = sort_files(files, include_masks=include_masks)
        by_reason: dict[str, list[str]] = {}
        for file, given in zip(found, files, strict=True):
            if file.reason and file.reason != LIST:
                by_reason.setdefault(file.reason, []).append(given.path)
        return {
            "files": [
                {
                    "folder": file.folder,
                    "name": file.name,
                    "kind": file.reason or ("caption" if file.is_caption else "picture"),
                    "picture": file.picture,
                }
                for file in found
            ],
            "notes": passed_over.notes(by_reason),
            "left_out": sum(len(names) for reason, names in by_reason.items() if reason != UNSURE),
            "masks": len(by_reason.get("mask", ())),
            "is_missed": not passed_over.MISSED.isdisjoint(by_reason),
        }

    def add_picture(
        self, set_id: str, upload: Upload, captions: Sequence[CaptionFile] = (), *, upload_id: str = ""
    ) -> dict[str, Any]:
        """Store a picture with the caption files that lie beside it.

        A picture that is there under this name and folder is not doubled.
        Args: upload_id: of what was chosen together; its captions are one step for undo.
        Returns: {"row", "refused": captions that were not taken, [{"name", "code", "message"}], "notes": sentences}.
        Raises: UnknownSet, BadPicture, SettingsError, StoreError: the picture itself is not taken.
        """
        self._shares.check_room(set_id)
        told = _Told()
        own = captions_of([upload.name], [caption.name for caption in captions])[upload.name]
        for caption in captions:
            if caption.name not in own:
                told.refuse_stray(caption)
        chosen = read_captions(upload.name, captions)
        if chosen.error is not None:
            told.refuse(str(chosen.file), chosen.error)
        told.notes += chosen.notes()
        picture = self._workspace.add_picture(
            set_id, upload.name, upload.data, chosen.text, folder=upload.folder, upload_id=upload_id
        )
        view = self._workspace.view(set_id, picture.id)
        if chosen.file is not None and chosen.text and view.existing != chosen.text:
            told.refuse_second([chosen.file.name], view)
        elif chosen.file is not None and chosen.text and view.is_edited:
            told.is_beside(chosen.file.name, view)
        self._live.warm_up(set_id)
        return {"row": self._rows.of_views(set_id, [view])[0], **told.plain()}

    def add_captions(
        self, set_id: str, files: Sequence[CaptionFile], *, upload_id: str = "", is_replacing: bool = False
    ) -> dict[str, Any]:
        """Give captions to pictures that are in the set, as one step for undo.

        Args: is_replacing: the person said that pictures which have another caption shall get these.
        Returns: as `add_picture`, with the rows of the pictures that got one. Raises: UnknownSet, StoreError.
        """
        told = _Told()
        chosen: dict[str, tuple[View, str, str]] = {}  # by picture: the file's name and the text
        owned = _belonging(self._workspace.views(set_id), files, told)
        for view, captions in owned:
            found = read_captions(view.name, captions)
            if found.error is not None:
                told.refuse(str(found.file), found.error)
            told.notes += found.notes()
            if found.text and found.file is not None:
                chosen[view.id] = (view, found.file.name, found.text)
        texts = {picture_id: text for picture_id, (_, _, text) in chosen.items()}
        attached = self._attach(set_id, texts, told, upload_id, is_replacing=is_replacing)
        for view in attached.second:
            told.refuse_second([chosen[view.id][1]], view)
        for view in attached.beside:
            told.is_beside(chosen[view.id][1], view)
        return {"rows": attached.rows, **told.plain()}

    def add_texts(
        self, set_id: str, texts: Mapping[str, str], *, upload_id: str, is_replacing: bool = False
    ) -> dict[str, Any]:
        """The same for captions that stand in no file of their own. Args: texts: by picture id."""
        told = _Told()
        attached = self._attach(set_id, texts, told, upload_id, is_replacing=is_replacing)
        told.count(
            len(attached.second), "picture keeps", "pictures keep", "the caption it has", "the captions they have"
        )
        told.count(
            len(attached.beside),
            "caption is",
            "captions are",
            "kept beside an edit, which stays",
            "kept beside edits, which stay",
        )
        return {"rows": attached.rows, **told.plain()}

    def _attach(
        self, set_id: str, texts: Mapping[str, str], told: _Told, upload_id: str, *, is_replacing: bool
    ) -> _Attached:
        """Give captions to pictures, by id, as one step for undo."""
        views = {view.id: view for view in self._workspace.views(set_id) if view.id in texts}
        before = {row["id"]: row["state"] for row in self._rows.of_views(set_id, list(views.values()))}
        given = {picture_id: text for picture_id, text in texts.items() if picture_id in views}
        change = self._workspace.set_existing(set_id, given, upload_id=upload_id, is_where_none=not is_replacing)
        changed = set(change.picture_ids)
        rows = self._rows.of_views(set_id, [self._workspace.view(set_id, one) for one in change.picture_ids])
        told.stand_for_generated(sum((before[row["id"]], row["state"]) == ("generated", "existing") for row in rows))
        return _Attached(
            rows,
            [view for view in views.values() if view.id not in changed and view.existing != texts[view.id]],
            [view for view in views.values() if view.id in changed and view.is_edited],
        )

    def add_files(self, set_id: str, files: Sequence[tuple[SortedFile, Callable[[], bytes]]]) -> dict[str, Any]:
        """Pictures and captions of one call, whatever their order. Args: files: each with what reads its bytes.

        Returns: as `add_captions`, with the rows of all pictures, in order.
        """
        told, rows, upload_id = _Told(), [], secrets.token_urlsafe(8)
        found = with_owners([file for file, _ in files])
        captions: dict[int | None, list[CaptionFile]] = {}
        for file, (_, read) in zip(found, files, strict=True):
            if file.is_caption:
                try:
                    caption = CaptionFile(file.name, read(), file.folder)
                except CaptionerError as error:
                    told.refuse(path_of(file.folder, file.name), error)
                else:
                    captions.setdefault(file.picture, []).append(caption)
        for place, (file, (_, read)) in enumerate(zip(found, files, strict=True)):
            if file.is_caption:
                continue
            try:
                upload = Upload(file.name, read(), folder=file.folder)
                answer = self.add_picture(set_id, upload, captions.get(place, ()), upload_id=upload_id)
            except (BadPicture, SettingsError) as error:
                told.refuse(path_of(file.folder, file.name), error)
                continue
            rows.append(answer["row"])
            told.refused += answer["refused"]
            told.notes += answer["notes"]
        answer = self.add_captions(set_id, captions.get(None, ()), upload_id=upload_id)
        return {
            "rows": rows,
            "refused": told.refused + answer["refused"],
            "notes": told.notes + answer["notes"],
        }


def _belonging(
    views: Collection[View], files: Sequence[CaptionFile], told: _Told
) -> list[tuple[View, list[CaptionFile]]]:
    """The pictures that caption files are of, each with its files; files of none, or of two, are refused."""
    found = []
    by_folder: dict[str, dict[str, CaptionFile]] = {}
    for file in files:
        by_folder.setdefault(_spelt_one_way(file.folder), {})[file.name] = file
    for folder, captions in by_folder.items():
        pictures: dict[str, list[View]] = {}
        for view in views:
            if _spelt_one_way(view.folder) == folder:
                pictures.setdefault(view.name, []).append(view)
        left = dict(captions)
        for name, names in captions_of(list(pictures), list(captions)).items():
            own = [left.pop(caption) for caption in names]
            if own and len(pictures[name]) == 1:
                found.append((pictures[name][0], own))
            for file in own if len(pictures[name]) > 1 else ():
                message = f"two pictures in its folder are called {name}; remove one."
                told.refuse(path_of(folder, file.name), CaptionerError(message, code="two_pictures"))
        if folder:
            for file in left.values():
                told.refuse_stray(file)
        else:
            found += _alone(views, list(left.values()), told)
    return found


def _alone(views: Collection[View], files: Sequence[CaptionFile], told: _Told) -> list[tuple[View, list[CaptionFile]]]:
    """Caption files that came without a folder, each for the only picture of its stem in any folder of the set."""
    by_stem: dict[str, list[View]] = {}
    for view in views if files else ():
        if view.folder:
            by_stem.setdefault(_stem(view.name), []).append(view)
    found: dict[str, tuple[View, list[CaptionFile]]] = {}
    for file in files:
        named = by_stem.get(_stem(file.name), [])
        if len(named) == 1 and captions_of([named[0].name], [file.name])[named[0].name]:
            found.setdefault(named[0].id, (named[0], []))[1].append(file)
        elif len(named) > 1:
            paths = ", ".join(path_of(view.folder, view.name) for view in named[:3])
            message = f"it may be of {paths}{' or others' if len(named) > 3 else ''}; add it with its folder."
            told.refuse(file.name, CaptionerError(message, code="two_pictures"))
        else:
            told.refuse_stray(file)
    told.went_alone([(file, view) for view, own in found.values() for file in own])
    return list(found.values())


def _stem(name: str) -> str:
    return _spelt_one_way(name.rpartition(".")[0]).casefold()


def _spelt_one_way(folder: str) -> str:
    return unicodedata.normalize("NFC", folder)
