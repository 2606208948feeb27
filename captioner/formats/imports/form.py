"""What a form of captions is, and the records it is asked with. A further form is one file and a line in `registry`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from captioner.settings import Settings, choice

if TYPE_CHECKING:
    from captioner.formats.imports.source import Source

ENCODINGS = {"utf-8": "UTF-8", "cp1252": "Western (cp1252)", "cp932": "Japanese (cp932)", "cp949": "Korean (cp949)"}
"""What text may be said to be in that is neither UTF-8 nor UTF-16 with its mark."""


class TextSettings(Settings):
    """How an import reads text."""

    lines: str = choice(
        "all",
        ("all", "first"),
        "What a caption of several lines is: `all` keeps them, as alternatives or as they stand, `first` takes one.",
        label="Several lines",
    )
    encoding: str = choice(
        "utf-8",
        tuple(ENCODINGS),
        "What files are in that are not UTF-8, which is never guessed: `cp1252` Western, `cp932` Japanese, `cp949` "
        "Korean.",
    )


class Row(NamedTuple):
    """A caption as a file holds it.

    picture: the picture's name or path as written; is_stem: without its suffix; is_key: up to its first dot.
    text: alternatives are lines. where: the file, and the line or row in it. folder: of that file, since names are
    often relative to it.
    """

    picture: str
    text: str
    where: str
    folder: str = ""
    is_stem: bool = False
    is_key: bool = False


@dataclass(slots=True)
class Reading:
    """What a form made of a source.

    quiet: places of rows that are nobody's loss when no picture is there for them. is_sure: it may be taken unasked.
    """

    title: str
    rows: list[Row]
    quiet: frozenset[str] = frozenset()
    is_sure: bool = True


class Form:
    """A way in which captions are stored. name: on the command line. title: for people.

    is_guess: a last resort, which is taken by itself only where nothing else is found.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    is_guess: ClassVar[bool] = False

    def read(self, source: Source) -> Reading | None:
        """The captions, None where the source holds none of this form. Raises: MissingPackage."""
        raise NotImplementedError


def joined(texts: Iterable[str]) -> str:
    """Alternatives of a caption as its lines."""
    return "\n".join(" ".join(text.split()) if "\n" in text or "\r" in text else text.strip() for text in texts)
