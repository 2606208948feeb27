"""Sets and lists that others made, on their way into a set: kept for a while, looked at, then taken.

What was sent lies in a temporary folder under a token. A look says what it is and what would happen; taking goes in
slices, so that nobody waits for ten thousand pictures in one answer. Pictures come first, then all captions as one step
for undo. A hostile archive is refused before anything of it is taken. Knows no Gradio and no HTTP.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from captioner.captions import word_diff
from captioner.errors import CaptionerError
from captioner.formats.format import path_of
from captioner.formats.imports.arriving import Arriving, arriving
from captioner.formats.imports.form import ENCODINGS
from captioner.formats.imports.recognise import ImportSettings, NothingFound, Recognised, Stray, recognise
from captioner.formats.imports.registry import FORMS
from captioner.formats.imports.source import Source, opened_source
from captioner.limits import shown
from captioner.service.intake import Intake
from captioner.service.messages import message_of
from captioner.service.rows import Rows
from captioner.service.shares import Shares
from captioner.settings import switch
from captioner.workspace import Workspace
from captioner.workspace.records import View

MAX_LISTED = 200
_KEPT_AT_ONCE = 8
_KEPT_S = 3600.0
_SLICE_S = 2.0


class TakeSettings(ImportSettings):
    """What a person chose for an import into a set."""

    replace: bool = switch(False, "Give captions to pictures too that have another one; undo takes that back.")


@dataclass(slots=True)
class _Kept:
    """What was sent. ids: of the pictures that were taken already, by their path in the source."""

    set_id: str
    folder: Path
    files: list[tuple[Path, str]]
    used_at: float
    upload_id: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    ids: dict[str, str] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)


class Imports:
    """Those of all sets. Safe to use from many threads."""

    def __init__(self, workspace: Workspace, rows: Rows, intake: Intake, shares: Shares) -> None:
        self._shares = shares
        self._workspace = workspace
        self._rows = rows
        self._intake = intake
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._guard = threading.Lock()
        self._folder = ""

    def _home(self) -> str:
        """A folder for all that is kept, which goes with this object."""
        with self._guard:
            if not self._folder:
                self._folder = tempfile.mkdtemp(prefix="captioner-import-")
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder

    def keep(self, set_id: str, files: Iterable[tuple[str, BinaryIO]]) -> str:
        """Keep files, by their paths below what was chosen, for an hour. Returns: a token. Raises: UnknownSet."""
        self._workspace.find_set(set_id)
        folder = Path(tempfile.mkdtemp(dir=self._home()))
        kept = _Kept(set_id, folder, [], time.monotonic())
        try:
            for number, (path, data) in enumerate(files):
                place = folder / str(number)  # never a name of theirs
                with place.open("xb") as copy:
                    shutil.copyfileobj(data, copy, 1 << 20)
                kept.files.append((place, path))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        token = secrets.token_urlsafe(16)
        with self._guard:
            self._kept[token] = kept
            oldest = [name for name, one in self._kept.items() if time.monotonic() - one.used_at > _KEPT_S]
            oldest += list(self._kept)[: max(0, len(self._kept) - _KEPT_AT_ONCE)]
        for name in oldest:
            self.drop(name)
        return token

    def keep_and_look(self, set_id: str, files: Iterable[tuple[str, BinaryIO]]) -> dict[str, Any]:
        """Keep files and say what they are, with the `token` to take them by. Raises: as `look`; then none is kept."""
        token = self.keep(set_id, files)
        try:
            return {"token": token, **self.look(set_id, token, {})}
        except BaseException:
            self.drop(token)
            raise

    def drop(self, token: str) -> dict[str, Any]:
        """Let go of what was kept; nothing where it is gone already."""
        with self._guard:
            kept = self._kept.pop(token, None)
        if kept is not None:
            with kept.turn:
                shutil.rmtree(kept.folder, ignore_errors=True)
        return {}

    def look(self, set_id: str, token: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """What an import is and would do; nothing happens.

        Returns: form, title; forms: [name, title] that may be chosen; captions: how many; pictures: how many come
            along; first: [picture, caption] three times; without_picture, without_caption, other_encoding: the first of
            each as sentences, with `counts` of all; has_lines; replaced: how many pictures of the set have another
            caption; replaces: the first of these, {"name", "before", "after", "pieces": what goes and comes}.
        Raises: UnknownSet, SettingsError. CaptionerError: nothing is found, or the archive is refused.
        """
        settings = TakeSettings.from_mapping(values)
        with self._opened(set_id, token, settings) as (_, source):
            found, places = self._recognised(set_id, source, settings)
            return self._shown(found, source, places)

    def take(self, set_id: str, token: str, values: Mapping[str, Any], start: int) -> dict[str, Any]:
        """Take a slice of the pictures, and after the last one all captions, as one step for undo.

        Args: start: how many were taken before. Returns: done, total; rows: of what was added or changed; refused and
            notes as `Intake.add_captions`; is_whole: that was all, and nothing is kept any more. Raises: as `look`.
        """
        settings = TakeSettings.from_mapping(values)
        with self._opened(set_id, token, settings) as (kept, source):
            found, places = self._recognised(set_id, source, settings)
            coming = arriving(source, found.captions) if source.pictures else []
            done, ids, refused = self._take_pictures(kept, coming, max(0, start))
            answer: dict[str, Any] = {
                "rows": self._rows.of_views(set_id, [self._workspace.view(set_id, one) for one in ids]),
                "refused": refused,
                "notes": [],
            }
            is_whole = done >= len(coming)
            if is_whole:
                self._take_captions(kept, found, places, settings, answer)
        if is_whole:
            self.drop(token)
        return {"done": done, "total": len(coming), "is_whole": is_whole, **answer}

    def take_all(
        self, set_id: str, files: Iterable[tuple[str, BinaryIO]], values: Mapping[str, Any], *, is_look: bool
    ) -> dict[str, Any]:
        """The whole way in one call. Returns: what `look` says; unless is_look also refused and notes of taking it."""
        token = self.keep(set_id, files)
        try:
            seen = self.look(set_id, token, values)
            refused: list[dict[str, str]] = []
            notes: list[str] = []
            done, is_whole = 0, is_look
            while not is_whole:
                answer = self.take(set_id, token, values, done)
                done, is_whole = answer["done"], answer["is_whole"]
                refused += answer["refused"]
                notes += answer["notes"]
        finally:
            self.drop(token)
        return seen if is_look else {**seen, "refused": refused, "notes": [*seen["notes"], *notes]}

    @contextmanager
    def _opened(self, set_id: str, token: str, settings: TakeSettings) -> Iterator[tuple[_Kept, Source]]:
        with self._guard:
            kept = self._kept.get(token)
            if kept is not None:
                kept.used_at = time.monotonic()
        if kept is None or kept.set_id != set_id:
            raise CaptionerError("what was sent is not kept any more; choose the files again.", code="not_kept")
        with kept.turn, opened_source(kept.files, settings) as source:
            yield kept, source

    def _recognised(
        self, set_id: str, source: Source, settings: TakeSettings
    ) -> tuple[Recognised, dict[str, list[View]]]:
        """What it is, and the set's pictures by path, to which captions go that came without pictures."""
        places: dict[str, list[View]] = {}
        if not source.pictures:
            for view in self._workspace.views(set_id):
                places.setdefault(path_of(view.folder, view.name), []).append(view)
            if not places:
                raise NothingFound("there is no picture yet that captions could go to; add pictures first.")
        paths = [picture.path for picture in source.pictures] or list(places)
        return recognise(source, paths, settings), places

    def _shown(self, found: Recognised, source: Source, places: Mapping[str, Sequence[View]]) -> dict[str, Any]:
        likely = {found.form, *found.others}
        lists = {
            "without_picture": [f"{stray.where}: {stray.why}" for stray in (*found.strays, *_doubles(found, places))],
            "without_caption": [shown(path) for path in found.bare],
            "other_encoding": list(found.undecodable),
        }
        others = [
            (path, view.existing, text)
            for path, text in sorted(found.captions.items())
            for view in places.get(path, ())
            if text and view.existing not in ("", text)
        ]
        pieces = word_diff.diffs([(before, after) for _, before, after in others[:MAX_LISTED]])
        return {
            "form": found.form,
            "title": found.title,
            "forms": [[name, form.title] for name, form in FORMS.items() if name in likely],
            "encodings": list(ENCODINGS.items()),
            "captions": len(found.captions),
            "pictures": len(source.pictures),
            "first": [[shown(path), text] for path, text in found.first],
            "has_lines": any("\n" in text for text in found.captions.values()),
            "replaced": len(others),
            "replaces": [
                {"name": shown(path), "before": before, "after": after, "pieces": parts}
                for (path, before, after), parts in zip(others, pieces, strict=False)
            ],
            "counts": {name: len(lines) for name, lines in lists.items()},
            **{name: lines[:MAX_LISTED] for name, lines in lists.items()},
            "notes": [shown(note) for note in found.notes[:MAX_LISTED]],
        }

    def _take_pictures(
        self, kept: _Kept, coming: Sequence[Arriving], start: int
    ) -> tuple[int, list[str], list[dict[str, str]]]:
        """Add pictures for a while. Returns: how many are done, ids of those added, why others were not."""
        until = time.monotonic() + _SLICE_S
        ids: list[str] = []
        refused: list[dict[str, str]] = []
        done = start
        for one in coming[start:]:
            try:
                self._shares.check_room(kept.set_id)
                picture = self._workspace.add_picture(kept.set_id, one.name, one.data(), folder=one.folder)
            except CaptionerError as error:
                if error.code in ("store", "unknown_set"):  # the disk is full, or the set has gone
                    raise
                refused.append({"name": shown(one.file.path), **message_of(error)})
            else:
                kept.ids[one.file.path] = picture.id
                ids.append(picture.id)
            done += 1
            if time.monotonic() > until:
                break
        return done, list(dict.fromkeys(ids)), refused

    def _take_captions(
        self,
        kept: _Kept,
        found: Recognised,
        places: Mapping[str, Sequence[View]],
        settings: TakeSettings,
        answer: dict[str, Any],
    ) -> None:
        ids = kept.ids or {path: views[0].id for path, views in places.items() if len(views) == 1}
        texts = {ids[path]: text for path, text in found.captions.items() if text and path in ids}
        told = self._intake.add_texts(kept.set_id, texts, upload_id=kept.upload_id, is_replacing=settings.replace)
        rows = {row["id"]: row for row in (*answer["rows"], *told["rows"])}
        answer["rows"] = list(rows.values())
        answer["refused"] += [
            *({"name": one.where, "code": "no_picture", "message": one.why} for one in _doubles(found, places)),
            *told["refused"],
        ]
        answer["notes"] += told["notes"]


def _doubles(found: Recognised, places: Mapping[str, Sequence[View]]) -> list[Stray]:
    """Captions of which nobody can tell which of two pictures of one name they are of."""
    return [
        Stray(where=shown(path), why="two pictures in its folder have this name; remove one")
        for path in found.captions
        if len(places.get(path, ())) > 1
    ]
