"""Captions -> what is counted in them without a model: length, repetition, detail; over a set, how alike they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from captioner.captions.tokens import count_tokens
from captioner.captions.words import PLACE_WORDS, bare, content_phrases
from captioner.lab.said_in_all import FEWEST, SHARED, shared_phrases
from captioner.plural import plural

_COMPARED = 100  # captions that self-BLEU compares: its time grows with the square
_LISTED = 6  # rare phrases that a line names


@dataclass(frozen=True, slots=True)
class TextMeasure:
    """What can be counted in a caption.

    tokens: CLIP's, of which trainers read 75. repetition: the share of its three-word runs that it said before.
    phrases: of content words, each once: things with what is said of them. again: the three-word runs said before.
    """

    tokens: int
    repetition: float
    phrases: tuple[str, ...] = ()
    again: tuple[str, ...] = ()

    @property
    def detail(self) -> int:
        """How many different things it tells."""
        return len(self.phrases)

    def explained(self) -> str:
        """In a line."""
        return f"{plural(self.tokens, 'token')}, {plural(self.detail, 'detail')}, {self.repetition:.0%} repeated"


@dataclass(frozen=True, slots=True)
class SetMeasure:
    """How alike the captions of a set are.

    distinct_1, distinct_2: different words and word pairs among all that are said; 1: none is said twice.
    self_bleu: how much of a caption the others say too, 0 to 1, the mean of up to 100 captions spread over the set;
    None for fewer than two. shared: phrases in at least 80 % of captions, with their shares, the commonest first; a
    part of a longer phrase is left out where it occurs only there. rare: phrases that one caption alone has.
    """

    captions: int
    distinct_1: float
    distinct_2: float
    self_bleu: float | None
    shared: tuple[tuple[str, float], ...]
    rare: tuple[str, ...]

    def explained(self) -> str:
        """In a line."""
        alike = "" if self.self_bleu is None else f", self-BLEU {self.self_bleu:.2f}"
        said = ", ".join(f'"{phrase}" ({share:.0%})' for phrase, share in self.shared) or "nothing"
        few = ", ".join(f'"{phrase}"' for phrase in self.rare[:_LISTED])
        more = f" and {len(self.rare) - _LISTED} more" if len(self.rare) > _LISTED else ""
        return (
            f"{plural(self.captions, 'caption')}, distinct-1 {self.distinct_1:.2f}, distinct-2 {self.distinct_2:.2f}"
            f"{alike}; in at least {SHARED:.0%}: {said}; in one caption only: {few or 'nothing'}{more}"
        )

    @property
    def values(self) -> dict[str, float | None]:
        """By the names of `figures.SET_FIGURES`."""
        return {"distinct_1": self.distinct_1, "distinct_2": self.distinct_2, "self_bleu": self.self_bleu}

    def to_values(self) -> dict[str, Any]:
        """As plain values, rounded, for JSON."""
        return {
            "captions": self.captions,
            "distinct_1": round(self.distinct_1, 4),
            "distinct_2": round(self.distinct_2, 4),
            "self_bleu": None if self.self_bleu is None else round(self.self_bleu, 4),
            "shared": [{"phrase": phrase, "share": round(share, 4)} for phrase, share in self.shared],
            "rare": list(self.rare),
        }


def measure_text(text: str) -> TextMeasure:
    """Raises: MissingPackage: open_clip_torch, which brings CLIP's merge list, is not installed."""
    words = _plain(text)
    runs = Counter(" ".join(run) for run in _runs(words, 3))
    again = tuple(run for run, count in runs.items() if count > 1)
    return TextMeasure(count_tokens(text), 1 - _distinct([words], 3), tuple(dict.fromkeys(_phrases(text))), again)


def measure_set(texts: Sequence[str]) -> SetMeasure:
    """Empty captions are left out."""
    said = [text for text in texts if text.strip()]
    words = [_plain(text) for text in said]
    phrases = Counter(phrase for text in said for phrase in set(_phrases(text)))
    return SetMeasure(
        len(said),
        _distinct(words, 1),
        _distinct(words, 2),
        _self_bleu(said),
        tuple((phrase.text, len(phrase.places) / len(said)) for phrase in shared_phrases(said)),
        tuple(sorted(phrase for phrase, count in phrases.items() if count == 1)) if len(said) >= FEWEST else (),
    )


def _plain(text: str) -> list[str]:
    return [word for word in map(bare, text.split()) if word]


def _phrases(text: str) -> list[str]:
    words = text.split()
    return [" ".join(bare(words[place]) for place in run) for run in content_phrases(words, PLACE_WORDS)]


def _runs(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))


def _distinct(captions: Sequence[Sequence[str]], size: int) -> float:
    """Different runs of so many words among all; 1 where there is none."""
    runs = [run for words in captions for run in _runs(words, size)]
    return len(set(runs)) / len(runs) if runs else 1.0


def _self_bleu(texts: Sequence[str]) -> float | None:
    if len(texts) < 2:
        return None
    from sacrebleu.metrics.bleu import BLEU

    count = min(len(texts), _COMPARED)
    compared = [texts[place * len(texts) // count] for place in range(count)]
    bleu = BLEU(effective_order=True, lowercase=True)
    scores = [
        bleu.sentence_score(text, [*compared[:place], *compared[place + 1 :]]).score
        for place, text in enumerate(compared)
    ]
    return sum(scores) / len(scores) / 100
