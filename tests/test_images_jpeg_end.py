"""captioner.images.jpeg_end: a JPEG that lacks only its end marker is read, a cut one is not."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioner.errors import BadPicture
from captioner.images import open_picture
from tests.picture_attacks import saved

NOTE = "its end marker was missing"
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
    "full colour": ("RGB", {"subsampling": 0, "quality": 95}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 2}),
    "progressive restarts": ("RGB", {"progressive": True, "restart_marker_rows": 1}),
}


def picture(mode: str = "RGB", size: tuple[int, int] = (33, 17)) -> Image.Image:
    """Noise above, a flat white below: what is cut off there is easily taken for grey or white that was meant."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pixels[size[1] * 2 // 3 :] = 255
    return Image.fromarray(pixels).convert(mode)


def is_refused(data: bytes) -> bool:
    try:
        open_picture(data)
    except BadPicture as error:
        return error.code == "damaged"
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_only_its_end_marker_is_read_with_a_note(kind: str) -> None:
    mode, options = KINDS[kind]
    data = saved(picture(mode), "JPEG", **options)
    whole = open_picture(data)
    for cut_bytes in (1, 2):
        opened = open_picture(data[:-cut_bytes])
        assert opened.image.tobytes() == whole.image.tobytes()
        assert opened.notes == (NOTE, *whole.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_at_no_byte_a_cut_jpeg_is_taken_with_other_pixels(kind: str) -> None:
    mode, options = KINDS[kind]
    data = saved(picture(mode), "JPEG", **options)
    pixels = open_picture(data).image.tobytes()
    taken = 0
    for end in range(data.index(b"\xff\xda"), len(data) - 2):
        if not is_refused(data[:end]):
            taken += 1
            assert open_picture(data[:end]).image.tobytes() == pixels, f"{len(data) - end} bytes before the end"
    assert taken <= 4  # bits that change no pixel


def test_a_progressive_jpeg_cut_between_two_scans_is_refused() -> None:
    data = saved(picture(), "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]
    assert len(scans) > 3
    for scan in scans[1:]:
        tables = data.rindex(b"\xff\xc4", 0, scan)  # those of the scan come before it
        assert is_refused(data[:scan]) and is_refused(data[:tables])


def test_a_file_filled_up_with_zeros_is_refused() -> None:
    data = saved(picture(size=(160, 120)), "JPEG")
    for share in (0.3, 0.6, 0.95):
        kept = data[: int(len(data) * share)]
        assert is_refused(kept + bytes(len(data) - len(kept)))
        assert is_refused(kept + bytes(4 * len(data)))
    assert open_picture(data[:-2] + bytes(1_000)).notes == (NOTE,)
    assert open_picture(data + bytes(1_000)).notes == ()


def test_a_picture_whose_own_data_ends_in_zeros_is_read() -> None:
    """Of flat pictures with a noisy corner some end so, where their bits fill the last byte."""
    found = 0
    for seed in range(60):
        pixels = np.full((160, 160), 90, np.uint8)
        pixels[:16, :16] = np.random.default_rng(seed).integers(0, 256, (16, 16))
        data = saved(Image.fromarray(pixels), "JPEG", optimize=True)
        if data[:-2].endswith(bytes(16)):
            found += 1
            opened = open_picture(data[:-2])
            assert opened.image.tobytes() == open_picture(data).image.tobytes()
            assert opened.notes == (NOTE,)
    assert found


def test_the_picture_is_turned_and_noted_as_with_an_end_marker() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = open_picture(saved(picture(size=(40, 20)), "JPEG", exif=exif)[:-2])
    assert opened.image.size == (20, 40)
    assert opened.notes == (NOTE, "rotated by EXIF")


def test_a_last_byte_of_ones_is_not_taken_for_half_an_end_marker() -> None:
    """Of many pictures some end with FF 00, which stands for a byte FF."""
    chance = random.Random(1)
    found = 0
    for _ in range(400):
        pixels = np.frombuffer(chance.randbytes(8 * 8), np.uint8).reshape(8, 8)
        data = saved(Image.fromarray(pixels), "JPEG", quality=95)
        if data.endswith(b"\xff\x00\xff\xd9"):
            found += 1
            for cut_bytes in (1, 2, 3):
                assert open_picture(data[:-cut_bytes]).image.tobytes() == open_picture(data).image.tobytes()
    assert found


def test_too_many_scans_to_look_at_again_and_again_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.images.jpeg_end._MAX_DECODED_PIXELS", 33 * 17 - 1)
    assert is_refused(saved(picture(), "JPEG")[:-2])
