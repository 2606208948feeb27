"""An opened picture re-encoded to look at: small ones as WebP, all of it as JPEG. Knows no file."""

from __future__ import annotations

import io

from PIL import Image

from captioner.images.decoding import out_of_memory


def thumbnail(image: Image.Image, edge_px: int = 256) -> bytes:
    """A small WebP for the grid, its longer side at most `edge_px`; smaller pictures keep their size."""
    return _webp(image, edge_px, quality=80)


def preview(image: Image.Image, edge_px: int = 1600) -> bytes:
    """A WebP to look at, its longer side at most `edge_px`; re-encoded, so nothing of the original file is in it."""
    return _webp(image, edge_px, quality=90)


def full(image: Image.Image) -> bytes:
    """A JPEG of all pixels of an RGB picture, each with its own colour (4:4:4); re-encoded as a preview is.

    JPEG and not WebP, which ends at 16,383 pixels a side.
    Raises: BadPicture: out_of_memory.
    """
    buffer = io.BytesIO()
    try:
        # The comment is the one thing that Pillow takes over from the picture by itself.
        image.save(buffer, "JPEG", quality=95, subsampling=0, comment=b"")
    except MemoryError as error:
        raise out_of_memory() from error
    return buffer.getvalue()


def _webp(image: Image.Image, edge_px: int, quality: int) -> bytes:
    """Raises: BadPicture: out_of_memory."""
    try:
        return _shrunk(image, edge_px, quality)
    except MemoryError as error:
        raise out_of_memory() from error


def _shrunk(image: Image.Image, edge_px: int, quality: int) -> bytes:
    longer = max(image.size)
    if longer > edge_px:
        size = (max(1, round(image.width * edge_px / longer)), max(1, round(image.height * edge_px / longer)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    # A fresh RGB copy carries no EXIF, profile or comment of the original into the WebP.
    Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()
