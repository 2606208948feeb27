"""Text as Pillow draws it, with another font of this machine where Pillow's own has no such letter.

Pillow brings a font with Latin letters. What no font here has is drawn as "?" and told, never as an empty box.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from PIL import ImageDraw, ImageFont

# Names under which Pillow finds fonts in the folders of the system: Linux, Windows, macOS; the widest last.
_OTHERS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "segoeui.ttf", "arial.ttf", "Arial Unicode.ttf"),
    *("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "msyh.ttc", "msgothic.ttc", "malgun.ttf", "PingFang.ttc"),
    *("Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "unifont.ttf"),
)
_NOWHERE = "\uffff"  # no font has this
_UNKNOWN = "?"

Font = ImageFont.FreeTypeFont


class Ink:
    """Draws text on a picture. missing: the letters that no font here has."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw
        self.missing: set[str] = set()

    def text(self, place: tuple[float, float], text: str, size_px: int, fill: str) -> None:
        """Draw a line; `place` is the left end of its base line."""
        x, y = place
        for font, run in self._runs(text, size_px):
            self._draw.text((x, y), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)

    def width(self, text: str, size_px: int) -> float:
        """In pixels."""
        return sum(font.getlength(run) for font, run in self._runs(text, size_px))

    def _runs(self, text: str, size_px: int) -> Iterator[tuple[Font, str]]:
        """The text in pieces of one font each."""
        if text.isascii() and text.isprintable():
            yield _own(size_px), text
            return
        letters = [(letter if letter.isprintable() else " ") for letter in text]
        found = [(_place(letter), letter) for letter in letters]
        self.missing |= {letter for place, letter in found if place is None}
        for place, run in groupby(found, key=lambda one: one[0]):
            shown = "".join(_UNKNOWN if place is None else letter for _, letter in run)
            yield _fonts(size_px)[place or 0], shown


@lru_cache(maxsize=16)
def _own(size_px: int) -> Font:
    font = ImageFont.load_default(size_px)
    assert isinstance(font, Font), "Pillow was built without FreeType"
    return font


@lru_cache(maxsize=16)
def _fonts(size_px: int) -> tuple[Font, ...]:
    """Pillow's own, then those of the others that are here."""
    found = [_own(size_px)]
    for name in _OTHERS:
        try:
            found.append(ImageFont.truetype(name, size_px))
        except OSError:
            continue
    return tuple(found)


@lru_cache(maxsize=4096)
def _place(letter: str) -> int | None:
    """The first font that has a letter, by its place among `_fonts`; None where none has."""
    return next((place for place, font in enumerate(_fonts(16)) if _has(font, letter)), None)


def _has(font: Font, letter: str) -> bool:
    """Whether it is drawn otherwise than what no font has. Pillow does not tell which letters a font has."""
    shown, nothing = font.getmask(letter), font.getmask(_NOWHERE)
    return letter.isspace() or shown.size != nothing.size or bytes(shown) != bytes(nothing)
