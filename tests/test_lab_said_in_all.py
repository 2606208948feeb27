"""captioner.lab.said_in_all: what nearly all captions say, and where captions contradict each other."""

from __future__ import annotations

import time

from captioner.captions.told_apart import Told, told_apart
from captioner.lab.said_in_all import contradicting_neighbours, contradicting_tags, said_by_kind, shared_phrases


def found(texts: list[str], *names: str) -> list[tuple[str, int]]:
    return [(one.text, len(one.places)) for one in shared_phrases(texts, names)]


def test_a_phrase_of_four_in_five_captions_is_told_with_its_pictures() -> None:
    grounds = ("grass", "snow", "sand", "asphalt")
    texts = [*(f"a woman with Long_Red hair on {ground}" for ground in grounds), "a cat", ""]
    assert found(texts) == [("woman with long red hair", 4)]
    assert shared_phrases(texts)[0].places == (0, 1, 2, 3)


def test_a_phrase_ends_at_a_comma_and_at_an_and() -> None:
    texts = [f"{tag}, blue eyes, long hair and a hat" for tag in ("one thing", "another thing", "third thing")]
    assert [text for text, _ in found(texts)] == ["blue eyes", "long hair", "hat", "thing"]


def test_names_that_are_meant_to_be_everywhere_are_not_told() -> None:
    texts = [f"ohwx woman on {ground}" for ground in ("grass", "snow", "sand")]
    assert found(texts, "ohwx woman, ") == []
    assert found(texts, "ohwx") == [("ohwx woman", 3)]


def test_few_and_empty_captions_share_nothing() -> None:
    assert found([]) == found(["", " \n"]) == found(["a cat", "a cat", ""]) == []


def test_what_is_said_of_each_kind_is_counted_commonest_first() -> None:
    texts = ["a cat on grass, smile", "a dog with red eyes on grass", "a dog on snow", ""]
    assert [(one.kind, one.places, one.phrases) for one in said_by_kind(texts)] == [
        ("eyes", (1,), (("red eyes", 1),)),
        ("expression", (0,), (("smile", 1),)),
        ("background", (0, 1, 2), (("grass", 2), ("snow", 1))),
    ]


def test_captions_of_near_equal_pictures_are_compared_each_with_each() -> None:
    texts = ["a red car", "a blue car", "a blue car", "a cat", "two cats"]
    first, second = contradicting_neighbours([[0, 1, 2], [3]], [told_apart(text) for text in texts])
    assert [(one.pair, one.places) for one in first] == [(("blue car", "red car"), ((1, 2), (0,)))]
    assert second == []


def test_tags_that_contradict_their_sentence_are_those_of_most_captions_first() -> None:
    told = [
        Told(("two cats",), ("blue sky",)),
        Told(("a cat on a bed",), ("2cats", "bed")),
        Told(("a photo of a dog",), ("drawing",)),
        Told(("a photo of a cat",), ("drawing",)),
        Told((), ("day", "night")),
        Told((), ()),
    ]
    assert [(one.pair, one.places[0]) for one in contradicting_tags(told)] == [
        (("drawing", "photo"), (2, 3)),
        (("2cats", "a cat"), (1,)),
    ]


def test_ten_thousand_captions_take_seconds() -> None:
    texts = [
        f"a young woman with {colour} hair and blue eyes wearing a dress in a park, 1girl, solo, long hair, t{number}"
        for number, colour in enumerate(["blonde", "black", "long red", "short"] * 2_500)
    ]
    start_s = time.process_time()
    assert len(shared_phrases(texts)) == 5
    said_by_kind(texts)
    told = [told_apart(text) for text in texts]
    contradicting_tags(told)
    contradicting_neighbours([range(place, place + 5) for place in range(0, 10_000, 5)], told)
    assert time.process_time() - start_s < 20  # 4 here; a machine may be slow


def test_long_captions_of_the_same_words_do_not_stand_still() -> None:
    words = " ".join(f"w{number}" for number in range(2_000))
    start_s = time.process_time()
    assert len(shared_phrases([f"{words} {number}" for number in range(500)])) == 100
    assert time.process_time() - start_s < 10


def test_a_phrase_of_words_that_say_nothing_by_themselves_is_none() -> None:
    kinds = ("a cartoon", "an oil painting", "a pencil sketch", "a flat vector")
    texts = [f"a fox in {kind} style" for kind in kinds]
    assert [one.text for one in shared_phrases(texts)] == ["fox"]
    same = [f"a {colour} fox in a cartoon style" for colour in ("red", "blue", "black")]
    assert [one.text for one in shared_phrases(same)] == ["fox in a cartoon style"]
