"""captioner.lab.measures: what can be counted in captions, and how alike those of a set are."""

from __future__ import annotations

import json

import pytest

from captioner.lab.figures import SET_FIGURES
from captioner.lab.measures import measure_set, measure_text


def test_a_caption_has_a_length_in_tokens_details_and_repetition() -> None:
    one = measure_text("a red star and a small dog, a red star and a small dog")
    assert (one.tokens, one.detail) == (15, 2)
    assert one.repetition == pytest.approx(1 - 7 / 12)
    assert one.explained() == "15 tokens, 2 details, 42% repeated"
    assert measure_text("").explained() == "0 tokens, 0 details, 0% repeated"


def test_details_are_things_with_what_is_said_of_them_each_once() -> None:
    one = measure_text("two large squares below two cats, in a cartoon style in a cartoon style")
    assert one.phrases == ("two large squares", "two cats", "cartoon")
    assert (one.detail, one.again) == (3, ("in a cartoon", "a cartoon style"))


def test_distinct_words_and_pairs_are_counted_over_all_captions() -> None:
    found = measure_set(["a red cat", "a red dog", "", "  "])
    assert found.captions == 2
    assert (found.distinct_1, found.distinct_2) == (4 / 6, 3 / 4)


def test_self_bleu_tells_equal_captions_from_different_ones() -> None:
    equal = measure_set(["a red cat on the grass"] * 5).self_bleu
    different = measure_set([f"{word} " * 6 for word in ("red", "blue", "green")]).self_bleu
    assert equal == pytest.approx(1.0)
    assert different is not None and different < 0.2
    assert measure_set(["a red cat"]).self_bleu is None


def test_a_phrase_of_most_captions_is_shared_and_only_as_long_as_it_is_common() -> None:
    backgrounds = ("grass", "snow", "sand", "asphalt", "water")
    texts = [f"a woman with long red hair on {background}" for background in backgrounds]
    found = measure_set([*texts[:4], "a woman on water"])
    assert found.shared == (("woman", 1.0), ("woman with long red hair", 0.8))
    assert found.rare == ("asphalt", "grass", "sand", "snow", "water")


def test_a_line_names_a_few_rare_phrases_and_how_many_more() -> None:
    found = measure_set([f"a {letter}" for letter in "bcdefghij"])
    assert found.explained().endswith('in one caption only: "b", "c", "d", "e", "f", "g" and 3 more')
    assert {*found.values} == {figure.name for figure in SET_FIGURES}


def test_of_two_captions_nothing_is_called_shared_or_rare() -> None:
    found = measure_set(["a cat", "a cat"])
    assert (found.shared, found.rare) == ((), ())


def test_a_set_is_explained_in_a_line_and_given_as_plain_values() -> None:
    found = measure_set(["a cat", "a cat", "a cat on grass"])
    assert found.explained() == (
        f"3 captions, distinct-1 0.50, distinct-2 0.60, self-BLEU {found.self_bleu:.2f}; "
        'in at least 80%: "cat" (100%); in one caption only: "grass"'
    )
    assert json.loads(json.dumps(found.to_values()))["shared"] == [{"phrase": "cat", "share": 1.0}]
    assert measure_set([]).captions == 0
