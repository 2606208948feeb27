"""benchmarks.quality: that its truth is true, and its figures are what they are called."""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.falsify import KINDS, PERSON_KINDS, falsified, retyped
from benchmarks.quality import GOALS, Figure, auc, figure, spearman
from benchmarks.quality_sets import counts
from benchmarks.statements import statements, word_truth
from demo.grammar import word
from demo.scenes import scene_from_seed

SEED = 500_001


def false_words(text: str, number: int) -> list[str]:
    truth = word_truth(statements(text, scene_from_seed(SEED, number)), len(text.split()))
    return [said for said, true in zip(text.split(), truth, strict=True) if true is False]


def test_true_captions_state_nothing_false_and_what_is_falsified_does() -> None:
    made: set[str] = set()
    for number in range(60):
        scene, rng = scene_from_seed(SEED, number), random.Random(number)
        for length in ("usual", "long"):
            true = word(scene, rng, length, is_continuation=True)
            assert all(one.is_true for one in statements(true, scene)), true
            typed = retyped(true, random.Random(number))
            assert all(one.is_true for one in statements(typed, scene)), typed
            for kind in KINDS:
                if changed := falsified(true, scene, kind, rng):
                    made.add(kind)
                    assert any(not one.is_true for one in statements(changed, scene))
    assert made == {*KINDS} > {*PERSON_KINDS}


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("two red cats on a white background", []),
        ("two red fish on a white background", ["fish"]),
        ("a red cat on a white background", ["a", "cat"]),
        ("three blue cats on a sandy beach", ["three", "blue", "sandy", "beach"]),
        ("two red cats and two red cats", ["cats"]),
    ],
)
def test_each_word_has_the_truth_of_what_it_states(text: str, false: list[str]) -> None:
    assert false_words(text, 0) == false  # two red cats on white


def test_what_is_said_twice_counts_once() -> None:
    scene = scene_from_seed(SEED, 0)
    assert counts("two red cats on a white background on a white background", scene) == (4, 0)
    assert counts("two red cats, two red cats", scene) == (3, 1)


def test_figures_are_what_they_are_called() -> None:
    assert auc([3.0, 2.0], [1.0, 2.0]) == 0.875
    assert math.isnan(auc([], [1.0]))
    assert spearman([1.0, 2.0, 3.0, 3.0], [2.0, 4.0, 9.0, 9.0]) == pytest.approx(1.0)
    assert figure("pair_grammar", 0.98).is_met is True
    assert figure("marked_grammar", 0.13).is_met is False
    assert Figure("anything", 1.0).is_met is None
    assert all(len(goal) == 2 for goal in GOALS.values())
