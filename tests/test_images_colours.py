"""captioner.images.colours: pictures with a profile come in sRGB, by values reckoned without it; others as they are."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from captioner import images
from captioner.images import open_picture
from captioner.images.colours import conversion_of
from tests.colour_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    SRGB,
    WIDE,
    Space,
    as_srgb,
    cmyk_profile,
    grey_as_srgb,
    grey_profile,
    rgb_profile,
)
from tests.picture_attacks import png_chunk, png_header, saved

WITH_PROFILES = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
COLOURS = [(200, 100, 50), (60, 140, 70), (90, 80, 160), (128, 128, 128), (255, 255, 255), (0, 0, 0), (234, 51, 35)]


def patches(colours: Any = COLOURS) -> Image.Image:
    """8 x 8 pixels of each colour, side by side."""
    return Image.fromarray(np.repeat(np.repeat(np.array([colours], dtype=np.uint8), 8, axis=0), 8, axis=1))


def shown(data: bytes, count: int = len(COLOURS)) -> Any:
    """The colours in the middle of the patches of a file."""
    image = open_picture(data).image
    return np.array([image.getpixel((8 * number + 4, 4)) for number in range(count)], dtype=float)


@pytest.mark.parametrize("space", WIDE, ids=lambda space: space.name)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_wide_space_becomes_srgb(kind: str, space: Space) -> None:
    data = saved(patches(), kind, icc_profile=rgb_profile(space), **LOSSLESS[kind])
    assert np.abs(shown(data) - as_srgb(COLOURS, space)).max() <= 1.5
    assert open_picture(data).notes == (f"colours converted from {space.name}",)


@pytest.mark.parametrize(
    ("space", "stored"), [(DISPLAY_P3, (234, 51, 35)), (ADOBE_RGB, (219, 0, 0)), (PROPHOTO, (179, 70, 27))]
)
def test_published_values_of_srgbs_red_become_red(space: Space, stored: tuple[int, int, int]) -> None:
    data = saved(patches([stored]), "PNG", icc_profile=rgb_profile(space))
    assert np.abs(shown(data, 1) - [255, 0, 0]).max() <= 6  # stored in 8 bits


@pytest.mark.parametrize("kind", WITH_PROFILES)
def test_every_format_that_holds_a_profile_is_converted_by_it(kind: str) -> None:
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 95, "subsampling": "4:4:4"}}.get(kind, {})
    data = saved(patches(), kind, icc_profile=rgb_profile(PROPHOTO), **options)
    assert np.abs(shown(data) - as_srgb(COLOURS, PROPHOTO)).max() <= 12
    assert np.abs(shown(data) - COLOURS).max() > 20


@pytest.mark.parametrize(
    "profile", [rgb_profile(SRGB), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_srgb_by_whatever_name_changes_no_pixel(profile: bytes) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    opened = open_picture(saved(noise, "PNG", icc_profile=profile))
    assert opened.image.tobytes() == noise.tobytes()
    assert opened.notes == ()


def test_a_profile_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = rgb_profile(SRGB, name="looked at once")
    data = saved(patches(), "PNG", icc_profile=profile)
    first = open_picture(data)
    monkeypatch.setattr(ImageCms, "buildTransform", None)
    assert open_picture(data).image.tobytes() == first.image.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])  # WebP has no grey
def test_grey_of_another_gamma_becomes_srgbs(kind: str) -> None:
    values = [0, 1, 20, 77, 128, 200, 255]
    image = Image.fromarray(np.repeat(np.repeat(np.array([values], dtype=np.uint8), 8, axis=0), 8, axis=1))
    data = saved(image, kind, icc_profile=grey_profile(1.0))
    assert np.abs(shown(data)[:, 0] - grey_as_srgb(values, 1.0)).max() <= 1.5
    assert (shown(data).max(axis=1) == shown(data).min(axis=1)).all()
    assert open_picture(data).notes == ("colours converted from Grey",)


def test_16_bit_grey_is_scaled_and_then_converted() -> None:
    values = np.array([[0, 65535, 32896, 20000]], dtype=np.uint16)
    opened = open_picture(saved(Image.fromarray(values), "PNG", icc_profile=grey_profile(1.0)))
    assert np.abs(np.asarray(opened.image)[0, :, 0] - grey_as_srgb(values[0] / 257, 1.0)).max() <= 2
    assert opened.notes == ("colours converted from Grey", "scaled to 8 bits")


def test_16_bit_colour_is_converted_in_8_bits() -> None:
    row = b"\0" + b"".join(bytes([value, value]) for value in (200, 100, 50))
    profile = png_chunk(b"iCCP", b"p\0\0" + zlib.compress(rgb_profile(PROPHOTO)))
    data = b"\x89PNG\r\n\x1a\n" + png_header(1, 1, 16, 2) + profile + png_chunk(b"IDAT", zlib.compress(row))
    pixel = open_picture(data + png_chunk(b"IEND", b"")).image.getpixel((0, 0))
    assert np.abs(np.array(pixel) - as_srgb([(200, 100, 50)], PROPHOTO)).max() <= 1.5


def test_numbers_of_32_bits_are_not_converted_and_it_is_said() -> None:
    image = Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32))
    opened = open_picture(saved(image, "TIFF", icc_profile=grey_profile(1.0)))
    assert [opened.image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]
    assert opened.notes == ("scaled to 8 bits", "its colour profile was not applied")


def test_transparent_colours_are_converted_before_they_lie_on_white() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 100, 50, 255), (200, 100, 50, 128), (200, 100, 50, 0)])
    opened = open_picture(saved(image, "PNG", icc_profile=rgb_profile(PROPHOTO)))
    colour = as_srgb([(200, 100, 50)], PROPHOTO)[0]
    for x, alpha in enumerate((255, 128, 0)):
        expected = (colour * alpha + 255 * (255 - alpha)) / 255
        assert np.abs(np.array(opened.image.getpixel((x, 0))) - expected).max() <= 2
    assert opened.notes == ("colours converted from ProPhoto RGB", "transparency on white")


def test_transparent_grey_is_converted_too() -> None:
    opened = open_picture(saved(Image.new("LA", (2, 2), (77, 255)), "PNG", icc_profile=grey_profile(1.0)))
    assert abs(opened.image.getpixel((0, 0))[0] - grey_as_srgb([77], 1.0)[0]) <= 1.5


def test_a_palette_is_converted() -> None:
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    pixel = open_picture(saved(image, "PNG", icc_profile=rgb_profile(PROPHOTO))).image.getpixel((0, 0))
    assert np.abs(np.array(pixel) - as_srgb([(200, 100, 50)], PROPHOTO)).max() <= 1.5


def ink(mixture: tuple[int, ...]) -> tuple[float, float, float]:
    """A press whose cyan is orange, which no plain conversion would make of it. Returns: L, a, b."""
    cyan, magenta, yellow, black = mixture
    if black or magenta or yellow:
        return (0.0, 0.0, 0.0)
    return (65.0, 45.0, 70.0) if cyan else (100.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_means_what_its_profile_says(kind: str) -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image.paste((0, 0, 0, 0), (8, 0, 16, 16))
    opened = open_picture(saved(image, kind, icc_profile=cmyk_profile(ink)))
    red, green, blue = opened.image.getpixel((3, 8))
    assert red > 220 and 110 < green < 160 and blue < 60  # L 65, a 45, b 70 is (241, 127, 27)
    assert min(opened.image.getpixel((13, 8))) >= 253
    assert opened.notes == ("converted from CMYK",)


def file_with(profile: bytes, mode: str = "RGB") -> bytes:
    return saved(patches().convert(mode), "TIFF" if mode == "CMYK" else "PNG", icc_profile=profile)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda profile: b"no profile at all" * 20,
        lambda profile: profile[:200],
        lambda profile: profile[:128] + bytes(400),
    ],
)
def test_a_damaged_profile_is_ignored_with_a_note(mode: str, damage: Callable[[bytes], bytes]) -> None:
    profile = {"RGB": rgb_profile(DISPLAY_P3), "L": grey_profile(1.0), "CMYK": cmyk_profile(ink)}[mode]
    opened, plain = open_picture(file_with(damage(profile), mode)), open_picture(file_with(b"", mode))
    assert opened.image.tobytes() == plain.image.tobytes()
    assert opened.notes == (*plain.notes, "its colour profile is damaged and was ignored")


@pytest.mark.parametrize(
    ("mode", "profile", "what"),
    [
        ("RGB", grey_profile(1.0), "grey"),
        ("RGB", cmyk_profile(ink), "CMYK"),
        ("L", rgb_profile(PROPHOTO), "RGB"),
        ("CMYK", rgb_profile(SRGB), "RGB"),
        ("RGB", rgb_profile(PROPHOTO).replace(b"mntr", b"link", 1), "other"),
    ],
)
def test_a_profile_for_other_pictures_is_ignored_with_a_note(mode: str, profile: bytes, what: str) -> None:
    opened, plain = open_picture(file_with(profile, mode)), open_picture(file_with(b"", mode))
    assert opened.image.tobytes() == plain.image.tobytes()
    assert opened.notes == (*plain.notes, f"its colour profile is for {what} pictures and was ignored")


def test_a_profiles_name_is_shown_short_and_without_control_characters() -> None:
    profile = rgb_profile(PROPHOTO, name="\x1b[2J\n" + "x" * 500)
    (note,) = open_picture(file_with(profile)).notes
    assert note.isprintable() and len(note) < 100


def test_threads_share_a_conversion() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    data = saved(noise, "PNG", icc_profile=rgb_profile(PROPHOTO, name="shared"))
    with ThreadPoolExecutor(8) as pool:
        results = {opened.image.tobytes() for opened in pool.map(open_picture, [data] * 16)}
    assert len(results) == 1


def test_only_so_many_conversions_are_kept() -> None:
    profiles = [rgb_profile(PROPHOTO, name=f"number {number}") for number in range(40)]
    notes = [conversion_of({"icc_profile": profile}, "RGB").note for profile in [*profiles, *profiles]]
    assert notes == [f"colours converted from number {number}" for number in range(40)] * 2


def test_pictures_to_look_at_show_the_converted_colours_and_hold_no_profile(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(patches([(200, 100, 50)]), "PNG", icc_profile=rgb_profile(PROPHOTO)))
    opened = open_picture(tmp_path / "a.png")
    for data in (images.thumbnail(opened.image), images.preview(opened.image), images.full(opened.image)):
        with Image.open(io.BytesIO(data)) as small:
            assert "icc_profile" not in small.info
            assert (
                np.abs(np.array(small.convert("RGB").getpixel((4, 4))) - as_srgb([(200, 100, 50)], PROPHOTO)).max() <= 6
            )
