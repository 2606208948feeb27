"""WebP: the canvas and the first frame."""

from __future__ import annotations

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels, unpack

_MAX_CHUNKS = 1_000  # before the first pixels; real files have three


def read_webp(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    canvas: tuple[int, int] | None = None
    place, chunks = 12, 0
    while True:
        kind, (size,) = data[place : place + 4], unpack("<I", data, place + 4)
        body = place + 8
        chunks += 1
        check_count(chunks, _MAX_CHUNKS, "chunks before its pixels")
        if kind == b"VP8X":
            canvas = _size_24(data, body + 4)
            check_pixels(*canvas)
        elif kind == b"ANMF":
            frame = _size_24(data, body + 6)
            break
        elif kind == b"VP8 ":
            width, height = unpack("<HH", data, body + 6)
            frame = width & 0x3FFF, height & 0x3FFF
            break
        elif kind == b"VP8L":
            (bits,) = unpack("<I", data, body + 1)
            frame = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            break
        place = body + size + (size & 1)
        if place >= len(data):
            raise Truncated
    check_pixels(*frame)
    width, height = canvas or frame
    # Two canvases, the frame as bytes and decoded: 16. Transparent: alpha and white, 5 more.
    return Header(format="WEBP", width=width, height=height, peak_bytes_per_pixel=22)


def _size_24(data: bytes, offset: int) -> tuple[int, int]:
    """Width and height as two numbers of 24 bits, each one less than it means."""
    low, high, low_2, high_2 = unpack("<HBHB", data, offset)
    return (low | high << 16) + 1, (low_2 | high_2 << 16) + 1
