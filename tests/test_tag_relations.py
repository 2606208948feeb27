"""Tags of one caption that contradict each other, and tags that another one implies."""

from __future__ import annotations

import pytest

from captioner.captions.tag_relations import CLASHES, IMPLIED_BY, contradictions, implications, without_implied
from captioner.captions.tag_rules import piece_key


@pytest.mark.parametrize(
    ("tags", "pairs"),
    [
        (["1girl", "solo", "day"], []),
        (["2girls", "1girl"], [("1girl", "2girls")]),
        (["solo", "2girls"], [("2girls", "solo")]),
        (["day", "night sky", "night"], [("day", "night"), ("day", "night sky")]),
        (["indoors", "outdoors"], [("indoors", "outdoors")]),
        (
            ["1girl", "short hair", "very long hair", "long hair"],
            [("long hair", "short hair"), ("short hair", "very long hair")],
        ),
        (["2girls", "short hair", "long hair"], []),
        (["1girl", "1boy", "blonde hair", "black hair"], []),
        (["solo", "blonde hair", "black hair"], [("black hair", "blonde hair")]),
        (["solo", "blonde hair", "black hair", "two-tone hair"], []),
        (["greyscale", "red dress"], [("greyscale", "red dress")]),
        (["greyscale", "red dress", "spot color"], []),
        (["greyscale", "white dress", "red"], []),
        (["no humans", "1girl"], [("1girl", "no humans")]),
    ],
)
def test_tags_that_contradict(tags: list[str], pairs: list[tuple[str, str]]) -> None:
    assert contradictions(tags) == pairs


@pytest.mark.parametrize(
    ("tags", "pairs"),
    [
        (
            ["long blonde hair", "long hair", "hair"],
            [("long blonde hair", "long hair"), ("long blonde hair", "hair"), ("long hair", "hair")],
        ),
        (["cat ears", "cat"], []),
        (["cat ears", "animal ears"], [("cat ears", "animal ears")]),
        (["no shoes", "shoes"], []),
        (["fake animal ears", "animal ears"], []),
        (["2girls", "multiple girls"], [("2girls", "multiple girls")]),
        (["red hair", "long hair"], []),
    ],
)
def test_tags_that_imply_others(tags: list[str], pairs: list[tuple[str, str]]) -> None:
    assert implications(tags) == pairs


def test_the_tables_are_spelt_as_tags_are_compared_and_no_tag_contradicts_itself() -> None:
    for clash in CLASHES:
        tags = [tag for side in clash.sides for tag in side]
        assert len(clash.sides) > 1
        assert len(tags) == len(set(tags))
        assert all(piece_key(tag) == tag for tag in [*tags, *clash.unless])
    for general, kinds in IMPLIED_BY.items():
        assert general not in kinds
        assert all(piece_key(tag) == tag for tag in [general, *kinds])


def test_implied_tags_are_taken_out_and_sentences_stay() -> None:
    text = "a girl with hair, Long_Blonde_hair, long hair, solo, hair"
    assert without_implied(text) == "a girl with hair, Long_Blonde_hair, solo"
    assert without_implied(text, "long_hair") == "a girl with hair, Long_Blonde_hair, solo, hair"
    assert without_implied("solo ,  day") == "solo ,  day"
