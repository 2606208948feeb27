"""JPEG and MPO: the segments before the first scan, and how many scans there are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from captioner.images.headers.base import Header, Truncated, check_count, check_pixels, damaged, too_complex, unpack
from captioner.images.headers.directories import is_bounded_exif

# Extended XMP of a much edited picture is 100 MB in 1,600 segments; Pillow handles 5,000 in 20 ms.
_MAX_SEGMENTS = 5_000
# Bytes that belong to nothing: Pillow passes over each in Python.
_MAX_STRAY_BYTES = 1_000_000
# Exif of cameras is one segment of 64 KB. Pillow joins them one by one, so that the time grows with their square.
_MAX_EXIF_SEGMENTS = 64
# A profile for printing has 2 MB.
_MAX_PROFILE_BYTES = 32_000_000
# Photoshop's resources, which Pillow takes apart one by one. They hold a thumbnail and paths: some 100 KB.
_MAX_PHOTOSHOP_BYTES = 8_000_000
# Four tables of at most 129 bytes are in use at a time; Pillow cuts each off the rest of its segment.
_MAX_TABLE_BYTES = 100_000
# Progressive JPEGs have about 10 scans, at most 20; each goes through the whole picture, however few bytes it has.
_MAX_SCANNED_PIXELS = 6_000_000_000

_FRAMES = frozenset({*range(0xC0, 0xD0), 0xDE} - {0xC4, 0xC8, 0xCC})
_WITH_LENGTH = frozenset({*_FRAMES, 0xC4, 0xCC, *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE})
_ALONE = frozenset({0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_SEGMENT = re.compile(rb"\xff[^\x00\xff]")
# In a scan, FF stands before 00, a restart marker or another FF; before anything else it begins a segment.
_SEGMENT_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def read_jpeg(data: bytes) -> Header:
    """Raises: BadPicture, Truncated."""
    width = height = components = segments = stray = profile_bytes = photoshop_bytes = table_bytes = 0
    exif: list[bytes] = []
    is_progressive = False
    place = 2
    while True:
        marker_at = data.find(b"\xff", place)
        if marker_at < 0 or marker_at + 1 >= len(data):
            raise Truncated
        stray += marker_at - place
        code = data[marker_at + 1]
        if code in (0x00, 0xFF):
            stray += 1
            place = marker_at + (1 if code else 2)
            check_count(stray, _MAX_STRAY_BYTES, "bytes between its segments")
            continue
        check_count(stray, _MAX_STRAY_BYTES, "bytes between its segments")
        segments += 1
        check_count(segments, _MAX_SEGMENTS, "segments")
        if code in _ALONE:
            place = marker_at + 2
            continue
        if code not in _WITH_LENGTH:
            raise damaged(f"a JPEG has no segment {code:02X}")
        (length,) = unpack(">H", data, marker_at + 2)
        start, place = marker_at + 4, marker_at + 2 + max(2, length)
        if place > len(data):
            raise Truncated
        if code in _FRAMES:
            height, width, components = unpack(">HHB", data, start + 1)
            check_pixels(width, height)
            is_progressive = is_progressive or code in _PROGRESSIVE
        elif code == 0xDB:
            table_bytes += length
            check_count(table_bytes, _MAX_TABLE_BYTES, "bytes of quantization tables")
        elif code == 0xE1 and data.startswith(b"Exif\0\0", start):
            exif.append(data[start + (6 if exif else 0) : place])
            check_count(len(exif), _MAX_EXIF_SEGMENTS, "Exif segments")
        elif code == 0xE2 and data.startswith(b"MPF\0", start):
            if not is_bounded_exif(data[start + 4 : place]):
                raise too_complex("overlapping entries in its index of pictures")
        elif code == 0xE2:
            profile_bytes += length
            check_count(profile_bytes, _MAX_PROFILE_BYTES, "bytes of colour profile")
        elif code == 0xED:
            photoshop_bytes += length
            check_count(photoshop_bytes, _MAX_PHOTOSHOP_BYTES, "bytes of Photoshop resources")
        elif code == _START_OF_SCAN:
            break
    if not is_bounded_exif(b"".join(exif)):
        raise too_complex("overlapping entries in its Exif data")
    has_scans = is_progressive or place == start or data[start] < components  # else the first scan is the only one
    if has_scans:
        _check_scans(data, place, _MAX_SCANNED_PIXELS // max(1, width * height))
    # Decoded 4 (1 if grey), as RGB 4, turned 4; of several scans all coefficients are kept, 2 bytes each.
    peak = (1 if components == 1 else 4) + 8 + (2 * components if has_scans else 0)
    return Header(format="JPEG", width=width, height=height, peak_bytes_per_pixel=peak)


def _check_scans(data: bytes, place: int, limit: int) -> None:
    """Count scans up to the end of the image or of the data. Args: place: behind the header of the first one."""
    scans = 1
    while (found := _SEGMENT_IN_SCAN.search(data, place)) is not None:
        code = data[found.start() + 1]
        if code == _END_OF_IMAGE:
            return
        scans += code == _START_OF_SCAN
        check_count(scans, limit, "scans")
        place = found.end()


@dataclass(frozen=True, slots=True)
class Scans:
    """How far a JPEG's scans go.

    has_end: there is an end marker. is_complete: every coefficient of every component was sent to its last bit, as far
    as the scans' headers say. next_restart: the number of the restart marker that would follow the last one.
    decoded_pixels: what decoding goes through, once a scan.
    """

    has_end: bool
    is_complete: bool
    next_restart: int
    decoded_pixels: int


def jpeg_scans(data: bytes) -> Scans | None:
    """None where the segments cannot be followed. Args: data: of a file that `read_jpeg` accepted."""
    components: list[int] = []
    missing: set[tuple[int, int]] = set()  # (component, coefficient)
    pixels = scans = 0
    place = 2
    while (found := (_SEGMENT_IN_SCAN if scans else _SEGMENT).search(data, place)) is not None:
        code, place = data[found.start() + 1], found.end()
        if code == _END_OF_IMAGE:
            return Scans(True, not missing, 0, pixels * scans)
        if code in _ALONE:
            continue
        try:
            (length,) = unpack(">H", data, place)
            body = data[place + 2 : place + length]
            if code in _FRAMES:
                components = list(body[6::3])
                height, width = unpack(">HH", body, 1)
                pixels = width * height
                missing = {(component, number) for component in components for number in range(64)}
            elif code == _START_OF_SCAN:
                count = body[0]
                first, last, bits = body[1 + 2 * count : 4 + 2 * count]
                # A progressive scan may leave the lowest bits for later; those of other kinds have 0 to 63 and none.
                if not bits & 15:
                    sent = range(first, last + 1)
                    missing -= {(component, number) for component in body[1 : 1 + 2 * count : 2] for number in sent}
                scans += 1
        except (Truncated, IndexError, ValueError):
            return None
        place += length
    if not scans or not components:
        return None
    restart = max((data.rfind(bytes([0xFF, 0xD0 + number]), place), number) for number in range(8))
    return Scans(False, not missing, (restart[1] + 1) % 8 if restart[0] >= 0 else 0, pixels * scans)
