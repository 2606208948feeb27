"""captioner.lab.suggest: settings that are clearly better, and a length for each picture."""

from __future__ import annotations

import pytest

from captioner.lab.scores import CaptionScore
from captioner.lab.suggest import choose_length, choose_settings, promises


def scored(true: float, false: float) -> CaptionScore:
    return CaptionScore((), false, true, false)


def sample(*true: float, false: float = 0.1, count: int = 12) -> list[CaptionScore]:
    return [scored(true[number % len(true)], false) for number in range(count)]


def test_what_is_clearly_better_is_proposed_best_first() -> None:
    scores = {"today": sample(5.0, 6.0), "more": sample(6.0, 7.1), "most": sample(7.0, 8.1), "less": sample(4.0)}
    assert [promise.name for promise in choose_settings(scores, "today")] == ["most", "more"]


def test_a_gain_within_twice_its_error_is_none() -> None:
    assert choose_settings({"today": sample(5.0), "luck": sample(4.0, 6.4)}, "today") == []


def test_a_gain_that_costs_false_words_is_none() -> None:
    scores = {"today": sample(5.0), "long": sample(8.0, 8.1, false=0.16), "short": sample(6.0, 6.1, false=0.15)}
    assert [promise.name for promise in choose_settings(scores, "today")] == ["short"]


def test_of_few_pictures_nothing_is_proposed() -> None:
    scores = {"today": sample(5.0, count=9), "more": sample(6.0, 6.1, count=9)}
    assert choose_settings(scores, "today") == []
    assert promises({"today": sample(5.0, count=1), "more": sample(6.0, count=1)}, "today")[1].error == float("inf")


def test_a_promise_says_what_it_promises() -> None:
    (promise,) = choose_settings({"today": sample(5.0), "more": sample(6.0, 7.0)}, "today")
    assert promise.explained() == "+1.50 true words a caption (± 0.15), +0.00 false ones (at least 0.10 of 6.6)"
    with pytest.raises(ValueError, match="zip"):
        promises({"today": sample(5.0), "more": sample(6.0, count=3)}, "today")


def test_the_shortest_caption_that_is_worth_as_much_is_chosen() -> None:
    lengths = {5: scored(6.0, 0.1), 15: scored(7.8, 0.1), 22: scored(8.0, 0.1), 40: scored(9.0, 0.9)}
    assert choose_length(lengths) == 15
    assert choose_length(lengths, price=0.0) == 40
