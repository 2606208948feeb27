"""Small files that cost a decoder minutes or gigabytes, written by hand, and a few parts to write others with."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# PNG


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, depth: int = 8, colour_type: int = 2) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))


def png_of(*chunks: bytes, header: bytes | None = None) -> bytes:
    """One white pixel, with chunks before it."""
    pixels = png_chunk(b"IDAT", zlib.compress(b"\x00\xff\xff\xff"))
    start = png_header(1, 1) if header is None else header
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def frame_control(width: int, height: int, dispose: int = 1) -> bytes:
    return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 1, dispose, 0))


def animated_png(width: int, height: int) -> bytes:
    """Pillow fills a canvas of this size when it opens the file, since the frame is to be disposed of."""
    animation = png_chunk(b"acTL", struct.pack(">II", 1, 1))
    return png_of(animation, frame_control(1, 1), header=png_header(width, height, 8, 6))


# TIFF and Exif


def entry(tag: int, kind: int, count: int, value: int, *, is_big: bool = False) -> bytes:
    return struct.pack("<HHQQ" if is_big else "<HHII", tag, kind, count, value)


def tiff_of(*entries: bytes, rest: bytes = b"", is_big: bool = False, count: int | None = None) -> bytes:
    """A directory behind the header, and what follows it (at `tiff_rest(len(entries))`)."""
    number = len(entries) if count is None else count
    if is_big:
        head = b"II+\x00" + struct.pack("<HHQQ", 8, 0, 16, number)
        return head + b"".join(entries) + bytes(8) + rest
    return b"II*\x00" + struct.pack("<IH", 8, number) + b"".join(entries) + bytes(4) + rest


def tiff_rest(entries: int) -> int:
    return 8 + 2 + 12 * entries + 4


def tiff_picture(width: int, height: int, *more: bytes, rest: bytes = b"") -> bytes:
    """A grey picture whose one strip is not there."""
    sizes = [entry(256, 4, 1, width), entry(257, 4, 1, height), entry(258, 3, 1, 8), entry(259, 3, 1, 1)]
    return tiff_of(*sizes, entry(262, 3, 1, 1), entry(273, 4, 1, 8), *more, rest=rest)


def overlapping_exif(tags: int, size: int) -> bytes:
    """Every tag names the same bytes, which are copied for each."""
    return tiff_of(*(entry(1_000 + number, 7, size, 0) for number in range(tags)), rest=bytes(size))


# JPEG


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def jpeg_of(*parts: bytes, size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    """A small JPEG with something behind its first two bytes, and without the segment that names its density."""
    data = saved(Image.new("RGB", size), "JPEG", **options)
    return data[:2] + b"".join(parts) + data[20:]


def exif_segments(count: int, body: bytes = b"A") -> bytes:
    return segment(0xE1, b"Exif\0\0" + body) * count


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan, a few bytes that change nothing, comes again and again."""
    data = saved(Image.new("L", (64, 64)), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2")
    data = data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


# GIF


def gif_of(before: bytes = b"", after: bytes = b"", size: tuple[int, int] = (4, 4), left: int = 0) -> bytes:
    """One frame of 4 x 4 with something before and after it."""
    frame = saved(Image.new("L", (4, 4)), "GIF").partition(b"\x2c\0\0")[2][:-1]
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0)
    return head + before + b"\x2c" + struct.pack("<H", left) + frame + after + b";"


def gif_comments(count: int) -> bytes:
    return b"\x21\xfe\x01A\x00" * count


def gif_long_comment(blocks: int) -> bytes:
    return b"\x21\xfe" + (b"\xff" + b"A" * 255) * blocks + b"\x00"


# The others


def bmp_run_lengths(width: int, height: int) -> bytes:
    """Rows of one pixel and an end of line: Pillow adds the missing pixels one by one."""
    palette = struct.pack("<256I", *range(256))
    head = struct.pack("<IIIHHIIIIII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    rows = b"\x01\x05\x00\x00" * height + b"\x00\x01"
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 40 + 1024) + head + palette + rows


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def avif_boxes(width: int, height: int) -> bytes:
    """The boxes of an AVIF that say how large it is, and no pixels."""
    size = box(b"ispe", bytes(4), struct.pack(">II", width, height))
    return box(b"ftyp", b"avif", bytes(4), b"avif") + box(b"meta", bytes(4), box(b"iprp", box(b"ipco", size)))


def webp_canvas(width: int, height: int) -> bytes:
    sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


# What would take each of them long: (name, code of the refusal, file).
ATTACKS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "animated PNG that fills its canvas": ("too_many_pixels", lambda: animated_png(30_000, 30_000)),
    "PNG with a second, larger header": ("too_many_pixels", lambda: png_of(png_header(60_000, 60_000))),
    "PNG of empty pixel chunks": ("too_complex", lambda: png_of(png_chunk(b"IDAT", b"") * 500_000)),
    "PNG of tiny chunks": ("too_complex", lambda: png_of(png_chunk(b"abCd", b"") * 500_000)),
    "PNG of colour points": ("too_complex", lambda: png_of(png_chunk(b"cHRM", bytes(20_000_000)))),
    "PNG of profiles": (
        "too_complex",
        lambda: png_of(png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 10_000),
    ),
    "PNG of damaged texts": (
        "too_complex",
        lambda: png_of(png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000))[:-4] + b"none") * 10_000),
    ),
    "JPEG of Exif segments": ("too_complex", lambda: jpeg_of(exif_segments(50_000, b"A" * 100))),
    "JPEG of large Exif segments": ("too_complex", lambda: jpeg_of(exif_segments(300, b"A" * 60_000))),
    "JPEG whose Exif begins again and again": ("too_complex", lambda: jpeg_of(exif_segments(60, b"Exif\0\0" * 10_000))),
    "JPEG whose tags share their bytes": (
        "too_complex",
        lambda: jpeg_of(segment(0xE1, b"Exif\0\0" + overlapping_exif(2_000, 40_000))),
    ),
    "JPEG whose index shares its bytes": (
        "too_complex",
        lambda: jpeg_of(segment(0xE2, b"MPF\0" + overlapping_exif(2_000, 40_000))),
    ),
    "JPEG of padding": ("too_complex", lambda: jpeg_of(b"\xff" * 5_000_000)),
    "JPEG of nothing": ("too_complex", lambda: jpeg_of(b"\xff\xd8" + bytes(5_000_000))),
    "JPEG of empty segments": ("too_complex", lambda: jpeg_of(b"\xff\xd8" * 1_000_000)),
    "JPEG of tables": ("too_complex", lambda: jpeg_of(segment(0xDB, (b"\0" + b"\1" * 64) * 1000) * 500)),
    "JPEG of resources": ("too_complex", lambda: jpeg_of(segment(0xED, b"Photoshop 3.0\0" + b"8BIM" * 15_000) * 500)),
    "JPEG of scans": ("too_complex", lambda: many_scans(10_000, 10_000, 20_000)),
    "GIF of comments": ("too_complex", lambda: gif_of(gif_comments(800_000))),
    "GIF with one long comment": ("too_complex", lambda: gif_of(gif_long_comment(100_000))),
    "GIF with comments behind its frame": ("too_complex", lambda: gif_of(after=gif_comments(800_000))),
    "GIF of blocks": ("too_complex", lambda: gif_of(b"\x21\x01" + b"\x01A" * 10_000_000 + b"\0")),
    "GIF of nothing": ("too_complex", lambda: gif_of(b"\x01" * 5_000_000)),
    "GIF whose frame is far out": ("too_many_pixels", lambda: gif_of(size=(4, 60_000), left=60_000)),
    "TIFF of rational numbers": (
        "too_complex",
        lambda: tiff_picture(8, 8, entry(282, 5, 2_000_000, 8), rest=bytes(16_000_000)),
    ),
    "TIFF of strips": ("too_complex", lambda: tiff_picture(8, 8, entry(273, 4, 1_000_000, 8), rest=bytes(4_000_000))),
    "TIFF with one large tag": (
        "too_complex",
        lambda: tiff_picture(8, 8, entry(65_000, 7, 40_000_000, 8), rest=bytes(40_000_000)),
    ),
    "TIFF whose tags share their bytes": ("too_complex", lambda: overlapping_exif(60_000, 4_000_000)),
    "TIFF whose tags below share their bytes": (
        "too_complex",
        lambda: tiff_picture(8, 8, entry(34665, 4, 1, tiff_rest(7)), rest=overlapping_exif(3_000, 4_000_000)[8:]),
    ),
    "TIFF with a large tile": (
        "too_complex",
        lambda: tiff_of(
            *(entry(256, 4, 1, 8), entry(257, 4, 1, 8), entry(322, 4, 1, 60_000), entry(323, 4, 1, 60_000)),
            *(entry(324, 4, 1, 8), entry(325, 4, 1, 8)),
        ),
    ),
    "BigTIFF of tags": (
        "too_complex",
        lambda: tiff_of(entry(40_000, 7, 0, 0, is_big=True) * 500_000, count=2**60, is_big=True),
    ),
    "WebP with a large canvas": ("too_many_pixels", lambda: webp_canvas(16_384, 16_384)),
    "AVIF that names a large size": ("too_many_pixels", lambda: avif_boxes(20_000, 20_000)),
    "BMP of 60,000 by 60,000": (
        "too_many_pixels",
        lambda: b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 60_000, -60_000, 1, 1, 0) + bytes(20),
    ),
}
