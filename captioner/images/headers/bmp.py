"""BMP: its one header."""

from __future__ import annotations

from captioner.images.headers.base import Header, check_pixels, unpack

_OS2_HEADER_BYTES = 12
_RUN_LENGTHS = (1, 2)  # of 8 and of 4 bits


def read_bmp(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    (header_bytes,) = unpack("<I", data, 14)
    compression = 0
    if header_bytes == _OS2_HEADER_BYTES:
        width, height = unpack("<HH", data, 18)
    else:
        width, height, _, _, compression = unpack("<IiHHI", data, 18)
        height = abs(height)  # negative: from the top
    check_pixels(width, height)
    # Run lengths are decoded in Python, pixel by pixel, and a run may be repeated for two bytes.
    is_isolated = compression in _RUN_LENGTHS
    peak = 14 if is_isolated else 8  # decoded, then RGB; of run lengths the pixels are bytes before, several times
    return Header(format="BMP", width=width, height=height, peak_bytes_per_pixel=peak, is_isolated=is_isolated)
