"""The directories of tags in TIFF, Exif and MPO data: how much they name, which may be far more than there is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from captioner.images.headers.base import Truncated, unpack

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
RATIONALS = (5, 10)
_NUMBERS = {1: "B", 3: "H", 4: "I", 9: "I", 13: "I", 16: "Q"}
# Exif of cameras is under 100 KB, its values apart from each other. Values that share their bytes are copied for each.
_MAX_EXIF_BYTES = 16_000_000
_MAX_EXIF_RATIONALS = 10_000
_MAX_EXIF_TAGS = 70_000  # damaged data of the usual kind names up to 65,535
_MAX_PREFIXES = 16


@dataclass(frozen=True, slots=True)
class Tag:
    """An entry of a directory. value: its first number, 0 where it holds none."""

    code: int
    kind: int
    count: int
    value: int

    @property
    def size_bytes(self) -> int:
        return self.count * _TYPE_BYTES[self.kind]


class TagFile:
    """TIFF data, opened at its header. Raises: Truncated: too short for one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = ">" if data[:2] == b"MM" else "<"
        self._is_big = len(data) > 3 and data[2] == 43
        (self.first,) = unpack(self._order + ("Q" if self._is_big else "I"), data, 8 if self._is_big else 4)

    def tags(self, place: int) -> Iterator[Tag]:
        """The entries of the directory at a place, as far as a reader gets: to one whose value is not there."""
        entry_bytes, offset_bytes = (20, 8) if self._is_big else (12, 4)
        layout = struct.Struct(self._order + ("HHQ" if self._is_big else "HHI"))
        try:
            (count,) = unpack(self._order + ("Q" if self._is_big else "H"), self._data, place)
        except Truncated:
            return
        place += 8 if self._is_big else 2
        for at in range(place, min(place + count * entry_bytes, len(self._data) - entry_bytes + 1), entry_bytes):
            code, kind, values = layout.unpack_from(self._data, at)
            if kind not in _TYPE_BYTES:
                continue
            value_at, size = at + layout.size, values * _TYPE_BYTES[kind]
            if size > offset_bytes:
                (value_at,) = unpack(self._order + ("Q" if self._is_big else "I"), self._data, value_at)
                if value_at + size > len(self._data):
                    return
            yield Tag(code, kind, values, self._number(kind, value_at) if values else 0)

    def _number(self, kind: int, place: int) -> int:
        return unpack(self._order + _NUMBERS[kind], self._data, place)[0] if kind in _NUMBERS else 0


def is_bounded_exif(data: bytes) -> bool:
    """Whether reading Exif data (its first directory) takes about as long as it is; damaged data is.

    Args: data: with or without "Exif" before it.
    """
    start = 0
    while data.startswith(b"Exif\0\0", start):
        start += 6
        if start > 6 * _MAX_PREFIXES:  # Pillow copies all the rest for each
            return False
    named = rationals = 0
    try:
        source = TagFile(data[start:])
        for number, tag in enumerate(source.tags(source.first)):
            named += tag.size_bytes
            rationals += tag.count if tag.kind in RATIONALS else 0
            if named > _MAX_EXIF_BYTES or rationals > _MAX_EXIF_RATIONALS or number > _MAX_EXIF_TAGS:
                return False
    except Truncated:
        return True
    return True
