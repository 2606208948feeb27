"""The pictures of a source on their way out of it: the folder and name each gets, with its caption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from captioner.errors import CaptionerError
from captioner.formats.imports.source import Source, SourceFile
from captioner.formats.incoming import common_depth
from captioner.images import MAX_BYTES


class Arriving(NamedTuple):
    """A picture of a source. folder, name: where it goes. text: its caption, None where none was found."""

    folder: str
    name: str
    file: SourceFile
    text: str | None

    def data(self) -> bytes:
        """Its bytes. Raises: CaptionerError: it cannot be read, or is too big."""
        data = self.file.picture_bytes()
        if len(data) > MAX_BYTES:
            raise CaptionerError(f"{self.file.path} is over the limit of {MAX_BYTES >> 20} MiB.", code="too_big")
        return data


def arriving(source: Source, captions: Mapping[str, str]) -> list[Arriving]:
    """The pictures of a source by their paths there; folders that all have in common are left away.

    Args: captions: by path. A picture that is called a mask comes along where it has one.
    """
    files = [*source.pictures, *(mask for mask in source.masks if mask.path in captions)]
    folders = [file.folder.split("/") if file.folder else [] for file in files]
    depth = common_depth(folders)
    return [
        Arriving("/".join(parts[depth:]), file.name, file, captions.get(file.path))
        for file, parts in zip(files, folders, strict=True)
    ]
