"""A person's ratings beside scores: how far a score ranks captions as the person does, and which slope fits them.

Each rated caption of a picture counts once, however many cells hold it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.lab.scores import CaptionScore, Weights

FEWEST_RATINGS = 12
"""Of fewer ratings nothing is said: with twelve, an interval still spans a whole unit."""

WORTH: Mapping[str, float] = {"green": 1.0, "yellow": 0.5, "red": 0.0}
"""How true a caption is that was rated so."""

_Z95 = 1.959964
# The refit stays near what was measured unless ratings speak against it: the slope within a factor of two, the offset
# within one, each as one standard deviation of what is believed beforehand.
_SLOPE_SPREAD, _OFFSET_SPREAD = math.log(2), 1.0
_STEPS, _SMALL = 60, 1e-4


@dataclass(frozen=True, slots=True)
class Agreement:
    """Spearman's rank correlation of a score with ratings, and its 95 % interval; 1: the score ranks as the person."""

    rho: float
    low: float
    high: float
    count: int


def rank_agreement(values: Sequence[float], ratings: Sequence[str]) -> Agreement | None:
    """How far values rank captions as ratings do; ties have their mean rank.

    The interval is Fisher's with the standard error of Bonett and Wright (Psychometrika 65, 2000), sqrt((1 + rho^2 / 2)
    / (count - 3)). It takes captions for independent; those of one picture are less so, which makes it too narrow.
    Args: values: one a caption, higher is better. ratings: green, yellow or red, in the same order.
    Returns: None of fewer than 12, or where either is the same everywhere.
    """
    count = len(values)
    if count < FEWEST_RATINGS or len(set(values)) < 2 or len(set(ratings)) < 2:
        return None
    rho = _pearson(_ranks(values), _ranks([WORTH[rating] for rating in ratings]))
    # A perfect correlation has no interval; of so few captions it may be a little less.
    z = math.atanh(max(-1 + 1 / count, min(1 - 1 / count, rho)))
    error = _Z95 * math.sqrt((1 + rho**2 / 2) / (count - 3))
    return Agreement(rho, min(rho, math.tanh(z - error)), max(rho, math.tanh(z + error)), count)


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


def _pearson(first: Sequence[float], second: Sequence[float]) -> float:
    mean, other = sum(first) / len(first), sum(second) / len(second)
    product = sum((a - mean) * (b - other) for a, b in zip(first, second, strict=True))
    spread = sum((a - mean) ** 2 for a in first) * sum((b - other) ** 2 for b in second)
    return max(-1.0, min(1.0, product / math.sqrt(spread)))


def refitted(weights: Weights, scores: Sequence[CaptionScore], ratings: Sequence[str]) -> Weights | None:
    """The weights with a slope and an offset that make the ratings likeliest.

    Green says that no word of the caption is false, red that one is, yellow half of each; P(none is) is the product of
    the words' own. What was measured before counts as well: a dozen ratings move it a little, hundreds a lot.
    Args: weights: those that were measured, not an earlier refit. scores, ratings: one each a caption, in order.
    Returns: None of fewer than 12 captions with a judged word, or where all are rated the same.
    """
    rated = [
        ([word.nats for word in score.words], WORTH[rating])
        for score, rating in zip(scores, ratings, strict=True)
        if score.words
    ]
    if len(rated) < FEWEST_RATINGS or len({worth for _, worth in rated}) < 2:
        return None
    loss = _Loss(rated, weights)
    place = (math.log(weights.slope), weights.offset)
    for _ in range(_STEPS):
        step = loss.newton_step(place)
        size = 1.0
        while size > _SMALL and loss((place[0] - size * step[0], place[1] - size * step[1])) >= loss(place):
            size /= 2
        if size <= _SMALL:
            break
        place = (place[0] - size * step[0], place[1] - size * step[1])
    return replace(weights, slope=math.exp(place[0]), offset=place[1])


class _Loss:
    """How unlikely ratings are under a slope (as its logarithm) and an offset, with what is believed beforehand."""

    def __init__(self, rated: Sequence[tuple[Sequence[float], float]], weights: Weights) -> None:
        import numpy as np

        self._np = np
        self._nats: Any = np.array([nats for words, _ in rated for nats in words])
        self._starts = np.cumsum([0, *(len(words) for words, _ in rated[:-1])])
        self._worth: Any = np.array([worth for _, worth in rated])
        self._before = math.log(weights.slope), weights.offset

    def __call__(self, place: tuple[float, float]) -> float:
        np = self._np
        doubts = np.add.reduceat(np.logaddexp(0.0, math.exp(place[0]) * self._nats + place[1]), self._starts)
        is_false = np.log(-np.expm1(-np.maximum(doubts, 1e-12)))
        loss = float(np.sum(self._worth * doubts - (1 - self._worth) * is_false))
        slope, offset = place[0] - self._before[0], place[1] - self._before[1]
        return loss + (slope / _SLOPE_SPREAD) ** 2 / 2 + (offset / _OFFSET_SPREAD) ** 2 / 2

    def newton_step(self, place: tuple[float, float]) -> tuple[float, float]:
        """By differences; along the gradient where the curvature is not that of a valley."""
        (a, b), h = place, 1e-3
        here, up, down = self(place), self((a + h, b)), self((a - h, b))
        right, left = self((a, b + h)), self((a, b - h))
        both = self((a + h, b + h)) - self((a + h, b - h)) - self((a - h, b + h)) + self((a - h, b - h))
        gradient = (up - down) / (2 * h), (right - left) / (2 * h)
        aa, bb, ab = (up - 2 * here + down) / h**2, (right - 2 * here + left) / h**2, both / (4 * h**2)
        size = aa * bb - ab * ab
        if aa <= 0 or size <= 0:
            return gradient
        return (bb * gradient[0] - ab * gradient[1]) / size, (aa * gradient[1] - ab * gradient[0]) / size
