"""captioner.images.headers: what would cost a decoder minutes or gigabytes is refused before one sees it."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from captioner.errors import BadPicture
from captioner.images import MAX_PIXELS, format_by_start, open_picture
from captioner.images.headers import is_bounded_exif, read_header
from tests.picture_attacks import (
    ATTACKS,
    animated_png,
    avif_boxes,
    bmp_run_lengths,
    entry,
    exif_segments,
    gif_long_comment,
    gif_of,
    jpeg_of,
    many_scans,
    overlapping_exif,
    png_chunk,
    png_header,
    png_of,
    saved,
    segment,
    tiff_of,
    tiff_picture,
)

MAX_CPU_S = 3.0  # ten times what the slowest takes


def refusals_within_100_mb(folder: Path) -> list[str]:
    """The codes with which the files of a folder are refused by a process that gets no more memory than that."""
    script = (
        "import pathlib, resource, sys\n"
        "from captioner import images\nfrom captioner.errors import BadPicture\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: images.open_picture(path)\n"
        "    except BadPicture as error: print(error.code)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert not run.stderr, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_in_a_refusal_at_once(name: str) -> None:
    code, make = ATTACKS[name]
    data = make()
    before = time.process_time()
    with pytest.raises(BadPicture) as caught:
        open_picture(data)
    assert time.process_time() - before < MAX_CPU_S
    assert caught.value.code == code
    assert str(caught.value).endswith(".")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_an_attack_takes_no_memory(tmp_path: Path) -> None:
    for number, name in enumerate(("animated PNG that fills its canvas", "TIFF whose tags share their bytes")):
        (tmp_path / f"{number}").write_bytes(ATTACKS[name][1]())
    (tmp_path / "2").write_bytes(jpeg_of(segment(0xE1, b"Exif\0\0" + overlapping_exif(2_500, 35_000))))
    assert refusals_within_100_mb(tmp_path) == ["too_many_pixels", "too_complex", "too_complex"]


@pytest.mark.parametrize(
    "data",
    [
        jpeg_of(exif_segments(50, b"A" * 60_000)),
        jpeg_of(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"x" * 60_000) * 100),
        jpeg_of(b"\xff" * 100),  # padding before a segment is allowed
        jpeg_of(*(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 40]) + b"p" * 60_000) for n in range(1, 41))),
        jpeg_of(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\xea\x60" + b"p" * 60_000) * 20),
        many_scans(64, 64, 20),
        png_of(*(png_chunk(b"tEXt", b"words\0" + b"w" * 10_000) for _ in range(200))),
        gif_of(gif_long_comment(100)),
        gif_of(b"\x21\xff\x0bXMP DataXMP" + (b"\xff" + b"x" * 255) * 5_000 + b"\0"),
        saved(Image.new("L", (4, 60_000)), "TIFF", tiffinfo={278: 1}),  # a strip for each row
        tiff_picture(1, 1, entry(37724, 7, 60_000_000, 98), rest=bytes(60_000_000)),  # Photoshop's layers
    ],
    ids=["exif", "xmp", "padding", "profile", "resources", "scans", "texts", "comment", "gif_xmp", "strips", "layers"],
)
def test_a_legal_picture_with_much_beside_its_pixels_opens(data: bytes) -> None:
    assert open_picture(data).image.mode == "RGB"


def test_broken_exif_is_no_attack() -> None:
    count_that_is_too_large = b"II*\0" + struct.pack("<IH", 8, 65_535) + entry(270, 2, 2**31, 26)
    assert is_bounded_exif(count_that_is_too_large + b"\x99" * 60_000)
    assert is_bounded_exif(b"Exif\0\0")
    assert is_bounded_exif(b"")
    assert not is_bounded_exif(b"Exif\0\0" * 1_000)


@pytest.mark.parametrize("is_text", [False, True])
def test_exif_of_a_png_that_names_too_much_is_left_aside(is_text: bool) -> None:
    exif = overlapping_exif(2_000, 40_000)
    profile = b"Raw profile type exif\0\nexif\n" + str(len(exif)).encode() + b"\n" + exif.hex().encode()
    before = time.process_time()
    opened = open_picture(png_of(png_chunk(b"tEXt", profile) if is_text else png_chunk(b"eXIf", exif)))
    assert time.process_time() - before < MAX_CPU_S
    assert opened.image.size == (1, 1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0"}),
        ("AVIF", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_the_size_in_a_header_is_the_size_of_the_picture(kind: str, options: dict[str, object]) -> None:
    data = saved(Image.new("RGB", (301, 203)), kind, **options)
    header = read_header(data, format_by_start(data[:16]))
    assert (header.width, header.height, header.format) == (301, 203, kind)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "GIF", "PNG"])
def test_the_size_of_an_animation_is_that_of_its_canvas(kind: str) -> None:
    frames = [Image.new("RGB", (120, 90), colour) for colour in ("red", "blue", "white")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    header = read_header(data, kind)
    assert (header.width, header.height) == (120, 90)


@pytest.mark.parametrize("width", [MAX_PIXELS // 10_000, MAX_PIXELS // 10_000 + 1])
def test_the_limit_on_pixels_is_the_same_in_every_format(width: int) -> None:
    headers = {
        "PNG": animated_png(width, 10_000),
        "JPEG": many_scans(width, 10_000, 1),
        "GIF": gif_of(size=(width, 10_000)),
        "BMP": bmp_run_lengths(width, 10_000),
        "TIFF": tiff_picture(width, 10_000),
        "AVIF": avif_boxes(width, 10_000),
    }
    for picture_format, data in headers.items():
        if width * 10_000 <= MAX_PIXELS:
            assert read_header(data, picture_format).width == width
        else:
            with pytest.raises(BadPicture) as caught:
                read_header(data, picture_format)
            assert caught.value.code == "too_many_pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_header_that_ends_anywhere_is_damaged(kind: str) -> None:
    data = saved(Image.new("RGB", (30, 20)), kind)
    for length in range(16, min(len(data), 400)):
        try:
            header = read_header(data[:length], kind)
        except BadPicture as error:
            assert error.code == "damaged"
        else:
            assert (header.width, header.height) == (30, 20)


def test_places_far_outside_the_file_are_damage() -> None:
    directory = b"II+\x00" + struct.pack("<HHQ", 8, 0, 2**64 - 1)
    for data in (directory, tiff_of(entry(256, 4, 2**32 - 1, 2**32 - 1)), b"MM\0*\xff\xff\xff\xff" + bytes(20)):
        with pytest.raises(BadPicture) as caught:
            open_picture(data)
        assert caught.value.code == "damaged"


def test_other_ways_to_begin_a_tiff_are_known() -> None:
    data = saved(Image.new("RGB", (30, 20)), "TIFF")
    for start in (b"II*\0", b"II\0*"):
        assert format_by_start(start + data[4:16]) == "TIFF"
    assert open_picture(saved(Image.new("RGB", (30, 20)), "TIFF", big_tiff=True)).format == "TIFF"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_a_file_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(190_000_000)
    assert refusals_within_100_mb(tmp_path) == ["not_an_image"]


def test_a_second_header_of_a_png_counts() -> None:
    assert open_picture(png_of(png_header(1, 1), header=png_header(7, 7))).image.size == (1, 1)
