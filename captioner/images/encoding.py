"""An opened picture as a file of its own, to be handed on. Knows no file and no trainer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image

from captioner.errors import BadPicture
from captioner.images.decoding import out_of_memory

KINDS: Mapping[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""What pictures are saved as, with the suffix of such files."""
_WEBP_MAX_PX = 16_383


def encoded(image: Image.Image, kind: str, *, longest_edge_px: int = 0, quality: int = 95) -> bytes:
    """An RGB picture as a PNG, JPEG or WebP file, with nothing else in it; equal pictures give equal bytes.

    Args: longest_edge_px: of its longer side, 0 for as it is. quality: of JPEG, with a colour for each pixel, and WebP.
    Raises: BadPicture: out_of_memory, or too big for WebP.
    """
    try:
        longer = max(image.size)
        if longest_edge_px and longer > longest_edge_px:
            size = (
                max(1, round(image.width * longest_edge_px / longer)),
                max(1, round(image.height * longest_edge_px / longer)),
            )
            image = image.resize(size, Image.Resampling.LANCZOS)
        if kind == "webp" and max(image.size) > _WEBP_MAX_PX:
            raise BadPicture(
                f"It is {image.width} x {image.height} pixels, and WebP ends at {_WEBP_MAX_PX:,} a side; save it as "
                "PNG, or smaller.",
                code="too_many_pixels",
            )
        buffer = io.BytesIO()
        plain = Image.new("RGB", image.size)  # without the comment, profile and tags of what it came from
        plain.paste(image)
        plain.save(buffer, kind.upper(), **_options(kind, quality))
    except MemoryError as error:
        raise out_of_memory() from error
    return buffer.getvalue()


def _options(kind: str, quality: int) -> dict[str, Any]:
    if kind == "jpeg":
        return {"quality": quality, "subsampling": 0}
    return {"quality": quality} if kind == "webp" else {}
