"""A sheet of paper whose height shows when all is laid out: what is drawn is noted first. Knows no sweep."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from captioner.errors import CaptionerError
from captioner.lab.report.fonts import Ink

MAX_DRAWN_PIXELS = 60_000_000
"""Of one sheet: 400 cells fit, or eight pictures of 5 x 5."""

LINE = 1.35
"""From one base line to the next, in sizes of the font."""

_PAPER = "#ffffff"
_COLOURS = 256


class Canvas:
    """Notes rectangles, lines of text and pictures in pixels from the top left, and draws them all at the end."""

    def __init__(self, width_px: int) -> None:
        self.width_px = width_px
        self._steps: list[Callable[[Image.Image, ImageDraw.ImageDraw, Ink], None]] = []
        self._ruler = Ink(ImageDraw.Draw(Image.new("RGB", (1, 1))))

    @property
    def missing(self) -> set[str]:
        """Letters that were measured and that no font here has."""
        return self._ruler.missing

    def text_width(self, text: str, size_px: int) -> float:
        """In pixels."""
        return self._ruler.width(text, size_px)

    def rectangle(self, box: Sequence[float], *, fill: str = "", outline: str = "", width_px: int = 1) -> None:
        """Args: box: left, top, right, bottom; the border lies within."""
        place = tuple(round(edge) for edge in box)
        self._steps.append(
            lambda _, draw, __: draw.rectangle(place, fill=fill or None, outline=outline or None, width=width_px)
        )

    def dot(self, centre: tuple[float, float], radius: float, fill: str) -> None:
        """A filled circle."""
        self._steps.append(lambda _, draw, __: draw.circle(centre, radius, fill=fill))

    def text(self, place: tuple[float, float], text: str, size_px: int, fill: str) -> None:
        """A line of text. Args: place: the left end of its base line."""
        self.text_width(text, size_px)
        self._steps.append(lambda _, __, ink: ink.text(place, text, size_px, fill))

    def paragraph(self, place: tuple[float, float], text: str, size_px: int, fill: str, width_px: float) -> float:
        """Text in lines of at most so wide. Args: place: its top left corner. Returns: its lower edge."""
        x, y = place
        for line in self.wrapped(text.split(), size_px, width_px):
            y += size_px * LINE
            self.text((x, y - 0.3 * size_px), " ".join(line), size_px, fill)
        return y

    def wrapped(self, words: Sequence[str], size_px: int, width_px: float) -> list[list[str]]:
        """Words in lines. One that is wider than a line is cut."""
        lines: list[list[str]] = [[]]
        blank = self.text_width(" ", size_px)
        room = width_px
        for word in (piece for one in words for piece in self.pieces(one, size_px, width_px)):
            width = self.text_width(word, size_px)
            if lines[-1] and width > room:
                lines.append([])
                room = width_px
            lines[-1].append(word)
            room -= width + blank
        return lines

    def picture(self, image: Image.Image, place: tuple[float, float]) -> None:
        """Args: place: its top left corner."""
        x, y = place
        self._steps.append(lambda sheet, _, __: sheet.paste(image, (round(x), round(y))))

    def png(self, height_px: float) -> bytes:
        """All that was noted, as a PNG.

        Raises: CaptionerError: it would have more than 60 megapixels.
        """
        size = self.width_px, round(height_px)
        if size[0] * size[1] > MAX_DRAWN_PIXELS:
            raise CaptionerError(
                f"the PNG would have {size[0]} x {size[1]} pixels, more than {MAX_DRAWN_PIXELS // 10**6} million; "
                "take fewer pictures or values, or the page (HTML).",
                code="too_large",
            )
        sheet = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(sheet)
        ink = Ink(draw)
        for step in self._steps:
            step(sheet, draw, ink)
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def pieces(self, word: str, size_px: int, width_px: float) -> list[str]:
        """A word, cut where it is wider than a line."""
        pieces = [""]
        if self.text_width(word, size_px) <= width_px:
            return [word]
        for letter in word:
            if pieces[-1] and self.text_width(pieces[-1] + letter, size_px) > width_px:
                pieces.append("")
            pieces[-1] += letter
        return pieces
