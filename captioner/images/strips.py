"""The pieces of about a million pixels in which pictures are gone through and handed on, to hold little beside them."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

_STRIP_PIXELS = 1_000_000


def strip_rows(width: int, height: int) -> Iterator[tuple[int, int]]:
    """(first row, rows) of each piece."""
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(rows, height - top)


def strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in these pieces, each with its first row."""
    for top, rows in strip_rows(*image.size):
        yield top, image.crop((0, top, image.width, top + rows))
