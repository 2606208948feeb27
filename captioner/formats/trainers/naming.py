"""What the folders and pictures of a set are called: safe everywhere, unique in each folder, as the trainer reads it.

Of pictures that want one name the first by name has it, whatever order they come in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.formats.format import ExportItem
from captioner.formats.names import name_key, numbered, safe_name, split_name
from captioner.formats.sidecars import picture_suffix
from captioner.formats.trainers.target import PictureFolder, SetSettings, Target, Wanted

_MAX_STEM_BYTES = 230  # room for the longest suffix that is put behind it, cache files' too
_KOHYA = re.compile(r"(?P<repeats>[1-9][0-9]{0,3})(_|\Z)")


@dataclass(frozen=True, slots=True)
class Named:
    """Where a picture goes. place: of its folder among the set's. suffix: with its dot."""

    wanted: Wanted
    place: int
    suffix: str


def clean_name(name: str, target: Target) -> str:
    """A folder's or a picture's name that every system takes and that means nothing else to the trainer."""
    for text in target.forbidden:
        name = name.replace(text, "_")
    return safe_name(name, _MAX_STEM_BYTES)


def name_folders(
    items: Sequence[ExportItem], target: Target, settings: SetSettings, set_name: str
) -> tuple[list[PictureFolder], list[int]]:
    """The picture folders of a set in order of their names, and the place of each item's among them."""
    own = sorted({item.folder for item in items})
    names = _Names()
    folders = []
    for folder in own:
        found = _KOHYA.match(folder.rpartition("/")[2])
        repeats = int(found["repeats"]) if found else settings.repeats
        # A folder that lies in another is read twice by trainers that look into subfolders, so all lie side by side.
        wished = target.folder_name(folder, repeats, set_name=set_name)
        name = names.free(clean_name(wished or set_name, target)) if wished or len(own) > 1 else ""
        path = "/".join(part for part in (target.picture_folder, name) if part)
        folders.append(PictureFolder(path, repeats))
    return folders, [own.index(item.folder) for item in items]


def name_pictures(items: Sequence[ExportItem], places: Sequence[int], target: Target) -> list[Named]:
    """The names of a set's pictures, in the items' order. Raises: ExportError: a picture cannot be read."""
    wishes = [clean_name(target.stem(clean_name(split_name(item.name)[0], target)), target) for item in items]
    order = sorted(range(len(items)), key=lambda index: (items[index].folder, items[index].name, items[index].digest))
    names = {place: _Names() for place in places}
    stems: dict[int, str] = {}
    for index in order:  # whoever is first by name keeps it, so that a second a.jpg never takes the name of a_2.jpg
        if names[places[index]].take(wishes[index]):
            stems[index] = wishes[index]
    for index in order:
        if index not in stems:
            stems[index] = names[places[index]].free(wishes[index])
    numbers = {index: number for number, index in enumerate(order, 1)}
    return [
        Named(Wanted(stems[index], numbers[index]), places[index], _suffix(item, target))
        for index, item in enumerate(items)
    ]


def _suffix(item: ExportItem, target: Target) -> str:
    suffix = picture_suffix(item.name, item.picture) if item.picture else split_name(item.name)[1]
    return target.picture_suffix(suffix.lower())


class _Names:
    """Names of one folder, none of them twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Whether a name was free; it is not any more."""
        is_free = name_key(name) not in self._taken
        self._taken.add(name_key(name))
        return is_free

    def free(self, name: str) -> str:
        """The name, or with a number behind it, so that no other has it."""
        free, key = name, name_key(name)
        while not self.take(free):
            self._numbers[key] = self._numbers.get(key, 1) + 1
            free = numbered(name, self._numbers[key], _MAX_STEM_BYTES)
        return free
