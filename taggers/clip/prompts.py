"""A caption and what CLIP thinks of a picture -> a prompt: the caption, and words that make it fit better.

`classic`, `fast` and `best` are the modes of the package clip-interrogator 0.6.0, `chain` is Smart Pre-Process's way.
One thing differs from the package: its rank looks at a few labels of each part of a long vocabulary, ours at all.
Plain text and numbers; knows no model and no tensor: a scorer gives similarities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

Scored = tuple[str, float]
"""A label and its similarity to the picture."""

SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Prompt:
    """text: the caption with the additions. additions: what was added, in order.

    An addition's score is the label's similarity (classic, fast) or the prompt's up to it (chain, best).
    """

    text: str
    additions: tuple[Scored, ...] = ()


class Scorer(Protocol):
    """What CLIP says about one picture."""

    def top(self, kind: str, count: int) -> list[Scored]:
        """The best labels of a vocabulary, best first; none for a kind the model does not have."""

    def top_of_all(self, count: int) -> list[Scored]:
        """The best labels of all vocabularies together, best first."""

    def similarities(self, texts: Sequence[str]) -> list[float]:
        """How similar each text is to the picture; fast for texts with a common beginning."""

    def is_full(self, text: str) -> bool:
        """Whether a text fills CLIP's context, so that nothing after it would be read."""


def classic(scorer: Scorer, caption: str, max_flavors: int) -> Prompt:
    """Caption, medium and artist, trending, movement, flavors: as in a prompt that people write."""
    medium, artist, trending, movement = (
        scorer.top(kind, 1) for kind in ("mediums", "artists", "trendings", "movements")
    )
    joiner = SEPARATOR
    if medium and caption.startswith(medium[0][0]):
        medium, joiner = [], " "
    first = medium + artist
    labels = [*trending, *movement, *scorer.top("flavors", max_flavors)]
    if first:
        labels.insert(0, (" ".join(label for label, _ in first), first[0][1]))
    return _fitted(scorer, caption, labels, joiner)


def fast(scorer: Scorer, caption: str, max_flavors: int) -> Prompt:
    """The caption and the most similar labels of all vocabularies together."""
    return _fitted(scorer, caption, scorer.top_of_all(max_flavors))


def best(scorer: Scorer, caption: str, *, min_flavors: int, max_flavors: int, candidates: int) -> Prompt:
    """The most similar to the picture of the caption, classic, fast and a chain over all vocabularies."""
    phrases = [label for label, _ in scorer.top_of_all(candidates)]
    similarity = scorer.similarities([caption])[0] if caption else 0.0
    prompts = [
        Prompt(caption),
        classic(scorer, caption, max_flavors),
        fast(scorer, caption, max_flavors),
        package_chain(
            scorer, phrases, caption, similarity, min_count=min_flavors, max_count=max_flavors
        ),
    ]  # fmt: skip
    prompts = [prompt for prompt in prompts if prompt.text] or [Prompt("")]
    similarities = scorer.similarities([prompt.text for prompt in prompts])
    return prompts[_position_of_greatest(similarities)]


def package_chain(
    scorer: Scorer,
    phrases: Sequence[str],
    caption: str = "",
    similarity: float = 0.0,
    *,
    min_count: int = 8,
    max_count: int = 32,
) -> Prompt:
    """clip-interrogator's chain: step by step the phrase that fits best after those before it.

    The first min_count phrases stay whether or not they help, later ones only while they do. The result is the most
    similar of all prompts on the way, which may be shorter than the last.
    """
    chain = _Chain(scorer, phrases, caption, similarity)
    most, kept = chain.similarity, len(chain.additions)
    for index in range(max_count):
        found = chain.next()
        if found is None:
            break
        phrase, reached = found
        if reached <= chain.similarity and index >= min_count:
            break  # the package compares it with the best too, but it can be no better than that
        chain.add(phrase, reached)
        if reached > most:
            most, kept = reached, len(chain.additions)
        if scorer.is_full(chain.text):
            break
    additions = tuple(chain.additions[:kept])
    return Prompt(_joined(caption, additions), additions)


def chain(scorer: Scorer, caption: str, *, max_flavors: int, candidates: int, kinds: Sequence[str]) -> Prompt:
    """Smart Pre-Process's chain: flavors while each raises the similarity, then the best selection of further kinds.

    The second step scores the prompt with every selection of the top labels of `kinds`, in their order, and keeps the
    best, which may be the prompt without any.
    """
    phrases = [label for label, _ in scorer.top("flavors", candidates) if label]
    similarity = scorer.similarities([caption])[0] if caption else 0.0
    steps = _Chain(scorer, phrases, caption, similarity)
    while len(steps.additions) < max_flavors:
        found = steps.next()
        if found is None or found[1] <= steps.similarity:
            break
        steps.add(*found)
        if scorer.is_full(steps.text):
            break
    options = [label for kind in kinds for label, _ in scorer.top(kind, 1)]
    selections = [chosen for size in range(len(options) + 1) for chosen in combinations(options, size)]
    texts = [SEPARATOR.join(part for part in (steps.text, *chosen) if part) for chosen in selections]
    if len(texts) == 1:
        return Prompt(steps.text, tuple(steps.additions))
    similarities = scorer.similarities(texts)
    if not steps.text:  # with neither a caption nor a flavor the empty selection says nothing
        texts, selections, similarities = texts[1:], selections[1:], similarities[1:]
    winner = _position_of_greatest(similarities)
    chosen = tuple((label, similarities[winner]) for label in selections[winner])
    return Prompt(texts[winner], (*steps.additions, *chosen))


class _Chain:
    """A prompt that grows by one phrase a step. phrases: the candidates left, each once."""

    def __init__(self, scorer: Scorer, phrases: Sequence[str], caption: str, similarity: float) -> None:
        self._scorer = scorer
        self._phrases = list(dict.fromkeys(phrases))
        self.caption = caption
        self.text = caption
        self.similarity = similarity
        self.additions: list[Scored] = []
        if not caption and self._phrases:  # there is nothing to compare the first phrase with
            found = self.next()
            assert found is not None
            self.add(*found)

    def next(self) -> Scored | None:
        """The phrase that fits best at the end, and the similarity the prompt then has."""
        if not self._phrases:
            return None
        start = self.text + SEPARATOR if self.text else ""
        similarities = self._scorer.similarities([start + phrase for phrase in self._phrases])
        winner = _position_of_greatest(similarities)
        return self._phrases[winner], similarities[winner]

    def add(self, phrase: str, similarity: float) -> None:
        """Grow by a phrase, which is no candidate any more."""
        self.additions.append((phrase, similarity))
        self._phrases.remove(phrase)
        self.text = _joined(self.caption, self.additions)
        self.similarity = similarity


def _joined(caption: str, additions: Sequence[Scored]) -> str:
    return SEPARATOR.join(([caption] if caption else []) + [text for text, _ in additions])


def _fitted(scorer: Scorer, caption: str, labels: Sequence[Scored], joiner: str = SEPARATOR) -> Prompt:
    """The caption and as many pieces of the labels as CLIP's context holds; a label with a comma is two pieces."""
    pieces = [(piece, score) for label, score in labels for piece in label.split(SEPARATOR)]
    if not caption:
        joiner = ""
    text = caption + joiner + SEPARATOR.join(piece for piece, _ in pieces) if pieces else caption
    parts = text.split(SEPARATOR)
    fitting = 1
    kept = parts[0]
    for part in parts[1:]:
        if scorer.is_full(kept + part):  # without the separator: so the package measures
            break
        kept += SEPARATOR + part
        fitting += 1
    of_caption = len(caption.split(SEPARATOR)) if caption else 0
    if joiner == " ":
        of_caption -= 1  # the first piece shares a part with the caption's end
    return Prompt(kept, tuple(pieces[: max(fitting - of_caption, 0)]))


def _position_of_greatest(values: Sequence[float]) -> int:
    """The first of equals; NaN is never the greatest."""
    return max(range(len(values)), key=lambda position: _number(values[position]))


def _number(value: float) -> float:
    return value if value == value else float("-inf")
