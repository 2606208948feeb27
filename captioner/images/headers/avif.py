"""AVIF and HEIF: the sizes that the boxes name."""

from __future__ import annotations

from collections.abc import Iterator

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels, unpack

_MAX_BOXES = 10_000
_MAX_DEPTH = 8
_CONTAINERS = (b"meta", b"iprp", b"ipco", b"moov", b"trak")


def read_avif(data: bytes) -> Header:
    """Raises: BadPicture, Truncated.

    What is inside the coded pictures may be larger than the boxes say: they are decoded in a process with limits.
    """
    sizes = list(_Sizes(data).inside(0, len(data), 0))
    if not sizes:
        raise Truncated
    for width, height in sizes:
        check_pixels(width, height)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    picture_format = "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIF"
    return Header(format=picture_format, width=width, height=height, peak_bytes_per_pixel=20, is_isolated=True)


class _Sizes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._boxes = 0

    def inside(self, place: int, end: int, depth: int) -> Iterator[tuple[int, int]]:
        """The sizes of items and tracks in the boxes between two places."""
        while place + 8 <= end:
            self._boxes += 1
            check_count(self._boxes, _MAX_BOXES, "boxes")
            (size,), kind = unpack(">I", self._data, place), self._data[place + 4 : place + 8]
            body = place + 8
            if size == 1:
                (size,) = unpack(">Q", self._data, place + 8)
                body += 8
            box_end = end if size == 0 else min(end, place + size)
            if box_end < body:
                return
            if kind == b"ispe":
                width, height = unpack(">II", self._data, body + 4)
                yield width, height
            elif kind == b"tkhd":
                width, height = unpack(">II", self._data, box_end - 8)
                yield width >> 16, height >> 16
            elif kind in _CONTAINERS and depth < _MAX_DEPTH:
                yield from self.inside(body + (4 if kind == b"meta" else 0), box_end, depth + 1)
            place = box_end
