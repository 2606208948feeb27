"""captioner.captions.words: what of a caption claims something, what says it again, and which tags it spells."""

from __future__ import annotations

import pytest

from captioner.captions import words

SCENE_TAGS = {"cat", "red_cat", "1cat", "2cats", "dog", "night_sky", "white_background", "pixel_art"}


def phrases(text: str) -> list[str]:
    said = text.split()
    return [" ".join(said[place] for place in run) for run in words.content_phrases(said)]


def test_words_are_found_where_they_stand() -> None:
    text = " a red cat,\ttwice\n"
    assert [(one.text, text[one.start : one.end]) for one in words.spans(text)] == [
        (word, word) for word in ["a", "red", "cat,", "twice"]
    ]


@pytest.mark.parametrize(("word", "claims"), [("cat,", True), ("An", True), ("of", False), ("-", False), ("_", False)])
def test_content_words_and_articles_can_be_false(word: str, claims: bool) -> None:
    assert words.can_be_false(word) is claims


def test_another_word_keeps_the_punctuation_around_it() -> None:
    assert words.in_place_of('"cat",', "dog") == '"dog",'
    assert words.in_place_of("o'clock.", "hour") == "hour."
    assert words.in_place_of("-", "dog") == "dog"


@pytest.mark.parametrize(
    ("article", "following", "wanted"), [("a", "icon", "an"), ("An", "cat", "A"), ("a", '"orange"', "an")]
)
def test_an_article_goes_by_the_word_behind_it(article: str, following: str, wanted: str) -> None:
    assert words.article_for(article, following) == wanted


def test_phrases_are_parted_by_function_words_and_commas() -> None:
    assert phrases("two small cars, red stars and a cat on the left") == ["two small cars,", "red stars", "cat", "left"]


def test_a_phrase_whose_head_was_said_is_said_again() -> None:
    text = "a red car and two small cars on grass"
    said = text.split()
    again = words.repeated(said)
    assert [word for word, is_again in zip(said, again, strict=True) if is_again] == ["two", "small", "cars"]


def test_a_word_has_the_probability_of_the_tag_it_spells() -> None:
    scores = {"cat": 0.9, "red_cat": 0.45, "1cat": 0.9, "night_sky": 0.7, "white_background": 0.1}
    text = "a red cat under a night sky on a white background"
    found = words.tag_probabilities(text.split(), scores, SCENE_TAGS)
    assert found == [1.0, 0.5, 0.9, None, None, 0.7, 0.7, None, None, 0.1, None]


def test_colour_and_number_of_a_thing_that_is_not_there_are_not_judged() -> None:
    assert words.tag_probabilities(["two", "red", "cats"], {"cat": 0.1}, SCENE_TAGS) == [None, None, 0.1]


def test_a_tag_below_what_is_stored_is_unlikely_and_a_word_without_a_tag_is_not_judged() -> None:
    assert words.tag_probabilities(["dog", "tree"], {}, SCENE_TAGS) == [0.005, None]
