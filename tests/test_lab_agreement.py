"""Ratings beside scores: the correlation is Spearman's, its interval covers, a refit finds a slope that is there."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from captioner.lab.agreement import Agreement, rank_agreement, refitted
from captioner.lab.scores import CaptionScore, Weights, WordScore

COLOURS = ("red", "yellow", "green")


def _score(nats: list[float]) -> CaptionScore:
    weights = Weights()
    words = [
        WordScore("cat", 4 * place, 4 * place + 3, one, weights.probability(one), {"captioner": one})
        for place, one in enumerate(nats)
    ]
    return CaptionScore.of_words(words, is_edit=False)


def test_a_correlation_with_ties_is_that_of_mean_ranks() -> None:
    values = [1.0, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    ratings = ["red", "red", "yellow", "red", "yellow", "green", "yellow", "green", "green", "yellow", "green", "green"]
    found = rank_agreement(values, ratings)
    assert found is not None
    # By hand: ranks 1 2.5 2.5 4 .. 12 and 2 2 5.5 2 5.5 10 5.5 10 10 5.5 10 10.
    ranks = [1, 2.5, 2.5, *range(4, 13)]
    others = [2, 2, 5.5, 2, 5.5, 10, 5.5, 10, 10, 5.5, 10, 10]
    covariance = sum((a - 6.5) * (b - 6.5) for a, b in zip(ranks, others, strict=True))
    spread = sum((a - 6.5) ** 2 for a in ranks) * sum((b - 6.5) ** 2 for b in others)
    assert found.rho == pytest.approx(covariance / math.sqrt(spread))
    assert (found.count, found.low < found.rho < found.high) == (12, True)


def test_a_perfect_agreement_has_an_interval_too() -> None:
    values = [float(number) for number in range(12)]
    ratings = ["red"] * 4 + ["yellow"] * 4 + ["green"] * 4
    steady = rank_agreement([float(number // 4) for number in range(12)], ratings)
    assert steady is not None
    assert (steady.rho, steady.high) == (1.0, 1.0)
    assert 0.5 < steady.low < 0.9
    turned = rank_agreement([-value for value in values], ratings)
    assert turned is not None
    assert turned.rho < -0.9


def test_nothing_is_said_of_few_ratings_or_of_equal_ones() -> None:
    assert rank_agreement([1.0] * 11, ["red"] * 11) is None
    values = [float(number) for number in range(12)]
    assert rank_agreement(values, ["red"] * 12) is None
    assert rank_agreement([1.0] * 12, ["red", "green"] * 6) is None
    assert rank_agreement(values, ["red", "green"] * 6) is not None


def test_the_interval_holds_the_truth_in_about_95_of_100_samples() -> None:
    rng = random.Random(1)

    def sample(count: int) -> Agreement:
        pairs = [(one := rng.gauss(0, 1), one + rng.gauss(0, 1)) for _ in range(count)]
        cut = [COLOURS[0 if worth < -0.6 else 1 if worth < 0.6 else 2] for _, worth in pairs]
        found = rank_agreement([value for value, _ in pairs], cut)
        assert found is not None
        return found

    truth = sample(20_000).rho
    held = sum(one.low <= truth <= one.high for one in (sample(30) for _ in range(400)))
    assert 365 <= held <= 398, f"{held} of 400"


def test_a_refit_finds_the_slope_that_the_ratings_were_made_with() -> None:
    rng = random.Random(2)
    truth = Weights(slope=0.7, offset=-2.5)
    captions = [[rng.gauss(0, 5) for _ in range(6)] for _ in range(600)]
    ratings = [
        "red" if any(rng.random() < truth.probability(nats) for nats in words) else "green" for words in captions
    ]
    scores = [_score(words) for words in captions]
    found = refitted(Weights(), scores, ratings)
    assert found is not None
    assert found.slope == pytest.approx(truth.slope, rel=0.25)
    assert found.offset == pytest.approx(truth.offset, abs=0.4)
    assert replace(found, slope=Weights().slope, offset=Weights().offset) == Weights()


def test_a_dozen_ratings_move_it_a_little_and_towards_what_they_say() -> None:
    scores = [_score([2.0, -3.0]) for _ in range(12)]
    ratings = ["green"] * 11 + ["yellow"]
    found = refitted(Weights(), scores, ratings)
    assert found is not None
    assert found.probability(2.0) < Weights().probability(2.0), "they find fewer faults than was thought"
    assert 0.5 < found.slope / Weights().slope < 2
    assert abs(found.offset - Weights().offset) < 2


def test_a_refit_does_not_depend_on_an_earlier_one_and_needs_two_colours() -> None:
    scores = [_score([2.0]) for _ in range(12)]
    assert refitted(Weights(), scores, ["green"] * 12) is None
    assert refitted(Weights(), scores[:11], ["green", *["red"] * 10]) is None
    assert refitted(Weights(), [CaptionScore.of_words([], is_edit=False)] * 12, ["green", *["red"] * 11]) is None
    for nats in (-40.0, 40.0):  # far beyond what any model says
        found = refitted(Weights(), [_score([nats]) for _ in range(12)], ["red", "green"] * 6)
        assert found is not None
        assert math.isfinite(found.slope)
        assert math.isfinite(found.offset)
