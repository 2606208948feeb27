"""The pictures that a command line names: files as they are, folders by what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.cli.parser import WrongUse
from captioner.images import is_picture_name


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture of the command line.

    path: as it is shown and opened. folder: where it lies below the folder that was named, "" at its top and for single
    files: what an output folder mirrors.
    """

    path: Path
    folder: str = ""


def find_pictures(names: Sequence[str], *, recursive: bool) -> list[NamedPicture]:
    """The pictures in the order of the arguments, those of a folder by name; each once, however often it is named.

    Symbolic links to pictures count, links to folders are not walked into. A file that was named is taken whatever its
    name is; whether it is a picture shows when it is opened.

    Raises: WrongUse: a folder without pictures, or one that cannot be read.
    """
    found: dict[Path, NamedPicture] = {}
    for name in names:
        if not name:
            raise WrongUse("an empty name is no picture; name pictures and folders, . for the one you are in.")
        path = Path(name)
        is_folder = os.path.isdir(path)  # noqa: PTH112 (Path's own raises for a name that is too long)
        pictures = list(_in_folder(path, recursive)) if is_folder else [NamedPicture(path)]
        if not pictures:
            advice = "" if recursive else "; --recursive looks into its subfolders too"
            raise WrongUse(f"{name} has no pictures in it{advice}.")
        for picture in pictures:
            # The folder's links are resolved, the picture's own is not: a link is a picture with a name of its own.
            found.setdefault(Path(os.path.realpath(picture.path.parent)) / picture.path.name, picture)
    return list(found.values())


def _in_folder(folder: Path, recursive: bool) -> Iterator[NamedPicture]:
    def refuse(error: OSError) -> None:
        raise WrongUse(f"{error.filename} cannot be read: {error.strerror}.") from error

    for current, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if recursive else []
        below = Path(current).relative_to(folder).as_posix()
        for name in sorted(names):
            if is_picture_name(name):
                yield NamedPicture(Path(current) / name, "" if below == "." else below)
