"""What a picture is, told from its first bytes where those tell it: whether it is turned by EXIF, and has frames.

For whoever hands on ten thousand pictures and has to change a few. `may_need_a_look` reads no more than a
file's tags; `glance` opens a picture without its pixels where its format allows it.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from captioner.images import decoding
from captioner.images.headers import format_by_start, read_header
from captioner.images.headers.base import Truncated
from captioner.images.headers.directories import TagFile
from captioner.images.opening import opened_picture

_MAX_PARTS = 100_000
_MAX_TAG_BYTES = 1 << 20
_SCAN, _END, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_ORIENTATION = 0x0112
_XMP_TURN = b"tiff:Orientation"  # Pillow heeds it where EXIF has none
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_TURNING = (b"Raw profile type", b"XML:com.adobe.xmp")  # names of texts: ImageMagick's EXIF, and XMP
_LONGEST_NAME = max(map(len, _PNG_TURNING))


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


def may_need_a_look(file: BinaryIO) -> tuple[bool, bool]:
    """Whether a file may be turned by a tag, and whether it may have further frames; where that is unknown here, both.

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
    turns = frames = False
    for _ in range(_MAX_PARTS):
        file.seek(place)
        mark, code, length = struct.unpack(">BBH", file.read(4))
        if code in (_SCAN, _END):
            return turns, frames
        if mark != 0xFF or length < 2 or not (0xC0 <= code <= 0xFE) or 0xD0 <= code <= 0xD8:
            break  # stray bytes, which readers pass over
        if code == _APP1:
            data = file.read(length - 2)
            turns = turns or (_may_turn(data[6:]) if data.startswith(b"Exif") else _XMP_TURN in data)
        elif code == _APP2:
            frames = frames or file.read(4) == b"MPF\0"
        place += 2 + length
    return True, True


def _png(file: BinaryIO) -> tuple[bool, bool]:
    place = 8
    turns = frames = False
    for _ in range(_MAX_PARTS):
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IEND":
            return turns, frames
        if name == b"eXIf":
            turns = turns or _may_turn(file.read(min(length, _MAX_TAG_BYTES)))
        elif name in _PNG_TEXTS:
            turns = turns or file.read(_LONGEST_NAME).startswith(_PNG_TURNING)
        frames = frames or name == b"acTL"
        place += 12 + length
    return True, True


def _webp(file: BinaryIO) -> tuple[bool, bool]:
    file.seek(4)
    (size,) = struct.unpack("<I", file.read(4))
    place, end = 12, size + 8
    turns = frames = False
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"EXIF":
            turns = turns or _may_turn(file.read(min(length, _MAX_TAG_BYTES)).removeprefix(b"Exif\0\0"))
        elif name == b"XMP ":
            turns = turns or _XMP_TURN in file.read(min(length, _MAX_TAG_BYTES))
        frames = frames or name == b"ANIM"
        place += 8 + length + length % 2
    return turns, frames


def _may_turn(exif: bytes) -> bool:
    """Whether EXIF data has an orientation other than upright; damaged data may."""
    try:
        tags = TagFile(exif)
        return any(tag.code == _ORIENTATION and tag.value != 1 for tag in tags.tags(tags.first))
    except Truncated:
        return True
