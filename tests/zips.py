"""What tests look for in a zip that was exported."""

from __future__ import annotations

import zipfile

from captioner.captions.recipe_file import RECIPE_NAME


def own_names(archive: zipfile.ZipFile) -> list[str]:
    """The names in a zip but that of the recipe, which every export has."""
    names = archive.namelist()
    assert sum(name.rpartition("/")[2] == RECIPE_NAME for name in names) == 1
    return [name for name in names if name.rpartition("/")[2] != RECIPE_NAME]


def own_files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """What is in a zip, in order, but the recipe."""
    return {name: archive.read(name) for name in own_names(archive)}
