"""The folders of a run on the disk: what lies there, where each picture's files go, and writing them by that rule.

`ownership` decides, `targets` writes. What the person must know comes as errors of one picture (FileInTheWay) or of the
whole run (ExportError).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.formats import targets
from captioner.formats.earlier import Index
from captioner.formats.ownership import Listing, Ownership, Place, State, Wish, Written
from captioner.formats.sidecars import picture_suffix

_ANNOUNCED_AT_ONCE = 64
"""Files whose writing is announced together: so seldom is the index written, and so many pictures are read ahead."""


@dataclass(frozen=True, slots=True)
class OutputPicture:
    """A picture of a run and the folder that its files go to.

    digest: what stands for the content of the file, where there is none: files made of several pictures have no own.
    """

    path: Path
    folder: Path
    digest: str = ""


class FolderRun:
    """The files of a run's pictures, in one folder or many.

    Args: suffixes: of the files of each picture. with_pictures: the pictures are copied there too.
    """

    def __init__(
        self, pictures: Sequence[OutputPicture], suffixes: Sequence[str], *, with_pictures: bool = False
    ) -> None:
        self.suffixes = tuple(suffixes)
        self._pictures = pictures
        self._folders: dict[str, _Folder] = {}
        self._folder_of: list[_Folder] = []
        for place, picture in enumerate(pictures):
            key = os.path.realpath(picture.folder)
            if key not in self._folders:  # each reads its folder
                self._folders[key] = _Folder(picture.folder, key)
            folder = self._folders[key]
            folder.add(place, picture, with_pictures)
            self._folder_of.append(folder)
        for folder in self._folders.values():
            folder.decide(self.suffixes, with_pictures)
        self.places: list[Place] = [self._folder_of[place].place_of(place) for place in range(len(pictures))]

    def lies_there(self, place: int) -> bool:
        """Whether a picture lies in the folder that its files go to."""
        return self._wish(place).lies_there

    def folders(self) -> list[Path]:
        """The folders, as they were named."""
        return [folder.path for folder in self._folders.values()]

    def set_aside_indexes(self) -> list[Path]:
        """Files of an index's name that were none of ours and got another name."""
        return [folder.index.path for folder in self._folders.values() if folder.index.set_aside_as]

    def file(self, place: int, suffix: str) -> Path:
        """Where a file of a picture goes."""
        return self._pictures[place].folder / (self.places[place].stem + suffix)

    def state(self, place: int, suffix: str) -> State:
        """What lay there when the run began."""
        return self.places[place].states[self.suffixes.index(suffix)]

    def content(self, place: int, suffix: str) -> str:
        """sha256 of what lay there when the run began, "" for nothing."""
        return self._folder_of[place].digest(self.places[place].stem + suffix)

    def captions_of(self, place: int, suffixes: Sequence[str]) -> list[Path]:
        """The caption files of a picture in its folder, the one that counts first; one an earlier run numbered too."""
        folder = self._folder_of[place]
        names = folder.owners.captions_of(self._wish(place), suffixes)
        given = self.places[place]
        first = given.stem + self.suffixes[0]
        if given.states and given.states[0] not in ("new", "stale"):
            names = [first, *(name for name in names if name != first)]
        return [folder.path / name for name in names]

    def put(self, place: int, suffix: str, data: bytes, *, has_own_words: bool = False, is_kept: bool = False) -> None:
        """Write a file of a picture, unless it is there with just this content.

        Args: has_own_words: words of a person are in it that are nowhere else, so it must not count as ours.
            is_kept: what it replaces stays, as NAME.bak.
        Raises: ExportError; FileInTheWay: what is there is not what the run found there.
        """
        content, digest = self.content(place, suffix), targets.data_digest(data)
        if content == digest:
            return
        name, file = self.places[place].stem + suffix, self.file(place, suffix)
        folder = self._folder_of[place]
        if self.state(place, suffix) == "new" and not folder.index.is_announced(name):
            folder.announce(place, self.suffixes)
        if content:
            targets.replace(file, data, content=content, is_kept=is_kept)
        else:
            targets.write_new(file, data)
        folder.index.record(name, Written(self._wish(place).digest, "" if has_own_words else digest))

    def put_picture(self, place: int) -> None:
        """Copy a picture, unless its copy is there. Raises: ExportError; FileInTheWay."""
        given = self.places[place]
        if given.picture and not given.has_picture:
            targets.copy_new(self._pictures[place].folder / given.picture, self._pictures[place].path)

    def close(self) -> None:
        """Store what was written where. Raises: ExportError."""
        for folder in self._folders.values():
            folder.index.close()

    def _wish(self, place: int) -> Wish:
        return self._folder_of[place].wishes[place]


class _Folder:
    def __init__(self, path: Path, real: str) -> None:
        self.path = path
        self._real = real
        self.index = Index(path)
        try:
            self._names = frozenset(entry.name for entry in os.scandir(path))
        except OSError:  # it is not there yet; where it cannot be read, writing will say so
            self._names = frozenset()
        self.wishes: dict[int, Wish] = {}
        self._digests: dict[str, str] = {}
        self._places: dict[int, Place] = {}

    def add(self, place: int, picture: OutputPicture, with_pictures: bool) -> None:
        path = picture.path
        lies_there = os.path.realpath(path.parent) == self._real and path.name in self._names
        suffix = picture_suffix(path.name, path) if with_pictures and path.is_file() else ""
        self.wishes[place] = Wish(path.name, lambda: picture.digest or targets.file_digest(path), lies_there, suffix)

    def decide(self, suffixes: Sequence[str], with_pictures: bool) -> None:
        listing = Listing(str(self.path), self._names, self.digest, self.index.written, self._is_case_blind())
        wishes = list(self.wishes.values())
        self.owners = Ownership(listing, wishes, suffixes, with_pictures=with_pictures)
        self._places = dict(zip(self.wishes, self.owners.places(), strict=True))

    def place_of(self, place: int) -> Place:
        return self._places[place]

    def digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = targets.file_digest(self.path / name)
        return self._digests[name]

    def announce(self, first: int, suffixes: Sequence[str]) -> None:
        """Say in the index that this picture's new files and those of the next ones are about to be written."""
        files: dict[str, str] = {}
        for place in sorted(place for place in self.wishes if place >= first)[:_ANNOUNCED_AT_ONCE]:
            given = self._places[place]
            for suffix, state in zip(suffixes, given.states, strict=False):
                name = given.stem + suffix
                if state == "new" and not self.index.is_announced(name):
                    files[name] = self.wishes[place].digest
        if files:
            self.index.announce(files)

    def _is_case_blind(self) -> bool:
        """Whether names that differ by case only are one file here, tried with a name that lies there."""
        for name in self._names:
            if (other := name.swapcase()) != name and other not in self._names:
                return os.path.lexists(self.path / other)
        return False


def beside(paths: Sequence[Path], suffix: str) -> FolderRun:
    """Pictures in their own folders."""
    return FolderRun([OutputPicture(path, path.parent) for path in paths], (suffix,))
