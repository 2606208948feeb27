"""What of a caption is sentences and what is tags."""

from __future__ import annotations

import pytest

from captioner.captions.told_apart import AllTags, content_words, told_apart


@pytest.mark.parametrize(
    ("text", "sentences", "tags"),
    [
        ("", (), ()),
        (
            "1girl, solo, looking at another, hair between eyes",
            (),
            ("1girl", "solo", "looking at another", "hair between eyes"),
        ),
        ("a woman sits on a bench, outdoors, day", ("a woman sits on a bench",), ("outdoors", "day")),
        ("a red fish, sky", ("a red fish",), ("sky",)),
        ("a cat, sky", (), ("a cat", "sky")),
        ("ohwx, two dogs run across a field, day", ("two dogs run across a field",), ("ohwx", "day")),
        (
            "A woman sits on a bench, holding a cup, in a park. Behind her is a tree, day",
            ("A woman sits on a bench, holding a cup, in a park. Behind her is a tree",),
            ("day",),
        ),
        (
            "A woman sits on a bench, holding a cup, in a park., day",
            ("A woman sits on a bench, holding a cup, in a park.",),
            ("day",),
        ),
        ("Two dogs run.\nsolo, day", ("Two dogs run.",), ("solo", "day")),
        ("solo, mr. smith, st. nicholas etc.", (), ("solo", "mr. smith", "st. nicholas etc.")),
    ],
)
def test_a_text_that_nobody_knows_is_told_apart_by_rule(
    text: str, sentences: tuple[str, ...], tags: tuple[str, ...]
) -> None:
    assert told_apart(text) == (sentences, tags)


def test_what_a_captioner_said_is_a_sentence_however_short_and_whatever_commas_it_has() -> None:
    assert told_apart("fish, two stars, sky", "fish, two stars") == (("fish, two stars",), ("sky",))
    assert told_apart("sky, two cats. day", "two cats.") == (("two cats",), ("sky", "day"))


def test_a_sentence_that_is_no_more_in_the_text_is_not_looked_for_within_words() -> None:
    assert told_apart("catfish, sky", "cat") == ((), ("catfish", "sky"))


def test_what_taggers_said_is_a_tag_however_long() -> None:
    long = "a detailed painting inspired by somebody"
    assert told_apart(f"{long}, sky") == ((long,), ("sky",))
    assert told_apart(f"{long}, sky", known={long}) == ((), (long, "sky"))
    assert told_apart(f"two cats, {long}", "two cats", AllTags()) == (("two cats",), (long,))


def test_words_that_say_nothing_of_the_picture_are_not_counted() -> None:
    assert content_words("The woman's red hat, and a RED coat of 3 on it") == ["woman", "red", "hat", "coat"]
