"""taggers.thresholds: which scores are kept."""

import math
import random
import time

import pytest

from captioner.records import Tag
from taggers import thresholds


def tag(name: str, score: float, category: str = "general") -> Tag:
    return Tag(name, score, category, "wd14")


def test_a_score_at_the_threshold_is_kept() -> None:
    tags = [tag("a", 0.5), tag("b", 0.35), tag("c", 0.35), tag("d", 0.3499)]
    assert [t.name for t in thresholds.above(tags, 0.35)] == ["a", "b", "c"]
    assert [t.name for t in thresholds.above(tags, 0.0)] == ["a", "b", "c", "d"]
    assert thresholds.above(tags, 0.6) == thresholds.above([], 0.0) == []


def test_each_category_has_its_own_threshold() -> None:
    tags = [tag("d", 1.0, "z"), tag("a", 0.5, "x"), tag("b", 0.5, "y"), tag("c", 0.3, "x"), tag("e", 0.2, "x")]
    assert [t.name for t in thresholds.above_each(tags, {"x": 0.3, "y": 0.6})] == ["a", "c"]
    assert thresholds.above_each(tags, {}) == []


def test_the_first_of_a_category() -> None:
    tags = [tag("a", 0.5, "x"), tag("b", 0.4, "y"), tag("c", 0.3, "y")]
    assert [t.name for t in thresholds.first_of(tags, "y")] == ["b"]
    assert thresholds.first_of(tags, "z") == []


def test_a_thousand_pictures_are_kept_again_at_once() -> None:
    numbers = random.Random(1)
    tags = sorted((tag(str(n), numbers.random() ** 4) for n in range(300)), key=lambda t: -t.score)
    start = time.process_time()
    for _ in range(1000):
        thresholds.above_each(tags, {"general": 0.35, "character": 0.85})
        thresholds.best_of_each(tags, {"general": 4})
    assert time.process_time() - start < 0.1


def test_the_best_of_each_category_come_in_the_given_order() -> None:
    tags = [tag("a", 0.9, "x"), tag("b", 0.8, "y"), tag("c", 0.7, "x"), tag("d", 0.6, "x"), tag("e", 0.5, "z")]
    assert [t.name for t in thresholds.best_of_each(tags, {"x": 2, "y": 0})] == ["a", "c"]


def test_only_the_named_categories_are_taken() -> None:
    tags = [tag("a", 0.9, "general"), tag("b", 0.8, "character"), tag("c", 0.7, "rating")]
    assert [t.name for t in thresholds.of_category(tags, "rating", "general")] == ["a", "c"]


def test_mcut_lies_in_the_middle_of_the_largest_gap() -> None:
    assert thresholds.mcut([0.1, 0.9, 0.2, 0.8]) == pytest.approx(0.5)


def test_mcut_takes_the_upper_of_two_equal_gaps() -> None:
    assert thresholds.mcut([0.75, 0.5, 0.25]) == pytest.approx(0.625)


def test_mcut_of_no_score_keeps_nothing_and_of_one_keeps_it() -> None:
    assert thresholds.mcut([]) == math.inf
    assert thresholds.mcut([0.4]) == 0.4


def test_scores_that_were_not_stored_count_as_one_more() -> None:
    assert thresholds.mcut([0.9, 0.8], rest=0.01) == pytest.approx((0.8 + 0.01) / 2)
    assert thresholds.mcut([0.9], rest=0.01) < 0.9
    assert thresholds.mcut([0.005], rest=0.01) == 0.005


def test_mcut_on_stored_scores_keeps_what_mcut_on_all_scores_keeps() -> None:
    numbers = random.Random(1)
    for _ in range(300):
        every = [numbers.random() ** 8 for _ in range(200)]
        stored = [score for score in every if score >= thresholds.STORED_MINIMUM]
        if len(stored) < 2:
            continue
        full, short = thresholds.mcut(every), thresholds.mcut(stored, rest=thresholds.STORED_MINIMUM)
        assert [s for s in every if s >= full] == [s for s in every if s >= short]
