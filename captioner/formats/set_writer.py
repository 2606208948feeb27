"""A whole set for a trainer, written picture by picture: pictures and captions first, then config and START.txt.

Memory holds names and captions only. Knows no zip and no folder: those are sinks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from captioner.errors import ExportError
from captioner.formats.check import Finding, check_set
from captioner.formats.checked import Checked, Question, TokenCounter
from captioner.formats.format import ExportItem, path_of
from captioner.formats.leaving import Left, PicturesLeaving
from captioner.formats.names import split_name
from captioner.formats.sidecars import caption_text
from captioner.formats.targets import Sink
from captioner.formats.trainers.naming import Named, clean_name, name_folders, name_pictures
from captioner.formats.trainers.quoting import lines_bytes
from captioner.formats.trainers.target import BASE_MODELS, MadeSet, Packer, Row, SetSettings, Target
from captioner.limits import printable
from captioner.plural import plural
from captioner.records import MAIN_TITLE

START_NAME = "START.txt"
_MAX_LISTED = 200
_MAX_NAMES = 20
_PLACEHOLDER = "/path/to"


class Below:
    """A folder of a sink. name: "" for its top."""

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._start = f"{name}/" if name else ""

    def write(self, name: str, data: bytes) -> None:
        """As `Sink.write`."""
        self._sink.write(self._start + name, data)

    def copy(self, name: str, source: Path | bytes) -> None:
        """As `Sink.copy`."""
        self._sink.copy(self._start + name, source)

    def stream(self, name: str) -> BinaryIO:
        """As `Sink.stream`."""
        return self._sink.stream(self._start + name)


class SetPlan:
    """What a set will be called and look like, known before the first caption.

    folder: where it will lie, a placeholder where nobody said so.

    Args: name: of the zip or the folder. folder: where the set will lie if its settings say nothing; "" for nobody
        knows.
    Raises: ExportError, MissingPackage: the target cannot make such a set, or a picture cannot be read.
    """

    def __init__(
        self, target: Target, settings: SetSettings, items: Sequence[ExportItem], *, name: str, folder: str = ""
    ) -> None:
        self.target = target
        self.items = items
        self.name = clean_name(name, target)
        lies = settings.set_folder.strip() or folder
        self.settings = settings
        self._is_placeholder = not lies
        self.folder = lies or f"{_PLACEHOLDER}/{self.name}"
        target.check_installed()
        target.check(settings, self.folder)
        if settings.with_pictures:
            for item in items:
                if item.picture is None:
                    raise ExportError(f"the picture of {path_of(item.folder, item.name)} is not there.")
        self.folders, places = name_folders(items, target, settings, self.name)
        self.named = name_pictures(items, places, target)

    def made(self, rows: Sequence[Row], counts: Counter[int]) -> MadeSet:
        """The set as it was written. Args: counts: pictures by the place of their folder."""
        folders = [replace(folder, count=counts[place]) for place, folder in enumerate(self.folders) if counts[place]]
        return MadeSet(
            name=self.name,
            settings=self.settings,
            folder=self.folder,
            is_placeholder=self._is_placeholder,
            folders=tuple(folders),
            rows=tuple(rows),
        )


class SetWriter:
    """Writes a planned set to a sink: in its block, `add` for each picture that has a caption, `finish` at the end."""

    def __init__(
        self, plan: SetPlan, sink: Sink, *, counter: TokenCounter | None = None, has_pictures: bool = True
    ) -> None:
        """Args:
        counter: of tokens, so that START.txt names captions that are too long; None leaves them out.
        has_pictures: False writes everything but them and looks into none, to see what START.txt says.
        """
        self._plan = plan
        self._sink = sink
        self._counter = counter
        self._has_pictures = has_pictures and plan.settings.with_pictures
        self._packer: Packer = plan.target.packer(sink) if has_pictures else Packer(sink)
        self._pictures = PicturesLeaving(plan.target, plan.settings)
        self._rows: list[Row] = []
        self._picture_notes: list[tuple[str, ...]] = []
        self._counts: Counter[int] = Counter()
        self._renamed: list[str] = []
        self._more: dict[str, bytes] = {}
        self.changed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError, ValueError):  # the error that is under way is the one to tell
                self._packer.abandon()

    def add(self, index: int, text: str, others: Sequence[str] = (), kinds: Iterable[tuple[str, str]] = ()) -> None:
        """Write a picture of the plan with its caption, and with others where the target can take several.

        Args: kinds: (kind, caption) of other kinds; those that have no place in the target are left out.

        Raises: ExportError: the set cannot be written. BadPicture: this picture has to be made anew and cannot be
            opened; nothing of it is in the set, and the next one may be added.
        """
        item, named, target = self._plan.items[index], self._plan.named[index], self._plan.target
        held, *more = self._held(text, others)
        stem = target.file_stem(named.wanted, held)
        folder = self._plan.folders[named.place].folder
        left = Left(b"", named.suffix)
        if self._has_pictures and item.picture is not None:
            left = self._pictures.leave(item.picture, named.suffix)
        picture = path_of(folder, stem + left.suffix)
        is_listed = target.many == "list" and self._plan.settings.has_many
        caption = path_of(folder, stem + target.suffix) if target.suffix and not is_listed else ""
        written = "\n".join([held, *more]) if target.many == "lines" else held
        self._packer.put(picture, left.source or None, caption, target.sidecar(written))
        named_kinds = {kind or MAIN_TITLE: target.text(one) for kind, one in kinds if target.takes_kind(kind)}
        self._rows.append(Row(picture, held, tuple(more), named_kinds))
        is_made = bool(left.source) and isinstance(left.source, bytes)
        if not self._has_pictures:
            is_made = self._pictures.would_make(item.notes, named.suffix)
        self._picture_notes.append(() if is_made else item.notes)
        self._counts[named.place] += 1
        self.changed += held != caption_text(text)
        own = path_of(item.folder, item.name)
        if self._is_renamed(item, named, stem):
            self._renamed.append(f"{printable(own)} is {picture}")

    def add_file(self, name: str, data: bytes) -> None:
        """A further file at the set's top, written with the config."""
        self._more[name] = data

    def finish(self, more: Sequence[str] = ()) -> list[str]:
        """Write config and START.txt. Returns: what the person should know, in sentences.

        Args: more: what else START.txt is to tell.
        Raises: ExportError: no picture was added, or the sink takes no more.
        """
        if not self._rows:
            raise ExportError("no picture has a caption to leave with, so no set was made.")
        self._packer.close()
        target = self._plan.target
        made = self._plan.made(self._rows, self._counts)
        for name, data in {**target.files(made), **self._more}.items():
            self._sink.write(name, data)
        notes = self.notes()
        if target.is_trainer:
            findings = self._findings(made)
            notes += [self._counter.trouble] if self._counter and self._counter.trouble else []
            self._sink.write(START_NAME, lines_bytes(self._start(made, [*notes, *more], findings)))
            notes += [
                f"{plural(len(found.pictures), 'picture')} {found.what}."
                for found in findings
                if found.level == "error"
            ]
            if made.is_placeholder:
                notes.append(f"{START_NAME} says which path to change in the set, and how training starts.")
        return notes

    def _held(self, text: str, others: Sequence[str]) -> list[str]:
        """The captions as the set holds them, none twice, and none but the first empty."""
        target = self._plan.target
        first = target.text(text)
        if not target.many:
            return [first]
        return [first, *dict.fromkeys(held for one in others if (held := target.text(one)) not in ("", first))]

    def notes(self) -> list[str]:
        """What became of captions and names, in sentences."""
        notes = []
        if several := sum(bool(row.others) for row in self._rows):
            notes.append(f"{plural(several, 'picture has', 'pictures have')} several captions.")
        title = self._plan.target.title
        if self.changed:
            notes.append(f"{plural(self.changed, 'caption')} changed for {title}: {self._plan.target.changes}.")
        if self._renamed:
            notes.append(f"{plural(len(self._renamed), 'picture')} got another name in the set.")
        return notes + self._pictures.notes()

    def _is_renamed(self, item: ExportItem, named: Named, stem: str) -> bool:
        return stem == named.wanted.stem and split_name(item.name)[0] != stem

    def _findings(self, made: MadeSet) -> list[Finding]:
        """What the trainer would stumble over in the set as it is written."""
        settings = made.settings
        question = Question(
            trainer=self._plan.target.name,
            base_model=settings.base_model,
            trigger_word=settings.trigger_word,
            folder=made.folder,
            is_exact=self._counter is None or self._counter.is_exact,
        )
        held = [
            Checked(
                path=row.picture,
                name=row.picture.rpartition("/")[2],
                text=row.text,
                tokens=self._counter.count(row.text) if self._counter and row.text else 0,
                notes=notes,
            )
            for row, notes in zip(self._rows, self._picture_notes, strict=True)
        ]
        return check_set(held, question)

    def _start(self, made: MadeSet, notes: Sequence[str], findings: Sequence[Finding]) -> list[str]:
        target, model = self._plan.target, BASE_MODELS[made.settings.base_model]
        heading = f"{made.name}: {plural(len(self._rows), 'picture')} for {target.title}"
        lines = [heading + (f", to train {model}" if "base_model" in target.heeds else ""), ""]
        if not made.settings.with_pictures:
            lines += [
                "The pictures are not in this set: put them where the captions are, under the captions' names.",
                "",
            ]
        if made.is_placeholder:
            lines += [
                "FIRST",
                f"Wherever {made.folder} stands in these files, write the folder where this set lies.",
                "",
            ]
        lines += ["START", *target.start(made), "", *(["CHECK"] if findings else [])]
        for finding in findings:
            names = ", ".join(finding.pictures[:_MAX_NAMES])
            more = len(finding.pictures) - _MAX_NAMES
            lines.append(
                f"{finding.level.upper()}: {plural(len(finding.pictures), 'picture')} {finding.what}; {finding.advice}."
            )
            lines += [f"  {names}{f' and {more} more' * (more > 0)}", ""]
        found = [*notes, *(f"{line}." for line in self._renamed)]
        settings = made.settings
        if not target.turns and (settings.conversion == "none" or not settings.with_pictures):
            found.append(
                f"{target.title} does not turn pictures by their EXIF tag; python -m captioner check names "
                "those that it would train lying."
            )
        if found:
            more = len(found) - _MAX_LISTED
            lines += [
                "GOOD TO KNOW",
                *found[:_MAX_LISTED],
                *([f"and {more} more of the kind."] if more > 0 else []),
                "",
            ]
        return lines[:-1]
