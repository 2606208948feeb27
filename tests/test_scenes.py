"""The drawn scenes keep their contract: what the truth says is what is drawn and what the captions claim."""

import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo import scenes, tags, truth, world
from demo.cache import patch_labels, training_scene
from demo.drawing import draw
from demo.grammar import STYLE_OPENINGS, ends_whole, word
from demo.scene import Scene
from demo.scenes import mirrored, scene_from_seed, truth_row
from demo.shapes import HATS, SHAPES, parts_of, place
from demo.truth import check, read_claims

SAMPLE = [scene_from_seed(77, index) for index in range(1500)]
RED_STARS = {
    "picture": "x.png",
    "objects": [
        {"noun": "star", "colour": "red", "count": 2, "size": "small"},
        {"noun": "cat", "colour": "blue", "count": 1, "size": "large"},
    ],
    "background": "white",
    "style": "pixel",
    "captions": [],
}


def captions_of(scene: Scene, count: int = 4) -> list[str]:
    rng = random.Random(repr(scene))
    return [word(scene, rng, is_continuation=index % 2 == 0) for index in range(count)]


def test_the_world_is_as_large_as_promised() -> None:
    assert len(world.NOUNS) >= 12
    assert len(world.COLOURS) == 10
    assert len(world.STYLES) == 5
    assert len(world.BACKGROUNDS) == 8
    assert {noun for scene in SAMPLE for noun in (group.noun for group in scene.groups)} == set(world.NOUNS)
    assert {group.colour for scene in SAMPLE for group in scene.groups} == set(world.COLOURS)
    assert {scene.style for scene in SAMPLE} == set(world.STYLES)
    assert {scene.background for scene in SAMPLE} == set(world.BACKGROUNDS)


def test_groups_come_in_the_promised_shares() -> None:
    counted = Counter(len(scene.groups) for scene in SAMPLE)
    for groups, share in zip((1, 2, 3), (0.40, 0.35, 0.25), strict=True):
        assert counted[groups] / len(SAMPLE) == pytest.approx(share, abs=0.04)


def test_a_group_has_one_to_three_things_of_one_size() -> None:
    counted = Counter(group.count for scene in SAMPLE for group in scene.groups)
    assert set(counted) == {1, 2, 3}
    for scene in SAMPLE:
        for group in scene.groups:
            low, high = world.SIZE_RANGES[group.size]
            assert all(low <= thing.side <= high for thing in group.objects)


def test_the_nouns_of_a_scene_differ() -> None:
    assert all(len({group.noun for group in scene.groups}) == len(scene.groups) for scene in SAMPLE)


def test_objects_are_large_enough_inside_the_picture_and_never_overlap() -> None:
    for scene in SAMPLE:
        things = [thing for group in scene.groups for thing in group.objects]
        for thing in things:
            assert thing.side >= 0.12
            assert thing.side / 2 <= min(thing.x, thing.y, 1 - thing.x, 1 - thing.y)
        for a, b in combinations(things, 2):
            assert max(abs(a.x - b.x), abs(a.y - b.y)) >= (a.side + b.side) / 2


def test_every_drawn_part_stays_in_its_objects_square() -> None:
    rng = random.Random(5)
    for noun in SHAPES:
        for hat in (None, *HATS) if noun in ("cat", "dog", "fish") else (None,):
            polygons = place(parts_of(noun, hat), 50, 60, 20, rng.uniform(-0.2, 0.2), rng.random() < 0.5)
            points = np.array([point for _, polygon in polygons for point in polygon])
            assert (points.max(0) - points.min(0)).max() == pytest.approx(20)
            assert np.all(points.min(0) >= [40 - 1e-6, 50 - 1e-6])
            assert np.all(points.max(0) <= [60 + 1e-6, 70 + 1e-6])


def test_objects_can_be_seen_on_their_background() -> None:
    for scene in SAMPLE:
        clashes = world.BACKGROUNDS[scene.background].clashes
        assert all(group.colour not in clashes for group in scene.groups)


def test_relations_and_places_hold() -> None:
    relations = {
        "to the left of": (0, -1),
        "to the right of": (0, 1),
        "above": (1, -1),
        "over": (1, -1),
        "below": (1, 1),
    }
    seen: Counter[str] = Counter()
    for scene in SAMPLE:
        middle = {group.noun: (group.objects[0].x, group.objects[0].y) for group in scene.groups}
        for caption in captions_of(scene):
            for words, (axis, sign) in relations.items():
                before, found, after = caption.partition(f" {words} ")
                if found:
                    firsts, seconds = read_claims(before).groups, read_claims(after).groups
                    assert firsts and seconds, caption
                    last, first = firsts[-1].noun, seconds[0].noun
                    assert (middle[last][axis] - middle[first][axis]) * sign > 0, caption
                    seen[words] += 1
    assert set(seen) == set(relations)


def test_every_caption_is_true_and_has_3_to_40_words() -> None:
    lengths = set()
    for scene in SAMPLE:
        row = truth_row(scene, "x.png", [])
        for caption in captions_of(scene):
            assert check(caption, row).is_right, (caption, row)
            lengths.add(len(caption.split()))
    assert min(lengths) == 3
    assert 30 <= max(lengths) <= 40


def test_every_caption_ends_whole() -> None:
    for scene in SAMPLE[:300]:
        for caption in captions_of(scene):
            assert ends_whole(caption), caption
    assert not ends_whole("a red cat on a white")
    assert not ends_whole("a red cat and two")


def test_captions_vary() -> None:
    rng = random.Random(1)
    assert len({word(SAMPLE[0], rng) for _ in range(40)}) > 15


def test_a_continuation_reads_on_after_a_picture_of() -> None:
    for scene in SAMPLE[:300]:
        for caption in captions_of(scene)[::2]:
            assert caption.split()[0] in ("a", "an", "one", "two", "three"), caption
            assert not caption.startswith(tuple(opening for row in STYLE_OPENINGS.values() for opening in row)), caption


@pytest.mark.parametrize(
    ("caption", "fields"),
    [
        ("two red stars above a blue cat", {}),
        ("two small red stars and a large blue cat on a white background in a pixel art style", {}),
        ("two red stars above a blue dog", {"nouns_and_colours_are_right", "counts_are_right", "sizes_are_right"}),
        ("two green stars", {"nouns_and_colours_are_right"}),
        ("two red green stars", {"nouns_and_colours_are_right"}),
        ("three red stars", {"counts_are_right"}),
        ("a red star", {"counts_are_right"}),
        ("two red star", {"counts_are_right"}),
        ("a blue cats", {"counts_are_right"}),
        ("two red stars and two red stars", {"counts_are_right"}),
        ("two large red stars", {"sizes_are_right"}),
        ("two red stars in a cartoon style", {"style_is_right"}),
        ("two red stars on a black background", {"background_is_right"}),
        ("two red stars on a white background on a sandy beach", {"background_is_right"}),
    ],
)
def test_a_caption_is_wrong_exactly_where_it_is(caption: str, fields: set[str]) -> None:
    verdict = check(caption, RED_STARS)
    wrong = {
        name
        for name in ("nouns_and_colours_are_right", "counts_are_right", "sizes_are_right")
        if not getattr(verdict, name)
    }
    if verdict.states_style and not verdict.style_is_right:
        wrong.add("style_is_right")
    if verdict.states_background and not verdict.background_is_right:
        wrong.add("background_is_right")
    assert wrong == set(fields)
    assert verdict.is_right == (not fields)


@pytest.mark.parametrize("caption", ["", "a picture", "on a white background in a pixel art style"])
def test_a_caption_that_names_nothing_is_wrong(caption: str) -> None:
    verdict = check(caption, RED_STARS)
    assert not verdict.is_right
    assert not verdict.objects_are_right
    assert verdict.groups_mentioned == 0


def test_training_never_shows_a_withheld_pair_and_other_scenes_do() -> None:
    def pairs(scenes: list[Scene]) -> set[tuple[str, str]]:
        return {(group.colour, group.noun) for scene in scenes for group in scene.groups}

    assert not pairs([training_scene(1, index) for index in range(1500)]) & world.WITHHELD_PAIRS
    assert pairs(SAMPLE) >= world.WITHHELD_PAIRS
    assert not {tags.colour_tag(*pair) for pair in world.WITHHELD_PAIRS} & set(tags.TAGS)


def test_characters_keep_their_looks() -> None:
    seen = {group.character: group for scene in SAMPLE for group in scene.groups if group.character}
    assert set(seen) == set(world.CHARACTERS)
    for name, group in seen.items():
        character = world.CHARACTERS[name]
        assert (group.noun, group.colour, group.count) == (character.noun, character.colour, 1)


def test_the_rating_is_the_number_of_folded_corners() -> None:
    assert {scene.rating for scene in SAMPLE} == set(world.RATINGS)
    for scene in SAMPLE[:40]:
        assert scene.rating == world.RATINGS[len(scene.folded_corners)]
        picture = draw(scene, 160)
        grey = [np.ptp(picture.getpixel(_corner_px(corner))) < 60 for corner in scene.folded_corners]
        assert all(grey)


def _corner_px(corner: str) -> tuple[int, int]:
    row, column = corner.split()
    return (3 if column == "left" else 156, 3 if row == "top" else 156)


def test_every_scene_and_claim_has_tags_and_the_ratings_come_first() -> None:
    assert tags.TAGS[:4] == list(world.RATINGS)
    assert len(set(tags.TAGS)) == len(tags.TAGS)
    for index in range(300):
        scene = training_scene(1, index)
        scene_tags = set(tags.scene_tags(scene))
        assert len(scene_tags & set(world.RATINGS)) == 1
        for caption in captions_of(scene):
            assert set(tags.claimed_tags(read_claims(caption))) <= scene_tags


def test_the_same_scene_gives_the_same_pixels() -> None:
    for scene in SAMPLE[:10]:
        assert draw(scene, 96).tobytes() == draw(scene, 96).tobytes()
    assert draw(SAMPLE[0], 96).tobytes() != draw(SAMPLE[1], 96).tobytes()


def test_a_mirrored_scene_is_the_flipped_picture() -> None:
    for scene in SAMPLE[:200]:
        assert (patch_labels(mirrored(scene)) == patch_labels(scene)[..., ::-1]).all()
        assert mirrored(scene).rating == scene.rating
    row = truth_row(mirrored(SAMPLE[3]), "x.png", [])
    assert check(captions_of(mirrored(SAMPLE[3]))[0], row).is_right


def test_every_object_labels_a_patch() -> None:
    for scene in SAMPLE[:300]:
        nouns = set(patch_labels(scene)[0].ravel()) - {0}
        assert nouns == {world.NOUNS.index(group.noun) + 1 for group in scene.groups}


def test_the_command_writes_pictures_and_their_truth(tmp_path: Path) -> None:
    arguments = ["--seed", "5", "--count", "3", "--out"]
    scenes.main([*arguments, str(tmp_path / "a")])
    scenes.main([*arguments, str(tmp_path / "b")])
    lines = (tmp_path / "a" / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    for line in lines:
        row = json.loads(line)
        assert {"picture", "objects", "background", "style", "captions"} <= set(row)
        assert all(set(thing) == {"noun", "colour", "count", "size"} for thing in row["objects"])
        assert row["captions"] and all(truth.check(caption, row).is_right for caption in row["captions"])
        with Image.open(tmp_path / "a" / row["picture"]) as picture:
            assert picture.format == "PNG"
            assert picture.mode == "RGB"
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
