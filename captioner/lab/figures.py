"""The figures of a caption: what each is called, what it means in a line, which way is better. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from captioner.captions.tokens import USABLE_TOKENS
from captioner.captions.words import bare
from captioner.lab.doubts import Told, doubted, is_strong
from captioner.lab.measures import TextMeasure
from captioner.lab.scores import CaptionScore
from captioner.plural import plural

Better = Literal["high", "low", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that every caption of a sweep has, so that cells can be compared by it.

    about: what it says, in a line. better: which way is better; "" where that depends. digits: behind the point.
    """

    name: str
    title: str
    about: str
    better: Better
    digits: int = 2

    def shown(self, value: float | None) -> str:
        """The value as people read it; "-" for None."""
        return "-" if value is None else f"{value:.{self.digits}f}"


FIGURES = (
    Figure("false_words", "False words", "How many words are expected to be false.", "low", 1),
    Figure("true_words", "True words", "How many words are expected to be true and to say something new.", "high", 1),
    Figure(
        "doubt", "Doubt", "How little it can be that every word is true; 0 is best. For captions of one picture.", "low"
    ),
    Figure("agreement", "Agreement", "How likely the tagger finds what the words say, on average.", "high"),
    Figure("tokens", "Length", "Tokens as CLIP counts them; trainers read 75 at once.", "", 0),
    Figure("repetition", "Repetition", "Which share of its runs of three words was said before.", "low"),
    Figure("detail", "Detail", "How many different phrases say something.", "high", 0),
)

SET_FIGURES = (
    Figure("distinct_1", "Different words", "Different words among all that are said; 1: none is said twice.", "high"),
    Figure("distinct_2", "Different pairs", "Different pairs of words among all; many captions repeat more.", "high"),
    Figure("self_bleu", "Self-BLEU", "How much of a caption the others say too, 0 to 1; low is diverse.", "low"),
)
"""The figures of captions together."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A word of a caption that may be false: `caption[start:end]`.

    probability: that it is false; None where models were never measured, and only its place among all words is known.
    share: of the words compared that are as doubtful; None where there is a probability. is_strong: a thick line.
    better: the word that fits better, "" where none does. why: who says so, in a line.
    """

    start: int
    end: int
    probability: float | None
    share: float | None
    is_strong: bool
    better: str
    why: str


@dataclass(frozen=True, slots=True)
class CellScore:
    """What is to be expected of a caption, and what can be counted in it.

    accuracy: of what the models were shown: the caption's sentence, which begins at `start` in it. text: of all of it.
    """

    accuracy: CaptionScore
    text: TextMeasure
    start: int = 0

    @property
    def values(self) -> dict[str, float | None]:
        """By the names of `FIGURES`; None where nobody could say."""
        accuracy, text = self.accuracy, self.text
        is_judged = bool(accuracy.words) or not accuracy.unjudged
        return {
            "false_words": accuracy.false_words if is_judged else None,
            "true_words": accuracy.true_words if is_judged else None,
            "doubt": accuracy.doubt if is_judged else None,
            "agreement": accuracy.agreement,
            "tokens": text.tokens,
            "repetition": text.repetition,
            "detail": text.detail,
        }

    def parts(self, *, has_percentages: bool) -> dict[str, str]:
        """What a figure is made of, in a line each; of the others their value says all.

        Args: has_percentages: how likely a word is false is known; else which words are the most doubtful.
        """
        accuracy, text = self.accuracy, self.text
        over = text.tokens - USABLE_TOKENS
        judged = f"of {plural(len(accuracy.words), 'word')}"
        unjudged = f"; not judged: {', '.join(accuracy.unjudged)}" if accuracy.unjudged else ""
        worst = sorted(accuracy.words, key=lambda word: -word.probability)[:3]
        shares = ", ".join(
            f"{bare(word.text)} {word.probability:.2f}" if has_percentages else bare(word.text) for word in worst
        )
        filler = [bare(word.text) for word in accuracy.words if word.is_filler]
        tagged = [f"{bare(word.text)} {word.tag:.2f}" for word in accuracy.words if word.tag is not None]
        return {
            "false_words": f"{judged}; most: {shares or 'none'}{unjudged}",
            "true_words": f"{judged}; said again or behind the end: {', '.join(filler) or 'none'}",
            "doubt": f"most: {shares or 'none'}",
            "agreement": ", ".join(tagged) or "no word spells a tag",
            "tokens": f"{over} beyond the {USABLE_TOKENS}" if over > 0 else "",
            "repetition": f"said again: {', '.join(text.again[:3])}" if text.again else "",
            "detail": ", ".join(text.phrases),
        }

    def doubts(self, told: Told) -> tuple[Doubt, ...]:
        """The words to underline, worst first, by their places in the caption."""
        return tuple(
            Doubt(
                word.start + self.start,
                word.end + self.start,
                word.probability if told.standing is None else None,
                None if told.standing is None else told.standing.of(word),
                is_strong(word, told),
                word.better,
                word.explained(told.captioner, told.tagger, told.clip),
            )
            for word in doubted(self.accuracy, told)
        )
