"""What a picture file says of itself, read by our own few lines before any decoder sees it, and what of it is refused.

Decoders trust a header: they make room for whatever size it names, and join or copy blocks of metadata as often as it
names them, which costs minutes or gigabytes for a file of a few bytes. So size, frames, blocks and tags are counted
here first, in a time that grows with the file and no faster. Every limit lies far above what real files have, and is
written beside the line that needs it, with what the decoder (Pillow 12.3) would do without it. Knows no decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from captioner.images.headers.avif import read_avif
from captioner.images.headers.base import MAX_PIXELS, MAX_SIDE_PX, Header, Truncated, check_pixels, damaged
from captioner.images.headers.bmp import read_bmp
from captioner.images.headers.directories import is_bounded_exif
from captioner.images.headers.gif import read_gif
from captioner.images.headers.jpeg import jpeg_scans, read_jpeg
from captioner.images.headers.png import read_png
from captioner.images.headers.tiff import read_tiff
from captioner.images.headers.webp import read_webp

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "Header",
    "check_pixels",
    "damaged",
    "format_by_start",
    "is_bounded_exif",
    "jpeg_scans",
    "read_header",
]

_READERS: Mapping[str, Callable[[bytes], Header]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "WEBP": read_webp,
    "AVIF": read_avif,
    "HEIF": read_avif,  # the same boxes
    "GIF": read_gif,
    "BMP": read_bmp,
    "TIFF": read_tiff,
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II\x00*": "TIFF",  # this and the next: the number's bytes the wrong way round, which readers forgive
    b"MM*\x00": "TIFF",
    b"II+\x00": "TIFF",  # BigTIFF
    b"MM\x00+": "TIFF",
}


def format_by_start(start: bytes) -> str:
    """Which format a file's first 16 bytes belong to (JPEG, PNG, ..., HEIF), "" for none that is known here.

    Says nothing about whether the rest is whole.
    """
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return "AVIF" if start[8:12] in (b"avif", b"avis") else "HEIF" if start[8:12] in _HEIF_BRANDS else ""
    return next((name for signature, name in _STARTS.items() if start.startswith(signature)), "")


def read_header(data: bytes, picture_format: str) -> Header:
    """Size and cost of a picture of a format that `format_by_start` names.

    Raises: BadPicture: damaged, too_many_pixels or too_complex.
    """
    try:
        header = _READERS[picture_format](data)
    except Truncated as error:
        raise damaged(f"the {picture_format} header ends early") from error
    if header.width == 0 or header.height == 0:
        raise damaged(f"it is {header.width} x {header.height} pixels")
    return header
