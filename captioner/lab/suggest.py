"""Settings for a set, and a length for a picture, chosen by scores alone; proposed, never applied. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Generic, TypeVar

from captioner.lab.scores import CaptionScore

Name = TypeVar("Name", bound=Hashable)

MOST_FALSE_GAIN = 0.05
"""How many more false words a caption may be expected to have under settings that are proposed."""

FEWEST_PICTURES = 10
"""Of fewer pictures nothing is proposed; 30 are worth having."""

_ERRORS = 2.0  # a gain counts from so many of its errors on


@dataclass(frozen=True, slots=True)
class Promise(Generic[Name]):
    """What settings promise beside today's, in words a caption. error: of true_gain.

    is_clear: it is a gain beyond chance and hardly costs false words. Where a captioner is wrong and sure of it, false
    words are counted too low: "at least so many".
    """

    name: Name
    true_words: float
    false_words: float
    true_gain: float
    false_gain: float
    error: float
    is_clear: bool

    def explained(self) -> str:
        """In a line."""
        return (
            f"{self.true_gain:+.2f} true words a caption (± {self.error:.2f}), {self.false_gain:+.2f} false ones "
            f"(at least {self.false_words:.2f} of {self.true_words + self.false_words:.1f})"
        )


def promises(scores: Mapping[Name, Sequence[CaptionScore]], base: Name) -> list[Promise[Name]]:
    """What each settings promise, today's too, in the order given: the dots of a chart.

    Args: scores: settings -> the scores of the same pictures in the same order. base: what is used today. Settings that
        change the wording (another repetition penalty) are not fairly compared: more words look like more truth.
    Raises: ValueError: the lists are of different lengths.
    """
    found = []
    for name, of in scores.items():
        pairs = list(zip(of, scores[base], strict=True))
        gains = [one.true_words - today.true_words for one, today in pairs]
        false_gain = fmean(one.false_words - today.false_words for one, today in pairs)
        error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("inf")
        is_clear = (
            name != base
            and len(pairs) >= FEWEST_PICTURES
            and false_gain <= MOST_FALSE_GAIN
            and fmean(gains) > _ERRORS * error
        )
        true_words, false_words = fmean(one.true_words for one in of), fmean(one.false_words for one in of)
        found.append(Promise(name, true_words, false_words, fmean(gains), false_gain, error, is_clear))
    return found


def choose_settings(scores: Mapping[Name, Sequence[CaptionScore]], base: Name) -> list[Promise[Name]]:
    """The settings that clearly promise more true words than today's and hardly more false ones, best first.

    Often there are none. Not those of most words: long minimum lengths always add some, and part of those is false. Not
    those of the best mean: of 80 settings one is always best by luck, so a gain counts from twice its error, picture by
    picture.

    Args, Raises: as `promises`.
    """
    clear = [promise for promise in promises(scores, base) if promise.is_clear]
    return sorted(clear, key=lambda promise: promise.false_gain - promise.true_gain)


def choose_length(by_length: Mapping[int, CaptionScore], *, price: float = 2.0, slack: float = 0.3) -> int:
    """The shortest minimum length whose caption is worth as much as the best one's, but for `slack` words.

    Args: by_length: a picture's captions at several minimum lengths, scored as the captioner's own. price: true words
        that a false one costs.
    """
    worth = {length: score.true_words - price * score.false_words for length, score in by_length.items()}
    best = max(worth.values())
    return min(length for length, value in worth.items() if value >= best - slack)
