"""What the readers of all formats share: the answer, the limits on size, and the refusals. Knows no format."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from captioner.errors import BadPicture

MAX_PIXELS = 100_000_000
MAX_SIDE_PX = 65_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What decoding a picture will take.

    width, height: of what the decoder makes room for, before any turning. peak_bytes_per_pixel: what decoding it to RGB
    holds at its highest, the finished picture included. is_isolated: its cost is not bounded by its size, so that it is
    decoded in a process of its own, with limits.
    """

    format: str
    width: int
    height: int
    peak_bytes_per_pixel: int
    is_isolated: bool = False

    @property
    def peak_bytes(self) -> int:
        return self.width * self.height * self.peak_bytes_per_pixel


class Truncated(Exception):
    """The data ended where the header goes on."""


def unpack(layout: str, data: bytes, offset: int) -> tuple[int, ...]:
    """`struct.unpack_from`. Raises: Truncated: the data ends before."""
    if offset + struct.calcsize(layout) > len(data):
        raise Truncated
    return struct.unpack_from(layout, data, offset)


def check_pixels(width: int, height: int) -> None:
    """Raises: BadPicture: too_many_pixels."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise BadPicture(
            f"The picture is {width} x {height} pixels; at most {MAX_PIXELS // 10**6} million pixels and "
            f"{MAX_SIDE_PX} a side are read. Save a smaller copy and use that.",
            code="too_many_pixels",
        )


def check_count(count: int, limit: int, what: str) -> None:
    """Raises: BadPicture: too_complex: more of something than any real picture has."""
    if count > limit:
        raise too_complex(f"more than {limit:,} {what}")


def too_complex(what: str) -> BadPicture:
    return BadPicture(
        f"The picture has {what}, which no usual picture has and which would take too long to read; "
        "open it in an image editor and save it again.",
        code="too_complex",
    )


def damaged(reason: str) -> BadPicture:
    return BadPicture(f"The picture is damaged or cut off ({reason}); copy or export it again.", code="damaged")
