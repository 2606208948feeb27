"""A picture as a square of the size that a network takes: padded, fitted or stretched. Knows no network."""

from __future__ import annotations

import math

import PIL.Image
from PIL.Image import Image, Resampling

from captioner.images.strips import strip_rows

WHITE = (255, 255, 255)
Colour = tuple[int, int, int]

_TURN = PIL.Image.Transpose.TRANSPOSE
# Pixels on either side that a new one is made of.
_REACH = {Resampling.BILINEAR: 1, Resampling.BICUBIC: 2, Resampling.LANCZOS: 3}
# Up to here rows are padded whole, which is exact; a part is placed by Pillow in single precision.
_WHOLE_PX = 2048
_WHOLE_RATIO = 4


def padded_square(
    image: Image, edge_px: int, fill: Colour = WHITE, resampling: Resampling = Resampling.BICUBIC
) -> Image:
    """Pad to a square, the picture in its middle, and resize that.

    Args: image: RGB, any size. fill: red, green, blue. resampling: bilinear, bicubic or Lanczos.
    Returns: RGB, edge_px square.
    """
    side = max(image.size)
    across, left = _along_padded_rows(image, side, edge_px, fill, resampling)
    turned, top = _along_padded_rows(across.transpose(_TURN), side, edge_px, fill, resampling)
    square = PIL.Image.new("RGB", (edge_px, edge_px), fill)
    square.paste(turned.transpose(_TURN), (left, top))
    return square


def fitted_square(
    image: Image, edge_px: int, fill: Colour = WHITE, resampling: Resampling = Resampling.BICUBIC
) -> Image:
    """Resize until the longer side fits, and lay that in the middle of a square. Args, returns: as `padded_square`."""
    scale = edge_px / max(image.size)
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    square = PIL.Image.new("RGB", (edge_px, edge_px), fill)
    fitted = image if image.size == size else image.resize(size, resampling)
    square.paste(fitted, ((edge_px - size[0]) // 2, (edge_px - size[1]) // 2))
    return square


def _along_padded_rows(
    image: Image, side: int, edge_px: int, fill: Colour, resampling: Resampling
) -> tuple[Image, int]:
    """Rows padded on both sides to the length of `side`, and resized to `edge_px`.

    The square itself is never made: of a strip of 60,000 x 20 pixels it takes 14 GB. What the picture's own pixels do
    not reach is `fill`, so in long strips only the rest is reckoned, piece by piece.

    Returns: the columns that may be other than `fill`, and the place of the first one.
    """
    width, height = image.size
    before = (side - width) // 2
    if side == edge_px:
        return image, before
    if side == width:
        return image.resize((edge_px, height), resampling), 0
    scale = side / edge_px
    first, last, start, stop = 0, edge_px, 0, side
    if side > max(_WHOLE_PX, _WHOLE_RATIO * width):
        reach = _REACH[resampling] * max(scale, 1.0)
        first = max(0, math.floor((before - reach) / scale) - 1)
        last = min(edge_px, math.ceil((before + width + reach) / scale) + 1)
        start = max(0, math.floor(first * scale - reach) - 1)
        stop = min(side, math.ceil(last * scale + reach) + 1)
    made = PIL.Image.new("RGB", (last - first, height))
    for top, rows in strip_rows(stop - start, height):
        padded = PIL.Image.new("RGB", (stop - start, rows), fill)
        padded.paste(image.crop((0, top, width, top + rows)), (before - start, 0))
        box = (first * scale - start, 0, min(last * scale - start, stop - start), rows)
        made.paste(padded.resize((last - first, rows), resampling, box), (0, top))
    return made, first
