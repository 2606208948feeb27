"""captioner.captions.leaving_out: phrases and kinds taken out of captions, so that what is left reads."""

from __future__ import annotations

import time

import pytest

from captioner.captions.bulk.words import StripKinds
from captioner.captions.leaving_out import kind_of_tag, kinds_said, without_kinds, without_phrase
from captioner.captions.phrase_kinds import KINDS


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("hair", "a woman with long hair and a hat", "a woman with a hat"),
        ("clothes", "a woman with long hair and a hat", "a woman with long hair"),
        ("hair", "a woman with blue eyes and long blonde hair in a park", "a woman with blue eyes in a park"),
        ("clothes", "a man in a suit and tie stands on a bridge", "a man stands on a bridge"),
        ("clothes", "a woman who is wearing a red dress", "a woman"),
        ("clothes", "a girl wearing an old leather jacket, smiling", "a girl, smiling"),
        ("hair", "a woman whose hair is long and red sits on a bench", "a woman sits on a bench"),
        ("hair", "Her hair is blonde. She has an open mouth.", "She has an open mouth."),
        ("expression", "A smiling woman. She has an open mouth.", "A woman."),
        ("expression", "an angry dog", "a dog"),
        ("expression", "a woman with her eyes closed", "a woman"),
        ("pose", "a dog sitting on a chair looking at the camera", "a dog on a chair"),
        ("background", "a red house on a white background", "a red house"),
        ("background", "a woman standing in front of a tree", "a woman standing"),
        ("background", "a smiling woman in a field of flowers, holding a sword", "a smiling woman, holding a sword"),
        ("style", "a black and white photo of a cat", "a cat"),
        ("style", "an icon of an apple in a flat icon style", "an apple"),
        ("framing", "a close up of a cat's face", "a cat's face"),
        ("hair", "1girl, long_hair, blue eyes, hair ornament", "1girl, blue eyes, hair ornament"),
        ("background", "solo\nwhite background\nhat", "solo\nhat"),
    ],
)
def test_a_kind_goes_with_what_cannot_stand_without_it(kind: str, before: str, after: str) -> None:
    assert without_kinds(before, [kind]) == after


@pytest.mark.parametrize(
    "text",
    [
        "a red dress on a chair",  # what it is about
        "hair ornament, hairy, chair",
        "a horse race",
        "",
        " , ,\n",
        "no,commas  or blanks are touched where nothing goes ,",
    ],
)
def test_what_is_of_no_such_kind_stays_as_it_is_written(text: str) -> None:
    assert without_kinds(text, ["hair"]) == text
    assert without_kinds("a red dress on a chair", ["clothes"]) == "a red dress on a chair"


@pytest.mark.parametrize(
    ("phrase", "before", "after"),
    [
        ("long hair", "a woman with long hair", "a woman"),
        ("Long_Hair", "a woman with long hair, long_hair, solo", "a woman, solo"),
        ("hair", "a woman with very long blonde hair on grass", "a woman on grass"),
        ("red", "a big red dog, an apple", "a big dog, an apple"),
        ("old", "an old dog", "a dog"),
        ("red", "the car is red", "the car"),
        ("hair", "a chair", "a chair"),
        ("a woman with long red hair", "a woman with long red hair on grass", "on grass"),
        ("red car", "a red. car", "a red. car"),
        ("", "a cat", "a cat"),
        ("cat", "cat", ""),
    ],
)
def test_a_phrase_goes_as_whole_words_wherever_it_is_said(phrase: str, before: str, after: str) -> None:
    assert without_phrase(before, phrase) == after


def test_what_a_caption_says_is_told_by_kind() -> None:
    said = kinds_said("a young woman with long blonde hair wearing a red dress in a park, 1girl, blue_eyes, smile")
    assert said == {
        "hair": ["long blonde hair"],
        "eyes": ["blue eyes"],
        "clothes": ["red dress"],
        "expression": ["smile"],
        "background": ["park"],
    }
    assert kinds_said("") == {}
    assert [kind_of_tag(tag) for tag in ("hair_ornament", "long_hair", "cat", "^_^")] == [
        *("clothes", "hair", "", "expression")
    ]


def test_all_kinds_leave_what_the_picture_is_of() -> None:
    text = "a photo of a smiling woman with long hair in a red dress standing in a park, 1girl, solo, from above"
    assert without_kinds(text, KINDS) == "a woman, 1girl, solo"


def test_the_form_of_the_change_has_every_kind() -> None:
    assert [(field.name, field.label) for field in StripKinds.fields()] == [
        (name, kind.title) for name, kind in KINDS.items()
    ]


def test_long_and_hostile_texts_take_no_more_than_a_moment() -> None:
    start_s = time.process_time()
    for text in ("hair and " * 1_100, "a " * 5_000, "," * 10_000, "long " * 2_000, "of hair " * 1_250, "\n" * 10_000):
        without_kinds(text, KINDS)
        without_phrase(text, "a a")
        kinds_said(text)
    assert time.process_time() - start_s < 5
