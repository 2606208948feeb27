"""captioner.images: every picture opens upright, RGB and full size; everything else is refused with a code."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin

from captioner import images
from captioner.errors import BadPicture
from captioner.images import open_picture, opening
from tests.memory_peak import memory_growth_mb
from tests.picture_attacks import png_chunk, png_header, saved

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def two_colours(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left half, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def near(pixel: Any, expected: tuple[int, int, int], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, expected, strict=True))


def refusal(source: Any, **options: Any) -> BadPicture:
    with pytest.raises(BadPicture) as caught:
        open_picture(source, **options)
    message = str(caught.value)
    assert message[0].isupper() and message.endswith((".", ")")) and "\n" not in message, message
    return caught.value


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG written by hand, for what Pillow does not write. more: chunks between header and pixels."""
    header = png_header(width, height, depth, colour_type)
    data = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + data + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_opens_as_rgb_in_full_size(kind: str) -> None:
    opened = open_picture(saved(two_colours((640, 320)), kind))
    assert (opened.image.mode, opened.image.size, opened.format) == ("RGB", (640, 320), kind)
    assert near(opened.image.getpixel((100, 100)), RED)
    assert near(opened.image.getpixel((500, 100)), BLUE)
    assert opened.notes == ()


@pytest.mark.parametrize("name", ["picture.txt", "picture", "picture.png"])
def test_the_content_decides_and_not_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(saved(two_colours(), "JPEG"))
    assert open_picture(tmp_path / name).format == "JPEG"


def test_paths_streams_and_bytes_open_alike(tmp_path: Path) -> None:
    data = saved(two_colours(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    stream = io.BytesIO(data)
    pictures = [open_picture(tmp_path / "a.png"), open_picture(stream), open_picture(data)]
    assert len({picture.image.tobytes() for picture in pictures}) == 1
    assert not stream.closed


# The corner that shows red, for each EXIF orientation of a picture stored with red on the left.
TURNED = {
    1: ((0, 0), (40, 20)),
    2: ((39, 0), (40, 20)),
    3: ((39, 0), (40, 20)),
    4: ((0, 0), (40, 20)),
    5: ((0, 0), (20, 40)),
    6: ((0, 0), (20, 40)),
    7: ((0, 39), (20, 40)),
    8: ((0, 39), (20, 40)),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_rotation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_picture(saved(two_colours(), kind, exif=exif))
    red_at, size = TURNED[orientation]
    blue_at = (size[0] - 1 - red_at[0], size[1] - 1 - red_at[1])
    assert opened.image.size == size
    assert near(opened.image.getpixel(red_at), RED, 40)
    assert near(opened.image.getpixel(blue_at), BLUE, 40)
    if orientation != 1 and kind != "TIFF":
        assert "rotated by EXIF" in opened.notes


def test_broken_exif_does_not_lose_the_picture() -> None:
    data = saved(two_colours(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\x99" * 40)
    assert open_picture(data).image.size == (40, 20)


def test_an_orientation_that_is_no_number_is_ignored() -> None:
    entry = struct.pack("<HHI4s", 0x0112, 2, 2, b"6\x00")  # the text "6"
    exif = b"Exif\x00\x00II*\x00" + struct.pack("<IH", 8, 1) + entry + b"\x00" * 4
    assert open_picture(saved(two_colours(), "JPEG", exif=exif)).notes == ()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_becomes_white(kind: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (10, 0, 20, 20))
    opened = open_picture(saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert near(opened.image.getpixel((2, 10)), WHITE)
    assert near(opened.image.getpixel((17, 10)), RED)
    assert opened.notes == ("transparency on white",)


def test_half_transparent_black_becomes_grey() -> None:
    opened = open_picture(saved(Image.new("LA", (4, 4), (0, 128)), "PNG"))
    assert opened.image.getpixel((0, 0)) == (127, 127, 127)


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    opened = open_picture(saved(two_colours().convert("RGBA"), "PNG"))
    assert opened.image.tobytes() == two_colours().tobytes()
    assert opened.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(kind: str) -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (5, 0, 10, 10))
    opened = open_picture(saved(image, kind, transparency=0))
    assert opened.image.getpixel((1, 1)) == WHITE
    assert opened.image.getpixel((8, 1)) == RED


def test_palette_entries_may_each_have_their_own_transparency() -> None:
    image = Image.new("P", (4, 1))
    image.putpalette([0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 3])
    opened = open_picture(saved(image, "PNG", transparency=bytes([0, 128, 255, 255])))
    assert [opened.image.getpixel((x, 0)) for x in range(4)] == [WHITE, (127, 127, 127), RED, BLUE]


def test_a_transparent_grey_or_colour_becomes_white() -> None:
    grey = saved(Image.new("L", (4, 4), 7), "PNG", transparency=7)
    colour = saved(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert open_picture(grey).image.getpixel((0, 0)) == WHITE
    assert open_picture(colour).image.getpixel((0, 0)) == WHITE


def test_a_transparent_colour_of_16_bits_becomes_white() -> None:
    rows = b"\x00" + struct.pack(">3H", 0x1234, 0x5678, 0x9ABC) + struct.pack(">3H", 0xFFFF, 0, 0)
    key = png_chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC))
    opened = open_picture(png(2, 1, 16, 2, rows, key))
    assert [opened.image.getpixel((x, 0)) for x in range(2)] == [WHITE, RED]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_cut(kind: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    opened = open_picture(saved(Image.fromarray(values), kind))
    assert [opened.image.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]
    assert opened.notes == ("scaled to 8 bits",)


def test_a_transparent_16_bit_grey_becomes_white() -> None:
    key = png_chunk(b"tRNS", struct.pack(">H", 1000))
    opened = open_picture(png(2, 1, 16, 0, b"\x00" + struct.pack(">2H", 1000, 0), key))
    assert [opened.image.getpixel((x, 0)) for x in range(2)] == [WHITE, (0, 0, 0)]


def test_16_bit_colour_keeps_its_brightness() -> None:
    opened = open_picture(png(1, 1, 16, 2, b"\x00" + struct.pack(">3H", 0x8080, 0xFFFF, 0)))
    assert opened.image.getpixel((0, 0)) == (128, 255, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 32896.0, 65535.0], [0, 128, 255]),
        ([float("nan"), float("inf"), 1.0], [0, 0, 255]),
        ([-5.0, 0.0, 1.0], [0, 0, 255]),
    ],
)
def test_floats_are_scaled_by_their_range(values: list[float], expected: list[int]) -> None:
    opened = open_picture(saved(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF"))
    assert [opened.image.getpixel((x, 0))[0] for x in range(3)] == expected


def test_32_bit_whole_numbers_are_scaled() -> None:
    opened = open_picture(saved(Image.fromarray(np.array([[0, 65535]], dtype=np.int32)), "TIFF"))
    assert [opened.image.getpixel((x, 0))[0] for x in range(2)] == [0, 255]


def test_12_bit_grey_is_scaled_by_its_own_white() -> None:
    numbers = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items())
    pixels = bytes([0x00, 0x0F, 0xFF, 0x00])  # 0 and 4095, 12 bits each
    data = b"II*\x00" + struct.pack("<I", 12) + pixels + struct.pack("<H", len(numbers)) + entries + b"\x00" * 4
    opened = open_picture(data)
    assert [opened.image.getpixel((x, 0))[0] for x in range(2)] == [0, 255]


def test_a_tiff_with_white_as_zero_is_turned_round() -> None:
    values = np.array([[0, 65535]], dtype=np.uint16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    opened = open_picture(saved(Image.fromarray(values), "TIFF", tiffinfo=tags))
    assert [opened.image.getpixel((x, 0))[0] for x in range(2)] == [255, 0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr"])
def test_other_modes_become_rgb(mode: str) -> None:
    options = {"kind": "TIFF", "compression": "jpeg"} if mode == "YCbCr" else {"kind": "PNG"}
    opened = open_picture(saved(Image.new("RGB", (8, 8), "white").convert(mode), **options))
    assert near(opened.image.getpixel((4, 4)), WHITE, 2)


def test_lab_is_converted_by_its_meaning() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.new("RGB", (8, 8), (200, 30, 40)), srgb, lab, outputMode="LAB")
    assert image is not None
    opened = open_picture(saved(image, "TIFF"))
    assert near(opened.image.getpixel((4, 4)), (200, 30, 40), 4)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(kind: str) -> None:
    opened = open_picture(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), kind))
    assert near(opened.image.getpixel((8, 8)), RED)
    assert opened.notes == ("converted from CMYK",)


def test_a_broken_cmyk_profile_falls_back_to_the_plain_conversion() -> None:
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", icc_profile=b"no profile at all" * 20)
    assert near(open_picture(data).image.getpixel((8, 8)), RED)


def test_a_profile_of_another_colour_space_falls_back_too() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", icc_profile=profile)
    assert near(open_picture(data).image.getpixel((8, 8)), RED)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_only_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    opened = open_picture(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert near(opened.image.getpixel((8, 8)), RED)
    assert opened.notes == ("only the first of its frames",)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_thirty_thousand_frames_only_the_first_costs_anything(kind: str) -> None:
    data = animation(kind, 30_000)
    before = time.process_time()
    with memory_growth_mb() as grown:
        opened = open_picture(data)
    assert opened.image.size == (2, 2)
    assert opened.notes == ("only the first of its frames",)
    assert time.process_time() - before < 1
    assert grown[0] < 50


def animation(kind: str, count: int) -> bytes:
    """Frames of 2 x 2 pixels, put together from those of a short one: to have them written takes longer."""
    if kind == "TIFF":
        numbers = {256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 4}  # all show the same pixels
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items())
        size_bytes = 2 + len(entries) + 4
        places = [12 + number * size_bytes for number in range(1, count)]
        pages = (struct.pack("<H", len(numbers)) + entries + struct.pack("<I", place) for place in [*places, 0])
        return b"II*\x00" + struct.pack("<I", 12) + bytes(4) + b"".join(pages)
    frames = [Image.new("RGB", (2, 2), colour) for colour in (RED, BLUE, WHITE)]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    if kind == "GIF":
        last = data.rindex(b"\x21\xf9")
        return data[:last] + data[last:-1] * (count - 2) + data[-1:]
    if kind == "PNG":
        last = data.rindex(b"fcTL") - 4
        end = data.rindex(b"IEND") - 4
        return data[:last] + data[last:end] * (count - 2) + data[end:]
    last = data.rindex(b"ANMF")
    data = data[:last] + data[last:] * (count - 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def test_damage_behind_the_first_frame_does_not_matter() -> None:
    frames = [two_colours(), two_colours().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    second = data.rindex(b"\x2c")
    assert near(open_picture(data[: second + 8]).image.getpixel((5, 5)), RED)


def test_a_jpeg_is_not_decoded_at_a_reduced_size() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), dtype=np.uint8))
    data = saved(noise, "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as plain:
        assert open_picture(data).image.tobytes() == plain.convert("RGB").tobytes()


# Refusals


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for source in (b"", io.BytesIO(b""), tmp_path / "a.jpg"):
        assert refusal(source).code == "empty"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere.jpg")
    assert error.code == "unreadable"
    assert "no such file" in str(error)


@pytest.mark.parametrize("name", ["a\x00b.jpg", "x" * 300 + ".jpg", "a.jpg/b.jpg"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(two_colours(), "JPEG"))
    assert refusal(tmp_path / name).code == "unreadable"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(two_colours(), "JPEG"))
    path.chmod(0)
    assert refusal(path).code == "unreadable"


def test_folders_pipes_sockets_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    server = socket.socket(socket.AF_UNIX)
    place = Path.cwd()
    os.chdir(tmp_path)  # a socket's path must be short
    try:
        server.bind("socket.jpg")
    finally:
        os.chdir(place)
    for path in (tmp_path, tmp_path / "pipe.jpg", tmp_path / "socket.jpg", Path("/dev/zero"), Path("/dev/null")):
        for follow_links in (False, True):
            assert refusal(path, follow_links=follow_links).code == "not_a_file"
    server.close()


def test_symbolic_links_are_followed_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(two_colours(), "JPEG"))
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert refusal(tmp_path / "link.jpg").code == "not_a_file"
    assert open_picture(tmp_path / "link.jpg", follow_links=True).image.size == (40, 20)
    assert refusal(tmp_path / "broken.jpg", follow_links=True).code == "unreadable"
    assert refusal(tmp_path / "loop.jpg", follow_links=True).code == "unreadable"


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(two_colours(), "BMP")
    (tmp_path / "a.bmp").write_bytes(data)
    monkeypatch.setattr(opening, "MAX_BYTES", len(data) - 1)
    for source in (data, io.BytesIO(data), tmp_path / "a.bmp"):
        assert refusal(source).code == "too_big"
    monkeypatch.setattr(opening, "MAX_BYTES", len(data))
    assert open_picture(io.BytesIO(data)).image.size == (40, 20)


@pytest.mark.parametrize(
    ("width", "height"), [(10_001, 10_000), (14_000, 14_000), (60_000, 60_000), (65_001, 10), (2**31 - 1, 2**31 - 1)]
)
def test_too_many_pixels_are_refused_before_they_are_decoded(width: int, height: int) -> None:
    error = refusal(png(width, height, 8, 2, b"\x00"))
    assert error.code == "too_many_pixels"
    assert "smaller copy" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"\x00" * 4096,
        b"%PDF-1.7\n" + b"x" * 100,
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<!DOCTYPE html><html></html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"\x00\x00\x01\x00\x01\x00" + b"\x00" * 40,  # ICO
        b"8BPS\x00\x01" + b"\x00" * 40,  # PSD
        b"P6 1 1 255 abc",  # PPM
        b"PK\x03\x04" + b"\x00" * 40,
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refusal(data).code == "not_an_image"


def test_a_refusal_names_what_the_content_is() -> None:
    assert "SVG" in str(refusal(b'<svg xmlns="http://www.w3.org/2000/svg"/>'))
    assert "PDF" in str(refusal(b"%PDF-1.7\n"))
    assert "JPEG, PNG, WEBP" in str(refusal(b"hello"))
    if "HEIF" not in images.readable_formats():
        assert "pip install pillow-heif" in str(refusal(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_truncated_picture_is_refused_and_never_half_grey(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, kind)
    for share in (0.05, 0.3, 0.6, 0.9):
        assert refusal(data[: int(len(data) * share)]).code == "damaged"


def test_compression_bombs_in_a_picture_are_refused() -> None:
    bomb = png_chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(b"\x00" * 80_000_000))
    assert refusal(png(1, 1, 8, 2, b"\x00\x01\x02\x03", bomb)).code == "damaged"


def test_running_out_of_memory_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: Image.Image, *_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_memory)
    assert refusal(saved(two_colours(), "BMP")).code == "out_of_memory"


def _spoiled(data: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        place = chance.randrange(len(spoiled))
        spoiled[place] = chance.randrange(256)
    return bytes(spoiled[: chance.randint(1, len(spoiled))] if chance.random() < 0.3 else spoiled)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_spoiled_files_open_or_are_refused_and_nothing_else(kind: str) -> None:
    chance = random.Random(kind)
    modes: list[Callable[[], Image.Image]] = [
        two_colours,
        lambda: two_colours().convert("P"),
        lambda: two_colours().convert("RGBA" if kind in ("PNG", "WEBP", "TIFF", "AVIF") else "L"),
    ]
    outcomes = {"opened": 0, "refused": 0}
    for number in range(120):
        source = modes[number % 3]()
        if kind in ("JPEG", "WEBP", "AVIF") and source.mode == "P":
            source = source.convert("RGB")
        try:
            opened = open_picture(_spoiled(saved(source, kind), chance))
        except BadPicture as error:
            assert error.code != "bad_picture"
            outcomes["refused"] += 1
        else:
            assert opened.image.mode == "RGB"
            outcomes["opened"] += 1
    assert outcomes["refused"] > 0


# What is shared by the process


def test_importing_changes_nothing_in_pillow() -> None:
    script = (
        "import warnings; from PIL import Image, ImageFile\n"
        "before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters), list(Image.ID))\n"
        "import captioner.images\n"
        "assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters), "
        "list(Image.ID))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_pillows_warnings_do_not_leak() -> None:
    large = png(9_500, 9_500, 1, 0, b"")  # Pillow warns of its size; the missing rows come later
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert refusal(large).code == "damaged"
    assert caught == []


def test_other_peoples_warnings_are_left_alone() -> None:
    open_picture(saved(two_colours(), "PNG"))
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", stacklevel=1)


def test_pictures_open_in_many_threads_at_once() -> None:
    sources = [saved(two_colours((40 + number, 20)), images.FORMATS[number % 7]) for number in range(28)]
    barrier = threading.Barrier(8)

    def open_all(_: int) -> list[tuple[int, int]]:
        barrier.wait()
        return [open_picture(source).image.size for source in sources]

    with ThreadPoolExecutor(8) as pool:
        for sizes in pool.map(open_all, range(8)):
            assert sizes == [(40 + number, 20) for number in range(28)]


# Small things


def test_a_thumbnail_is_a_small_webp_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    opened = open_picture(saved(two_colours((1000, 500)), "JPEG", exif=exif))
    data = images.thumbnail(opened.image)
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == ("WEBP", (256, 128))
        assert not small.getexif()
    assert b"where I live" not in data


def test_thumbnails_of_extreme_shapes_keep_a_pixel() -> None:
    with Image.open(io.BytesIO(images.thumbnail(Image.new("RGB", (5000, 2))))) as small:
        assert small.size == (256, 1)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("size", [(20, 60_000), (60_000, 20), (1, 65_000)])
def test_small_pictures_of_long_strips_take_memory_by_their_area(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    with memory_growth_mb() as grown:
        small = [images.thumbnail(image), images.preview(image)]
    assert grown[0] < 50
    for data, edge_px in zip(small, (256, 1_600), strict=True):
        with Image.open(io.BytesIO(data)) as shown:
            assert max(shown.size) == edge_px


def test_running_out_of_memory_for_a_small_picture_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: Image.Image, *_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", no_memory)
    with pytest.raises(BadPicture) as caught:
        images.thumbnail(two_colours((600, 20)))
    assert caught.value.code == "out_of_memory"


def test_a_preview_never_enlarges() -> None:
    with Image.open(io.BytesIO(images.preview(two_colours(), 1600))) as shown:
        assert shown.size == (40, 20)


def test_a_full_picture_has_all_pixels_and_nothing_of_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret"
    wide = Image.new("RGB", (20_000, 3), (200, 30, 30))
    wide.save(tmp_path / "a.jpg", exif=exif, comment=b"secret", dpi=(300, 300))
    data = images.full(images.open_picture(tmp_path / "a.jpg").image)
    assert b"secret" not in data
    with Image.open(io.BytesIO(data)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (20_000, 3))


@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_format_is_told_by_its_first_bytes(kind: str) -> None:
    assert images.format_by_start(saved(two_colours(), kind)[:16]) == kind


def test_picture_names_are_told_from_others() -> None:
    assert all(images.is_picture_name(name) for name in ("a.jpg", "A.JPEG", "b.c.png", "x.heic", "é.webp"))
    assert not any(images.is_picture_name(name) for name in ("a.txt", "a", "jpg", "._a.jpg", ".jpg", "a.jpg.txt", ""))


def test_the_digest_is_sha256() -> None:
    assert images.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
