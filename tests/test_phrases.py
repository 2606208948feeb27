"""captioner.phrases: where a sentence that was cut ends."""

import pytest

from captioner.phrases import whole_phrases


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("a red house on a white background in a", "a red house on a white background"),
        ("two cats on green grass under a blue", "two cats on green grass"),
        ("a dog and a", "a dog"),
        ("a cat, a dog and", "a cat, a dog"),
        ("a cat, a large", "a cat"),
        ("three stars above three", "three stars"),
        ("a house next to a", "a house"),
        ("a car parked in front of the", "a car parked"),
        ("a man holding a couple of", "a man"),
        ("a field with a black and white", "a field"),
        ("a heart drawn as a", "a heart"),
        ("a shelf filled with very old", "a shelf"),
        ("a woman who is", "a woman"),
        ("a bowl that is made of", "a bowl"),
        ('a sign that says "the', "a sign that says"),
        ("A Dog Under The", "A Dog"),
    ],
)
def test_words_that_wait_for_others_go(cut: str, whole: str) -> None:
    assert whole_phrases(cut) == whole


@pytest.mark.parametrize(
    "text",
    [
        "a red house on a white background",
        "a car that is red",
        "a woman dressed in black and white",
        "the sky is very blue",
        "a cat sitting outside",
        "two  dogs,\ta cat",
        "an umbrella.",
        "",
    ],
)
def test_a_whole_phrase_stays_as_it_is(text: str) -> None:
    assert whole_phrases(text) == text


@pytest.mark.parametrize("text", ["a", "there is a", "in the", "two red"])
def test_nothing_is_left_of_no_phrase_so_it_stays(text: str) -> None:
    assert whole_phrases(text) == text


def test_what_stays_keeps_its_spaces_and_marks() -> None:
    assert whole_phrases("two  dogs;\ta cat - and a") == "two  dogs;\ta cat"
