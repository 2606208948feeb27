"""Which pictures look nearly the same."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, ImageEnhance

from captioner import images
from captioner.errors import BadPicture
from demo.cache import training_scene
from demo.drawing import draw


def _likeness(image: Image.Image) -> str:
    return images.likeness(images.thumbnail(image))


def _as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


def test_copies_are_near_equal_and_other_scenes_are_not() -> None:
    scenes = [draw(training_scene(5, index)) for index in range(8)]
    copies = [
        scenes[0].resize((700, 700)),
        _as_jpeg(scenes[0]),
        ImageEnhance.Brightness(scenes[3]).enhance(0.85),
    ]
    found = images.near_equal([_likeness(image) for image in [*scenes, *copies]])
    assert found == [[0, 8, 9], [3, 10]]


def test_one_shape_in_another_colour_is_another_picture() -> None:
    red, blue = (Image.new("RGB", (64, 48), colour) for colour in ((200, 30, 30), (30, 30, 200)))
    assert images.near_equal([_likeness(red), _likeness(blue), _likeness(red)]) == [[0, 2]]


def test_a_group_is_near_its_first_and_no_chain() -> None:
    colour = "808080"
    apart = ["0" * 64, "0" * 52 + "f" * 12, "0" * 40 + "f" * 24]  # 0, 48 and 96 bits
    assert images.near_equal([bits + colour for bits in apart]) == [[0, 1]]
    assert images.near_equal([apart[place] + colour for place in (1, 0, 2)]) == [[0, 1, 2]]


def test_what_is_no_likeness_is_in_no_group() -> None:
    assert images.near_equal(["", "zz" * 35, "0" * 70, "0" * 69]) == []
    assert images.near_equal([]) == []


def test_groups_are_those_of_the_plain_way() -> None:
    chance = random.Random(3)
    bases = [chance.getrandbits(256) for _ in range(6)]
    bits = []
    for _ in range(60):
        one = chance.choice(bases)
        for _ in range(chance.randrange(40)):
            one ^= 1 << chance.randrange(256)
        bits.append(one)
    free, groups = list(range(len(bits))), []
    while free:
        first = free.pop(0)
        near = [place for place in free if (bits[first] ^ bits[place]).bit_count() <= 56]
        free = [place for place in free if place not in near]
        groups += [[first, *near]] if near else []
    assert images.near_equal([f"{one:064x}000000" for one in bits]) == groups


def test_half_a_thumbnail_is_refused() -> None:
    whole = images.thumbnail(draw(training_scene(5, 0)))
    with pytest.raises(BadPicture):
        images.likeness(whole[: len(whole) // 2])
