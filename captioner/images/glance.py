"""What a picture is, told from its first bytes where those tell it: whether it is turned by EXIF, and has frames.

For whoever hands on ten thousand pictures and has to change a few. `may_hold` reads no more than the names of a file's
parts; `glance` opens a picture without its pixels where its format allows it.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from captioner.images import decoding
from captioner.images.headers import format_by_start, read_header
from captioner.images.opening import opened_picture

_MAX_PARTS = 100_000
_SCAN, _END = 0xDA, 0xD9
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_EXIF_NAME = b"Raw profile type"  # ImageMagick's way


@dataclass(frozen=True, slots=True)
class Glance:
    """A picture before its pixels. longer_px: its longer side. is_turned: its EXIF tag turns it."""

    format: str
    longer_px: int
    is_turned: bool
    has_frames: bool


def glance(data: bytes) -> Glance:
    """Raises: BadPicture: it cannot be opened."""
    kind = decoding.check_readable(data)
    header = read_header(data, kind)
    longer = max(header.width, header.height)
    if header.is_isolated:
        with opened_picture(data) as opened:
            return Glance(opened.format, longer, decoding.TURNED in opened.notes, decoding.FRAMES in opened.notes)
    with decoding.opened_lazily(data) as image:
        is_turned = decoding.orientation_of(image) in decoding.TURNS
        return Glance(kind, longer, is_turned, decoding.has_more_frames(image))


def may_hold(file: BinaryIO) -> tuple[bool, bool]:
    """Whether a file may hold EXIF data and further frames; where its parts are unknown here, both.

    Of what is no picture: neither. Args: file: at its start, and seekable.
    """
    start = file.read(16)
    kind = format_by_start(start)
    look = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}.get(kind)
    if look is None:
        return bool(kind), bool(kind)
    with suppress(struct.error):  # it is cut off
        return look(file)
    return True, True


def _jpeg(file: BinaryIO) -> tuple[bool, bool]:
    place = 2
    exif = frames = False
    for _ in range(_MAX_PARTS):
        file.seek(place)
        mark, code, length = struct.unpack(">BBH", file.read(4))
        if code in (_SCAN, _END):
            return exif, frames
        if mark != 0xFF or length < 2 or not (0xC0 <= code <= 0xFE) or 0xD0 <= code <= 0xD8:
            break  # stray bytes, which readers pass over
        name = file.read(4) if code in (0xE1, 0xE2) else b""
        exif, frames = exif or name == b"Exif", frames or name == b"MPF\0"
        place += 2 + length
    return True, True


def _png(file: BinaryIO) -> tuple[bool, bool]:
    place = 8
    exif = frames = False
    for _ in range(_MAX_PARTS):
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IEND":
            return exif, frames
        is_text = name in _PNG_TEXTS and file.read(len(_PNG_EXIF_NAME)) == _PNG_EXIF_NAME
        exif, frames = exif or name == b"eXIf" or is_text, frames or name == b"acTL"
        place += 12 + length
    return True, True


def _webp(file: BinaryIO) -> tuple[bool, bool]:
    file.seek(4)
    (size,) = struct.unpack("<I", file.read(4))
    place, end = 12, size + 8
    exif = frames = False
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        exif, frames = exif or name == b"EXIF", frames or name == b"ANIM"
        place += 8 + length + length % 2
    return exif, frames
