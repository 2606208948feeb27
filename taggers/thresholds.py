"""Scores -> the scores that are kept. Pure arithmetic on tags; knows no model, no picture and no text.

Every function keeps the order it is given and drops nothing but what its rule says.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from captioner.records import Tag

STORED_MINIMUM = 0.01
"""Taggers store no score below this, so no threshold needs to look there."""

CHARACTER_FLOOR = 0.15
"""MCut may not admit a character below this: with no character in the picture its largest gap lies in the noise."""


def above(tags: Sequence[Tag], threshold: float) -> list[Tag]:
    """The tags whose score is at least the threshold.

    Args: tags: best first, as taggers give them; so a slider over a thousand pictures looks at few of them.
    """
    return list(tags[: bisect_right(tags, -threshold, key=_falling)])


def above_each(tags: Sequence[Tag], thresholds: Mapping[str, float]) -> list[Tag]:
    """The tags whose score is at least their category's threshold; a category without one is left out.

    Args: tags: best first.
    """
    kept = above(tags, min(thresholds.values(), default=math.inf))
    return [tag for tag in kept if tag.score >= thresholds.get(tag.category, math.inf)]


def first_of(tags: Iterable[Tag], category: str) -> list[Tag]:
    """The first tag of a category, or none."""
    return next(([tag] for tag in tags if tag.category == category), [])


def of_category(tags: Iterable[Tag], *categories: str) -> list[Tag]:
    """The tags of these categories."""
    return [tag for tag in tags if tag.category in categories]


def best_of_each(tags: Iterable[Tag], maxima: Mapping[str, int]) -> list[Tag]:
    """The first N tags of each category that `maxima` names; a category it does not name has none.

    Args: tags: best first. maxima: category -> how many; 0 switches a category off.
    """
    left = {category: count for category, count in maxima.items() if count > 0}
    kept = []
    for tag in tags:
        if tag.category in left:
            kept.append(tag)
            left[tag.category] -= 1
            if left[tag.category] == 0:
                del left[tag.category]
                if not left:
                    break
    return kept


def mcut(scores: Sequence[float], *, rest: float | None = None) -> float:
    """The threshold in the middle of the largest gap between neighbouring scores (Largeron et al., 2012).

    Args:
        scores: in any order, no NaN.
        rest: the upper bound of scores that exist but were not stored (`STORED_MINIMUM`); it counts as one more
            score, so that the gap below the last stored score can be the largest too.
    Returns: the threshold, lowest of equals first seen from the top; infinity for no scores, since nothing is above it;
        a single score is its own threshold.
    """
    ordered = sorted(scores, reverse=True)
    if not ordered:
        return math.inf
    if rest is not None:
        ordered.append(min(rest, ordered[-1]))
    if len(ordered) == 1:
        return ordered[0]
    gaps = [upper - lower for upper, lower in pairwise(ordered)]
    widest = gaps.index(max(gaps))
    return (ordered[widest] + ordered[widest + 1]) / 2


def _falling(tag: Tag) -> float:
    return -tag.score
