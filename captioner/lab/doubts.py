"""A caption's score -> which of its words get a line, why, what may stand there instead, what is stored of it. Pure.

The same for the editor, for compared captions and for programs. Models that were measured (`Weights.is_calibrated`) say
how many words are expected to be false; all others only where a word stands among those of its set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captioner.captions.words import FUNCTION_WORDS, bare, core_of, spans
from captioner.lab.scores import DOUBTFUL, FALSE, CaptionScore, Standing, Weights, WordScore, underlined

FEWEST_WORDS = 200
"""So many words of a set must have been read before one is told by its place among them."""

MOST_DOUBTFUL, MOST_FALSE = 0.05, 0.02
"""The share of a set's words that may get a thin and a thick line where models were never measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How doubts are told.

    captioner, tagger, clip: what those who were asked are called. standing: the set's words, None where the models were
    measured.
    """

    captioner: str = "the captioner"
    tagger: str = "the tagger"
    clip: str = "CLIP"
    standing: Standing | None = None

    @property
    def can_tell(self) -> bool:
        """Whether enough is known to draw any line."""
        return self.standing is None or len(self.standing) >= FEWEST_WORDS


def worst_of(score: CaptionScore, told: Told) -> float | None:
    """How doubtful the most doubtful word is, 0 to 1, by which a set is sorted.

    The probability that it is false, or the share of the set's words that are less doubtful; None where no word was
    judged, or not enough is known.
    """
    if score.worst is None or not told.can_tell:
        return None
    return score.worst.probability if told.standing is None else 1 - told.standing.of(score.worst)


def doubted(score: CaptionScore, told: Told) -> list[WordScore]:
    """The words that get a line, worst first. A person's own only where much speaks against it."""
    if told.standing is None or not told.can_tell:
        return underlined(score) if told.can_tell else []
    share = MOST_FALSE if score.is_edit else MOST_DOUBTFUL
    return [word for word in underlined(score) if told.standing.of(word) <= share]


def is_strong(word: WordScore, told: Told) -> bool:
    """Whether the line under a word is thick."""
    return word.probability >= FALSE if told.standing is None else told.standing.of(word) <= MOST_FALSE


def doubts_of(text: str, score: CaptionScore, told: Told, part: range | None = None) -> list[dict[str, Any]]:
    """The words with a line in the order of the text, as plain values.

    Args: text: all of the caption. part: the places of the characters that the score is of, None for all.
    Returns: [{"word", "start", "end", "is_strong": a thick line, "probability": that it is false, None where only
        "rank" is known, the share of the set's words that are as doubtful; "better": the word that fits better or "",
        "change": None or [start, end, text] that puts it there; "why": who says what}]. Places count UTF-16 units, as
        browsers do.
    """
    part = part or range(len(text))
    read, offset = text[part.start : part.stop], part.start
    found = []
    for word in sorted(doubted(score, told), key=lambda word: word.start):
        rank = None if told.standing is None else told.standing.of(word)
        change = _change(read, word) if word.better and word.changed else None
        found.append(
            {
                "word": core_of(word.text),
                "start": _units(text, offset + word.start),
                "end": _units(text, offset + word.end),
                "is_strong": is_strong(word, told),
                "probability": round(word.probability, 3) if rank is None else None,
                "rank": None if rank is None else round(rank, 4),
                "better": word.better,
                "change": change and [*(_units(text, offset + place) for place in change[:2]), change[2]],
                "why": word.explained(told.captioner, told.tagger, told.clip)
                + ("" if rank is None else f" {_rank_words(rank).capitalize()}."),
            }
        )
    return found


def fillers_of(text: str, score: CaptionScore, told: Told, part: range | None = None) -> list[list[int]]:
    """[start, end] of what says nothing new and has no line, places as in `doubts_of`.

    What follows each other, with nothing but words such as "on" between, is one run.
    """
    offset = part.start if part else 0
    lined = {word.start for word in doubted(score, told)}
    runs: list[list[int]] = []
    goes_on = False
    for word in score.words:
        start, end = offset + word.start, offset + word.end
        if is_run := word.is_filler and word.start not in lined:
            if goes_on and all(bare(other) in FUNCTION_WORDS for other in text[runs[-1][1] : start].split()):
                runs[-1][1] = end
            else:
                runs.append([start, end])
        goes_on = is_run
    return [[_units(text, start), _units(text, end)] for start, end in runs]


def in_words(score: CaptionScore, told: Told) -> str:
    """The caption's figures in a line: never a lone percentage, and no figure that models were not measured for."""
    if not score.words:
        return "Nobody could judge a word of it." if score.unjudged else "It claims nothing."
    if told.standing is None:
        return f"expected false words {score.false_words:.1f} of {len(score.words)}"
    if not told.can_tell:
        return "Not enough of the set was read to tell which words are doubtful."
    assert score.worst is not None
    return f"the worst word is {_rank_words(told.standing.of(score.worst))}"


def _rank_words(rank: float) -> str:
    return f"among the {max(1, math.ceil(100 * rank))} % most doubtful words of the set"


def _change(text: str, word: WordScore) -> list[Any]:
    """[start, end, text] that makes a text the changed one: the word, and the article before it where that changes."""
    tail = len(text) - word.end
    start = word.start
    if not word.changed.startswith(text[:start]):
        start = max((span.start for span in spans(text) if span.end <= word.start), default=start)
    return [start, word.end, word.changed[start : len(word.changed) - tail]]


def _units(text: str, place: int) -> int:
    """A place in a text, counted in UTF-16 units."""
    return place if text.isascii() else len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


# What is stored


def to_content(text: str, score: CaptionScore) -> dict[str, Any]:
    """The score as JSON has it. Args: text: the part that it is of."""
    return {
        "is_edit": score.is_edit,
        "unjudged": list(score.unjudged),
        "words": [
            {
                "start": word.start,
                "end": word.end,
                "nats": round(word.nats, 3),
                "probability": round(word.probability, 5),
                "parts": {name: round(part, 3) for name, part in word.parts.items()},
                "instead": word.instead,
                "change": _change(text, word)
                if word.better and word.changed and word.probability >= DOUBTFUL
                else None,
                "tag": None if word.tag is None else round(word.tag, 4),
                "is_filler": word.is_filler,
            }
            for word in score.words
        ],
    }


def from_content(text: str, content: Mapping[str, Any], weights: Weights | None = None) -> CaptionScore:
    """The score that `to_content` stored.

    Args: text: the part that it is of. weights: by which probabilities are reckoned; None: as they were stored.
    """
    words = []
    for word in content["words"]:
        start, end, change = word["start"], word["end"], word["change"]
        words.append(
            WordScore(
                text[start:end],
                start,
                end,
                word["nats"],
                weights.probability(word["nats"]) if weights else word["probability"],
                word["parts"],
                word["instead"],
                text[: change[0]] + change[2] + text[change[1] :] if change else "",
                word["tag"],
                word["is_filler"],
            )
        )
    return CaptionScore.of_words(words, content["unjudged"], is_edit=content["is_edit"])
