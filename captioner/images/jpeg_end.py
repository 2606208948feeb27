"""A JPEG that lacks only its end marker is told from one that was cut off before.

No decoder says which it is: with an end marker put behind it, both decode, and what a cut one lacks comes out grey. So
the picture is decoded with several endings, data that might have gone on there. Where bits are missing, the decoder
takes them from the ending, and the pixels differ; where none are, it reads nothing of it, and the pixels are equal.
Knows no decoder and no other format.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator

from captioner.images.headers import jpeg_scans

END = b"\xff\xd9"

# Ten times decoded is a second for a photo of 12 million pixels, and no more than some seconds for any.
_MAX_DECODED_PIXELS = 500_000_000
_ENDING_BYTES = 300
# Every way in which two bits may go on, for one that lacks no more than these; then by chance.
_FIRST_BYTES = (b"\x00", b"\xff\x00", b"\x55", b"\xaa")
# What follows a cut may decode to something all the same, zeros do: the last bytes of a picture must be needed.
_NEEDED_BYTES = 4
_FILLING = bytes(16)


def is_filled_up(data: bytes) -> bool:
    """Whether it ends in zeros and not before: a disk or a download filled it up, or it is a flat picture."""
    return data.endswith(_FILLING) and (scans := jpeg_scans(data)) is not None and not scans.has_end


def completed(data: bytes, pixels_of: Callable[[bytes], Hashable | None]) -> bytes | None:
    """The file with its end marker, if that is all it lacks; None if it has one or was cut off.

    Args: pixels_of: what tells the decoded pixels of a file from others; None where it cannot be decoded.
    """
    scans = jpeg_scans(data)
    if scans is None or scans.has_end or not scans.is_complete or scans.decoded_pixels > _MAX_DECODED_PIXELS:
        return None
    for whole in _possible_ends(data):
        pixels = pixels_of(whole + END)
        if pixels is None or any(pixels_of(longer) != pixels for longer in _continued(whole)):
            continue
        if any(pixels_of(shorter) != pixels for shorter in _continued(whole[:-_NEEDED_BYTES])):
            return whole + END
    return None


def _possible_ends(data: bytes) -> Iterator[bytes]:
    """The file up to where its pixels may end."""
    for filled in (data, data.rstrip(b"\0")) if data.endswith(_FILLING) else (data,):
        if filled.endswith(b"\xff"):  # half of the end marker, or of the two bytes by which FF stands for itself
            yield filled[:-1]
            yield filled + b"\0"
        else:
            yield filled


def _continued(data: bytes) -> Iterator[bytes]:
    """The file with each ending."""
    scans = jpeg_scans(data)
    # What a decoder waits for if the picture has restart markers; it does not look past one of another number.
    restart = bytes([0xFF, 0xD0 + scans.next_restart]) if scans else b""
    for number, first in enumerate(_FIRST_BYTES):
        chance = random.Random(number)
        body = first + bytes(chance.randrange(255) for _ in range(_ENDING_BYTES))  # no FF, which would be a marker
        yield data + body + restart + body + END
