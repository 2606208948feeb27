"""captioner.captions.claims: what captions claim, and where two of them cannot both be right."""

from __future__ import annotations

import pytest

from captioner.captions.claims import claims_of, disagreements


def between(one: str, other: str) -> list[tuple[str, str]]:
    return disagreements(claims_of([one]), claims_of([other]))


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("a red car next to a house", "a blue car", [("red car", "blue car")]),
        ("two cats on a bed", "a cat on a bed", [("two cats", "a cat")]),
        ("two women on a bench", "a woman on a bench", [("two women", "a woman")]),
        ("a woman with long hair", "a woman with short hair", [("long hair", "short hair")]),
        ("a photo of a cat", "a drawing of a cat", [("photo", "drawing")]),
        ("a man sitting on a chair", "a man standing beside a chair", [("sitting", "standing")]),
        ("a street at night", "a street in the day", [("night", "day")]),
    ],
)
def test_captions_contradict_each_other_in_what_cannot_both_be_right(
    one: str, other: str, found: list[tuple[str, str]]
) -> None:
    assert between(one, other) == found
    assert between(other, one) == [(right, left) for left, right in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a red car and a blue car", "a blue car"),  # the other says it too
        ("a red car", "a blue house"),
        ("a cat", "cats"),  # nobody says how many
        ("a woman beside another woman", "a woman"),
        ("a man and a woman sitting on a bench", "a woman standing beside a man"),  # one may sit, one may stand
        ("an old car", "a young woman"),
        ("a cat", ""),
        ("", ""),
    ],
)
def test_what_may_both_be_right_is_no_contradiction(one: str, other: str) -> None:
    assert between(one, other) == []


@pytest.mark.parametrize(
    ("sentence", "tags", "found"),
    [
        ("a woman with blonde hair stands in a park", ["1girl", "black_hair"], [("black_hair", "blonde hair")]),
        ("two women on a bench", ["1girl"], [("1girl", "two women")]),
        ("a red house", ["blue house"], [("blue house", "red house")]),
        ("two cats", ["3cats"], [("3cats", "two cats")]),
        ("a red house", ["red house", "house", "2cats"], []),
    ],
)
def test_tags_contradict_the_sentence(sentence: str, tags: list[str], found: list[tuple[str, str]]) -> None:
    assert disagreements(claims_of((), tags), claims_of([sentence])) == found
