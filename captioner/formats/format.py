"""What is exported and what came of it: the records, and what an export format and a target must offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from captioner.formats.names import split_name


@dataclass(frozen=True, slots=True)
class ExportItem:
    """A caption to write.

    name: the picture's file name as the person knows it; data, never a path.
    picture: where the picture's original bytes are, for an export with pictures.
    folder: the subfolder it goes to, a relative path of our own making.
    """

    name: str
    text: str
    picture: Path | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """Under which names a picture's files were written, relative to the target, with "/" between folders.

    name: the picture's own name. picture: "" in an export without pictures.
    """

    name: str
    caption: str
    picture: str = ""

    @property
    def is_renamed(self) -> bool:
        """The caption file does not share the stem of the picture as the person knows it."""
        return Path(self.caption).stem != split_name(self.name)[0]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written: every file, and the names of pictures whose caption is empty."""

    files: tuple[ExportedFile, ...]
    empty: tuple[str, ...] = ()

    @property
    def renamed(self) -> tuple[ExportedFile, ...]:
        """The files that could not have their picture's stem."""
        return tuple(file for file in self.files if file.is_renamed)

    def notes(self) -> list[str]:
        """What the person should know, in sentences; nothing when all went as expected."""
        return [rename_note(file) for file in self.renamed] + [f"{name} has an empty caption." for name in self.empty]


class Target(Protocol):
    """Where files go: a folder or a zip. Both raise ExportError for whatever the system refuses."""

    def write(self, name: str, data: bytes) -> None:
        """A whole file of these bytes. name: relative, with "/" between folders."""

    def copy(self, name: str, source: Path) -> None:
        """A whole copy of a file."""


class Writer(Protocol):
    """One export format."""

    def plan(self, items: Sequence[ExportItem], *, with_pictures: bool) -> list[ExportedFile]:
        """The names each item's files get, in order and all different; writes nothing."""

    def write(self, target: Target, file: ExportedFile, item: ExportItem) -> None:
        """Write one item's files under the planned names."""


def rename_note(file: ExportedFile) -> str:
    """What to tell about a file that could not have its picture's stem."""
    if file.picture:
        return f"{file.name} was exported as {file.picture} with {file.caption}."
    stem = Path(file.caption).stem
    return f"The caption of {file.name} is in {file.caption}; rename that picture to {stem} so that trainers find it."
