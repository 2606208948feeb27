"""PNG and APNG: all chunks up to the end."""

from __future__ import annotations

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels, unpack

# 200 MB in the 8 KB chunks that libpng writes are 25,000. Pillow goes from chunk to chunk in Python.
_MAX_CHUNKS = 100_000
# Other than pixels and what places an animation's frames; real files have some 20.
_MAX_OTHER_CHUNKS = 10_000
# Pillow unpacks each to at most 1 MB, but as often as they come, and damaged ones do not count towards its own limit.
_MAX_PROFILES = 16
_MAX_PACKED_TEXTS = 256

# Has 32 bytes; Pillow makes numbers of all there are.
_MAX_COLOUR_POINTS_BYTES = 4_000

_GREY, _COLOUR = 0, 2


def read_png(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    width = height = depth = colour_type = chunks = others = profiles = packed_texts = 0
    is_animated = has_pixels = has_key = has_exif = False
    place = 8
    while place + 8 <= len(data):
        length, kind = unpack(">I", data, place)[0], data[place + 4 : place + 8]
        chunks += 1
        check_count(chunks, _MAX_CHUNKS, "chunks")
        if kind == b"IEND":
            break
        if kind in (b"IDAT", b"fdAT"):
            has_pixels = True
        elif kind != b"fcTL":
            others += 1
            check_count(others, _MAX_OTHER_CHUNKS, "chunks without pixels")
        if kind == b"IHDR" and not has_pixels:  # should there be several, the last counts
            width, height, depth, colour_type = unpack(">IIBB", data, place + 8)
            check_pixels(width, height)
        elif kind == b"iCCP":
            profiles += 1
            check_count(profiles, _MAX_PROFILES, "colour profiles")
        elif kind in (b"zTXt", b"iTXt"):
            packed_texts += 1
            check_count(packed_texts, _MAX_PACKED_TEXTS, "compressed texts")
        elif kind == b"cHRM":
            check_count(length, _MAX_COLOUR_POINTS_BYTES, "bytes in its colour points")
        is_animated = is_animated or kind == b"acTL"
        has_key = has_key or kind == b"tRNS"
        has_exif = has_exif or kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
        place += 12 + length
    if not has_pixels:
        raise Truncated
    # Decoded, then RGB: 8. Transparency: also as RGBA, its alpha and a white picture. 16 bits of grey: arrays of numpy.
    is_plain = colour_type in (_GREY, _COLOUR) and depth <= 8 and not has_key
    # An animation's canvas is filled and cut to the frame; a picture that Exif turns is there twice.
    peak = (8 if is_plain else 14) + (8 if is_animated else 0) + (4 if has_exif else 0)
    return Header(format="PNG", width=width, height=height, peak_bytes_per_pixel=peak)
