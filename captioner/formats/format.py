"""What is exported and what came of it, as records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner.formats.names import split_name
from captioner.plural import plural


@dataclass(frozen=True, slots=True)
class ExportItem:
    """A caption to write.

    name: the picture's file name as the person knows it; data, never a path.
    picture: where the picture's original bytes are, for an export with pictures.
    folder: the subfolder it goes to, a relative path with "/" between names.
    others: further captions, for targets that take several. kinds: (kind, caption) of the kinds of captions beside the
        one in `text`, for targets that name them. notes: what opening the picture said, where it was opened.
    digest: sha256 of the picture; of two equal names it says which comes first, whatever the order they came in.
    """

    name: str
    text: str
    picture: Path | None = None
    folder: str = ""
    digest: str = ""
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """Under which names a picture's files were written, relative to the target, with "/" between folders.

    name, folder: the picture's own, as the person knows them. picture: "" in an export without pictures.
    """

    name: str
    caption: str
    picture: str = ""
    folder: str = ""

    @property
    def is_renamed(self) -> bool:
        """The caption file does not share the stem of the picture as the person knows it."""
        return Path(self.caption).stem != self.own_stem

    @property
    def own_stem(self) -> str:
        """The stem of the picture as the person knows it."""
        return split_name(self.name)[0]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written: every file, and the names of pictures whose caption is empty or has several lines."""

    files: tuple[ExportedFile, ...]
    empty: tuple[str, ...] = ()
    in_lines: tuple[str, ...] = ()

    @property
    def renamed(self) -> tuple[ExportedFile, ...]:
        """The files that could not have their picture's stem."""
        return tuple(file for file in self.files if file.is_renamed)

    def notes(self) -> list[str]:
        """What the person should know, in sentences; nothing when all went as expected."""
        notes = [rename_note(file) for file in self.renamed] + [f"{name} has an empty caption." for name in self.empty]
        return notes + ([lines_note(len(self.in_lines))] if self.in_lines else [])


def rename_note(file: ExportedFile) -> str:
    """What to tell about a file that could not have its picture's stem."""
    name = path_of(file.folder, file.name)
    if file.picture:
        return f"{name} was exported as {file.picture} with {file.caption}."
    stem = Path(file.caption).stem
    return f"The caption of {name} is in {file.caption}; rename that picture to {stem} so that trainers find it."


def path_of(folder: str, name: str) -> str:
    """A picture of a set as messages name it: with its folder, so that equal names are told apart."""
    return f"{folder}/{name}" if folder else name


def joined_notes(count: int) -> list[str]:
    """What to tell about existing captions of several lines that were joined; nothing where there are none."""
    return [f"The lines of {plural(count, 'existing caption')} were joined into one line."] if count else []


def lines_note(count: int) -> str:
    """What to tell about captions of several lines, which trainers read in different ways."""
    those = plural(count, "caption has several lines and keeps", "captions have several lines and keep")
    return (
        f"{those} them: kohya's scripts read the first line, or any with enable_wildcard; OneTrainer and SimpleTuner "
        "take one of them; others read them all."
    )
