"""The pictures that a command line names: files as they are, folders by what is in them, and what is passed over."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from captioner import images
from captioner.cli.parser import WrongUse
from captioner.contract import PictureInput
from captioner.errors import CaptionerError
from captioner.formats import passed_over
from captioner.formats.earlier import INDEX_NAME
from captioner.formats.existing import is_caption_name
from captioner.images import format_by_start, is_picture_name

_HINTS = {"mask": " (--include-masks takes them)"}


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture of the command line.

    path: as it is shown and opened. folder: where its files go below the output folder or in the zip, "" at the top.
    """

    path: Path
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to look for pictures. in_place: the output folder, if what is written there is to lie beside the pictures."""

    recursive: bool = False
    exclude: Sequence[str] = ()
    include_masks: bool = False
    in_place: Path | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace, *, in_place: Path | None = None) -> Search:
        """As the flags of a command line say (`flags.add_search_flags`)."""
        return cls(
            recursive=arguments.recursive,
            exclude=arguments.exclude,
            include_masks=arguments.include_masks,
            in_place=in_place,
        )


@dataclass(slots=True)
class Found:
    """The pictures of a command line, and what was passed over: names by the reasons of `passed_over`.

    problems: folders that gave nothing, each as a sentence.
    """

    pictures: list[NamedPicture] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)

    @property
    def is_incomplete(self) -> bool:
        """Whether a person would have expected more captions than there will be."""
        return bool(self.problems) or not passed_over.MISSED.isdisjoint(self.passed_over)

    def notes(self) -> list[str]:
        """What was passed over, by reason, in sentences."""
        notes = self.problems + passed_over.notes(self.passed_over, lambda reason: _HINTS.get(reason, ""))
        return notes + [f"--exclude {pattern!r} leaves nothing out." for pattern in self.idle]


def check_names(names: Sequence[str]) -> None:
    """Raises: WrongUse: one is empty, as a variable that was not set, and would mean the folder one is in."""
    if "" in names:
        raise WrongUse("an empty name is no picture; name pictures and folders, . for the one you are in.")


def find_pictures(names: Sequence[str], search: Search) -> Found:
    """The pictures in the order of the arguments, those of a folder by name; each once, however often it is named.

    Symbolic links count as what they point to; a folder is looked into once. A file that was named is taken whatever
    its name is, unless it is a caption file or a mask; whether it is a picture shows when it is opened.

    Raises: WrongUse: there is nothing to caption, with the reason.
    """
    looked = _Looked(search)
    check_names(names)
    for name in names:
        looked.add(Path(name), is_alone=len(names) == 1)
    found = looked.found
    found.idle = [pattern for pattern in search.exclude if pattern not in looked.useful]
    if not looked.pictures:
        raise WrongUse(" ".join([*found.notes()]) or f"{names[0]} has no pictures in it.")
    found.pictures = _placed(list(looked.pictures.values()), looked.roots, search.in_place)
    return found


class _Looked:
    def __init__(self, search: Search) -> None:
        self._search = search
        self.found = Found()
        self.pictures: dict[Path, Path] = {}
        self.roots: list[Path] = []
        self.useful: set[str] = set()
        self._seen: set[tuple[int, int]] = set()

    def add(self, path: Path, *, is_alone: bool) -> None:
        """An argument. is_alone: it is the only one, so that whoever names a folder of masks means it."""
        is_folder = os.path.isdir(path)  # noqa: PTH112 (Path's own raises for a name that is too long)
        reason = self._excluded(path.name) or ("" if is_folder and is_alone else self._left_out(path, is_folder))
        if not is_folder and not reason and (is_caption_name(path.name) or path.name == INDEX_NAME):
            reason = "caption"
        if reason:
            self._pass_over(reason, str(path))
        elif is_folder:
            self.roots.append(path)
            before = len(self.pictures), len(self.found.problems), sum(map(len, self.found.passed_over.values()))
            is_known = not self._look_into(path)
            after = len(self.pictures), len(self.found.problems), sum(map(len, self.found.passed_over.values()))
            if not is_known and before[:2] == after[:2]:
                self._say_empty(path, before[2] < after[2])
        else:
            self.roots.append(path.parent)
            self._take(path)

    def _say_empty(self, path: Path, has_others: bool) -> None:
        advice = "" if self._search.recursive else "; --recursive looks into its subfolders too"
        other = "other " if has_others else ""
        self.found.problems.append(f"{path} has no {other}pictures in it{advice}.")

    def _take(self, path: Path) -> bool:
        # The folder's links are resolved, the picture's own is not: a link is a picture with a name of its own.
        key = Path(os.path.realpath(path.parent)) / path.name
        self.pictures.setdefault(key, path)
        return True

    def _look_into(self, root: Path) -> bool:
        """Take a folder's pictures, links to folders last, so that a picture is found under its own folder first."""
        waiting, links = [root], list[Path]()
        taken: list[tuple[tuple[str, ...], str, Path]] = []
        is_new = False
        while waiting or links:
            folder = waiting.pop() if waiting else links.pop(0)
            try:
                state = folder.stat()
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.found.problems.append(f"{folder} cannot be read: {error.strerror}.")
                continue
            if state.st_ino and (state.st_dev, state.st_ino) in self._seen:
                if folder != root:
                    self._pass_over("loop", str(folder))
                continue
            is_new = True
            self._seen.add((state.st_dev, state.st_ino))
            for entry in entries:
                path = folder / entry.name
                below = path.relative_to(root).as_posix()
                if entry.is_dir():
                    if self._search.recursive and not self._is_passed_over(path, below, is_folder=True):
                        (links if entry.is_symlink() else waiting).append(path)
                elif not self._is_passed_over(path, below, is_folder=False) and is_picture_name(entry.name):
                    taken.append((PurePosixPath(below).parent.parts, entry.name, path))
        for _, _, path in sorted(taken):
            self._take(path)
        return is_new

    def _is_passed_over(self, path: Path, below: str, *, is_folder: bool) -> bool:
        reason = self._excluded(below) or self._left_out(path, is_folder)
        if not reason and not is_folder and not is_picture_name(path.name):
            reason = self._why_no_picture(path)
        if reason:
            self._pass_over(reason, below)
        return bool(reason)

    def _excluded(self, below: str) -> str:
        patterns = [
            pattern
            for pattern in self._search.exclude
            if fnmatch(below, pattern.rstrip("/")) or fnmatch(below.rpartition("/")[2], pattern.rstrip("/"))
        ]
        self.useful.update(patterns)
        return "excluded" if patterns else ""

    def _left_out(self, path: Path, is_folder: bool) -> str:
        look = passed_over.reason_for_folder if is_folder else passed_over.reason_for_mask
        return look(path.name, include_masks=self._search.include_masks)

    @staticmethod
    def _why_no_picture(path: Path) -> str:
        """Why a file without a picture's name may matter all the same; "" for one that is nothing to us."""
        if path.name.startswith("."):
            return "hidden" if is_picture_name(path.name.lstrip(".")) else ""
        if passed_over.is_unread(path.name):
            return "format"
        if is_caption_name(path.name) or not path.is_file():
            return ""
        try:
            with path.open("rb") as file:
                return "name" if format_by_start(file.read(16)) not in ("", "BMP") else ""  # BM begins words too
        except OSError:
            return ""

    def _pass_over(self, reason: str, name: str) -> None:
        self.found.passed_over.setdefault(reason, []).append(name)


def opened(paths: Iterable[Path]) -> Iterator[PictureInput]:
    """Pictures one by one, in order; those that cannot be opened are left out, for whoever needs just some."""
    for path in paths:
        with suppress(CaptionerError):
            yield PictureInput(images.open_picture(path, follow_links=True).image, name=path.name)


def _placed(paths: Sequence[Path], roots: Collection[Path], in_place: Path | None) -> list[NamedPicture]:
    """Each picture with its folder: below the output folder where all lie in it, else from where the arguments part."""
    parents = [_absolute(path.parent) for path in paths]
    top = _absolute(in_place) if in_place is not None else None
    if top is None or not all(parent.is_relative_to(top) for parent in parents):
        try:
            top = Path(os.path.commonpath([_absolute(root) for root in roots]))
        except ValueError:  # on different drives: nothing is common but that each has a name
            return [NamedPicture(path, parent.name) for path, parent in zip(paths, parents, strict=True)]
    below = [parent.relative_to(top).as_posix() for parent in parents]
    return [NamedPicture(path, "" if folder == "." else folder) for path, folder in zip(paths, below, strict=True)]


def _absolute(path: Path) -> Path:
    """With the names as they were given: a link stays one."""
    return Path(os.path.abspath(path))  # noqa: PTH100
