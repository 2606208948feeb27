"""Two texts word by word: what a person sees as gone, come and unchanged."""

from __future__ import annotations

import random

import pytest

from captioner.captions import word_diff
from captioner.captions.word_diff import changed_ranges, diffs


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        (
            "a house, red house, sky",
            "a cottage, red cottage, sky",
            [
                ("same", "a"),
                *(("gone", " house"), ("come", " cottage"), ("same", ", red")),
                *(("gone", " house"), ("come", " cottage"), ("same", ", sky")),
            ],
        ),
        ("a, b, c", "a, b", [("same", "a, b"), ("gone", ", c")]),
        ("a  b", "a b", [("same", "a"), ("gone", "  b"), ("come", " b")]),
        ("a ", "a", [("same", "a"), ("gone", " ")]),
        ("", "new", [("come", "new")]),
        ("old\nlines", "", [("gone", "old\nlines")]),
        ("", "", []),
        (
            "one red cat sits here",
            "two dogs, red and big",
            [("gone", "one red cat sits here"), ("come", "two dogs, red and big")],
        ),
    ],
)
def test_a_change_is_told_word_by_word(before: str, after: str, pieces: list[tuple[str, str]]) -> None:
    assert diffs([(before, after)]) == [pieces]


def test_the_pieces_put_together_are_both_texts() -> None:
    chance = random.Random(7)
    for _ in range(500):
        before, after = ("".join(chance.choices(["a", "b", ",", " ", ", ", "\n"], k=12)) for _ in range(2))
        [pieces] = diffs([(before, after)])
        assert "".join(text for kind, text in pieces if kind != "gone") == after
        old = "".join(text for kind, text in pieces if kind != "come")
        assert "".join(old.split()) == "".join(before.split()), "but for the blanks before what stays"


def test_texts_that_would_take_long_are_told_as_changed_between_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = "start " + "a b " * 600 + "end", "start " + "b c " * 600 + "end"
    [pieces] = diffs([(before, after)])
    assert [kind for kind, _ in pieces] == ["same", "gone", "come", "same"]
    monkeypatch.setattr(word_diff, "TIME_LIMIT_S", -1.0)
    assert [kind for kind, _ in diffs([("x a y b z", "x c y d z")])[0]] == ["same", "gone", "come", "same"]


def test_the_words_that_differ_from_a_base_are_known_as_ranges() -> None:
    assert changed_ranges("a big dog runs", "a dog runs") == [(2, 5)]
    assert changed_ranges("a big  brown dog ran", "a dog runs") == [(2, 12), (17, 20)]
    assert changed_ranges("", "a dog") == []
    assert changed_ranges("x", "") == [(0, 1)]
    assert changed_ranges("a dog", "a dog runs") == []


def test_a_word_that_changes_all_over_a_long_text_is_told_at_each_place() -> None:
    words = [f"word{number}, the" for number in range(120)]
    [pieces] = diffs([(" ".join(words), " ".join(words).replace("the", "a"))])
    assert [text for kind, text in pieces if kind == "come"] == [" a"] * 120
