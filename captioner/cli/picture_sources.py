"""The pictures of a command line as the pipeline takes them: opened when their turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captioner import images
from captioner.cli.pictures import NamedPicture
from captioner.errors import CaptionerError
from captioner.pipeline import PictureSource

if TYPE_CHECKING:
    from PIL.Image import Image


def sources_of(pictures: Sequence[NamedPicture], existing: Sequence[str | CaptionerError]) -> Iterator[PictureSource]:
    """One a picture, in order; its id is its place.

    Args: existing: each one's caption that is there, or why it cannot be read, which is its picture's error then.
    """
    for place, (picture, text) in enumerate(zip(pictures, existing, strict=True)):
        if isinstance(text, CaptionerError):
            yield PictureSource(id=str(place), open=_Refused(text), name=picture.path.name)
        else:
            opener = _Opener(picture.path)
            yield PictureSource(
                id=str(place),
                open=opener,
                existing=text,
                name=picture.path.name,
                folder=picture.folder,
                digest=opener.digest,
            )


@dataclass(slots=True)
class _Opener:
    """Opens a picture and tells the digest of the bytes that were opened, which are read once."""

    path: Path
    _digest: str = ""

    def digest(self) -> str:
        return self._digest

    def __call__(self) -> Image:
        data = images.read_picture(self.path, follow_links=True)
        self._digest = images.digest(data)
        return images.open_picture(data).image


@dataclass(frozen=True, slots=True)
class _Refused:
    error: CaptionerError

    def __call__(self) -> Image:
        raise self.error
