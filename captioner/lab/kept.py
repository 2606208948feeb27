"""A caption's score as plain values that JSON can hold, and back. What was said is kept, not what it was taken for.

The probability that a word is false is reckoned anew when a score is read: its slope may be another one by then. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioner.lab.scores import CaptionScore, Weights, WordScore


def to_kept(score: CaptionScore) -> dict[str, Any]:
    """The score without what follows from it."""
    return {
        "words": [
            {
                "text": word.text,
                "start": word.start,
                "end": word.end,
                "parts": {name: round(part, 3) for name, part in word.parts.items()},
                "instead": word.instead,
                "changed": word.changed,
                "tag": None if word.tag is None else round(word.tag, 4),
                "is_filler": word.is_filler,
            }
            for word in score.words
        ],
        "unjudged": list(score.unjudged),
        "is_edit": score.is_edit,
    }


def from_kept(kept: Mapping[str, Any], weights: Weights) -> CaptionScore:
    """The score with probabilities by these weights. Args: kept: what `to_kept` gave."""
    words = [_word(word, weights) for word in kept["words"]]
    return CaptionScore.of_words(words, kept["unjudged"], is_edit=kept["is_edit"])


def _word(kept: Mapping[str, Any], weights: Weights) -> WordScore:
    nats = sum(kept["parts"].values())
    return WordScore(
        kept["text"],
        kept["start"],
        kept["end"],
        nats,
        weights.probability(nats),
        kept["parts"],
        kept["instead"],
        kept["changed"],
        kept["tag"],
        kept["is_filler"],
    )
