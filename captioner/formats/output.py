"""Where the captions of a run go, and which there are already: nowhere, to a zip, or to folders.

Knows what a recipe does with an existing caption only by its name: ignore, keep, prepend or append.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from captioner.errors import CaptionerError, FileInTheWay
from captioner.formats import folders
from captioner.formats.existing import Existing, existing_captions, read_caption_file
from captioner.formats.folders import FolderRun, OutputPicture
from captioner.formats.format import ExportedFile, ExportItem, joined_notes, lines_note, rename_note
from captioner.formats.sidecars import WRITERS, CaptionFiles, caption_bytes, has_lines
from captioner.formats.targets import ZipTarget
from captioner.plural import plural
from captioner.records import MAIN

_MAX_NOTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a person asked for. existing: as in `Recipe`. may_overwrite: a person's own files too, with a backup.
    kind: of the captions that are written; those that are there are main ones.
    """

    format: str = "txt"
    with_pictures: bool = False
    existing: str = "keep"
    may_overwrite: bool = False
    kind: str = MAIN


class Output:
    """Captions that are written nowhere; the pictures' own captions count all the same."""

    def __init__(self, paths: Sequence[Path], options: OutputOptions) -> None:
        self._paths = paths
        self._options = options
        self._suffix = (WRITERS.get(options.format) or WRITERS["txt"]).suffix
        self._beside: list[Existing] = []
        self._texts: list[str | CaptionerError] = []
        self._counts: Counter[str] = Counter()
        self._empty: list[str] = []

    def existing(self) -> list[str | CaptionerError]:
        """The caption each picture has already, or why there can be no new one; asked before the first is written."""
        if self._options.existing == "ignore":
            self._beside = [Existing()] * len(self._paths)
        else:
            self._beside = existing_captions(folders.beside(self._paths, self._suffix))
        self._texts = [self._existing(place) for place in range(len(self._paths))]
        return self._texts

    def write(
        self,
        place: int,
        text: str,
        *,
        was_kept: bool,
        others: Sequence[str] = (),
        kinds: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write one picture's caption; others of it, and its captions of other kinds, are for sets that take several.

        Raises: ExportError: the system refuses it. FileInTheWay: this picture's file may not be written.
        """
        self._counts["kept"] += was_kept
        self._counts["in lines"] += has_lines(text)
        existing = self._texts[place] if self._texts else ""
        self._counts["joined"] += not was_kept and isinstance(existing, str) and has_lines(existing)
        if not text.strip():
            self._empty.append(self._paths[place].name)
        self._write(place, text, was_kept)

    def add_file(self, name: str, data: bytes) -> None:
        """Put a further file where the captions go, if that is a place of their own. Raises: ExportError."""

    def notes(self) -> list[str]:
        """What the person should know in the end, in sentences."""
        notes = [f"{name} has an empty caption." for name in self._empty]
        if kept := self._counts["kept"]:
            those = plural(kept, "picture had a caption and keeps it", "had captions and kept them")
            notes.append(f"{those}; --existing ignore makes new ones.")
        if self._writes and self._counts["in lines"]:
            notes.append(lines_note(self._counts["in lines"]))
        notes += joined_notes(self._counts["joined"])
        for found in self._beside:
            notes += found.notes()
        notes += self._own_notes()
        more = len(notes) - _MAX_NOTES
        return notes if more <= 0 else [*notes[:_MAX_NOTES], f"and {more} more of the kind."]

    _writes = False

    def _existing(self, place: int) -> str | CaptionerError:
        return self._beside[place].error or self._beside[place].text

    def _write(self, place: int, text: str, was_kept: bool) -> None:
        """Nothing here: the caption is only shown."""

    def _own_notes(self) -> list[str]:
        return []


class ZipOutput(Output):
    """Captions that go to a zip. items: the pictures with their folders in the zip."""

    _writes = True

    def __init__(self, items: Sequence[ExportItem], paths: Sequence[Path], options: OutputOptions, target: ZipTarget):
        super().__init__(paths, options)
        self._target = target
        self._captions = CaptionFiles(items, format=options.format, with_pictures=options.with_pictures)

    def _write(self, place: int, text: str, was_kept: bool) -> None:
        self._captions.add(self._target, place, text)

    def add_file(self, name: str, data: bytes) -> None:
        self._target.write(name, data)

    def _own_notes(self) -> list[str]:
        return [rename_note(file) for file in self._captions.files if file.is_renamed]


class FolderOutput(Output):
    """Captions that go to folders, by the rule of `ownership`. Use `close` at the end."""

    _writes = True

    def __init__(self, pictures: Sequence[OutputPicture], options: OutputOptions) -> None:
        super().__init__([picture.path for picture in pictures], options)
        self.run = FolderRun(pictures, (self._suffix,), with_pictures=options.with_pictures)
        self._joined: dict[int, str] = {}  # words of a person in the picture's own file, that the new caption takes up

    def close(self) -> None:
        """Store what was written where. Raises: ExportError."""
        self.run.close()

    def _existing(self, place: int) -> str | CaptionerError:
        beside, policy = super()._existing(place), self._options.existing
        if refusal := self.run.places[place].refusal:
            return FileInTheWay(refusal)
        state, file = self.run.state(place, self._suffix), self.run.file(place, self._suffix)
        if state in ("new", "stale"):
            return beside
        if self._options.kind and state == "ours":
            return "" if self.run.lies_there(place) else beside  # of this kind perhaps: made anew
        if self._options.kind and policy != "ignore" and _has_words(file):
            return FileInTheWay(
                f"{file} was written or changed by hand and is a main caption, no {self._options.kind} one; name "
                "another folder with --out, or replace it with --existing ignore --overwrite."
            )
        if policy == "ignore":
            if state == "own" and not self._options.may_overwrite and _has_words(file):
                return FileInTheWay(
                    f"{file} was written or changed by hand; --overwrite replaces it and keeps it as {file.name}.bak, "
                    "--existing keep, prepend or append uses it."
                )
            return ""
        if state == "ours" and not self.run.lies_there(place) and (policy != "keep" or beside):
            return beside
        try:
            text = read_caption_file(file)
        except CaptionerError as error:
            return error
        if text and state == "own":
            self._joined[place] = text
        return text or beside

    def _write(self, place: int, text: str, was_kept: bool) -> None:
        self.run.put_picture(place)
        joined = self._joined.get(place, "")
        if was_kept and joined:  # it is there, in the person's own spelling
            self._counts["without frame"] += text != joined
            return
        is_own = self.run.state(place, self._suffix) == "own"
        is_kept = is_own and (not joined or joined not in text) and _has_words(self.run.file(place, self._suffix))
        self.run.put(place, self._suffix, caption_bytes(text), has_own_words=bool(joined), is_kept=is_kept)
        self._counts["backed up"] += is_kept

    def _own_notes(self) -> list[str]:
        notes = [
            rename_note(ExportedFile(path.name, given.stem + self._suffix, given.picture))
            for path, given in zip(self._paths, self.run.places, strict=True)
            if given.states and given.stem != _stem(path)
        ]
        if unframed := self._counts["without frame"]:
            those = plural(unframed, "file of yours stays", "files of yours stay")
            notes.append(f"{those} without prefix and suffix; --existing append puts them there.")
        if backed_up := self._counts["backed up"]:
            those = plural(backed_up, "file of yours was", "files of yours were")
            notes.append(f"{those} replaced and kept beside the new one as .bak.")
        return notes + [f"{path} is no index of ours and was set aside." for path in self.run.set_aside_indexes()]


def _stem(path: Path) -> str:
    return ExportedFile(path.name, "").own_stem


def _has_words(file: Path) -> bool:
    try:
        return bool(file.read_bytes().strip())
    except OSError:
        return True
