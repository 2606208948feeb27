"""What the captions of a set say nearly all of them, and where they contradict each other. Pure.

What every caption says is learned with every picture: a trainer of a person or a style wants to know of it, since what
captions describe stays what a prompt can change, and what they leave out is learned with the trigger word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from captioner.captions.claims import Claims, Pair, claims_of, disagreements
from captioner.captions.leaving_out import kinds_said
from captioner.captions.phrase_kinds import KINDS
from captioner.captions.told_apart import Told
from captioner.captions.words import FUNCTION_WORDS, LINKING_WORDS, core_of
from captioner.phrases import ADJECTIVES

SHARED = 0.8
"""The share of captions from which on a phrase is said everywhere."""

FEWEST = 3
"""Captions; what two have in common says nothing."""

MOST_COMPARED = 24
"""Pictures of one near-equal group whose captions are compared, each with each."""

_LONGEST_PHRASE = 14
_MOST_WORDS = 256  # of a caption; no trainer reads more
_MOST_SHARED = 100
_CLAUSE = re.compile(r"[,;:!?\n]+|\.(?=\s|\Z)")
_AND = ("and", "or")  # two phrases

Run = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedPhrase:
    """A phrase of most captions. places: of the captions that say it, ascending."""

    text: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KindSaid:
    """What captions say of one kind. phrases: what they say of it and how many do, commonest first."""

    kind: str
    places: tuple[int, ...]
    phrases: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two claims that cannot both be right. places: of the captions that make the first, and of those that make the
    second; where tags contradict the sentence beside them, the same."""

    pair: Pair
    places: tuple[tuple[int, ...], tuple[int, ...]]


def shared_phrases(texts: Sequence[str], names: Collection[str] = ()) -> list[SharedPhrase]:
    """The phrases of at least 80 % of the captions that are not empty, commonest first; none of fewer than three.

    A phrase begins and ends with a word that says something, and lies between two commas. A part of a longer one is
    left out where it occurs only there.
    One of words that say nothing by themselves ("style") is left out.
    Args: names: words that are meant to be everywhere (the subject's name): a phrase of these alone is left out.
    """
    said = {place: _clauses(text) for place, text in enumerate(texts) if text.strip()}
    if len(said) < FEWEST:
        return []
    least = SHARED * len(said)
    meant = {word for name in names for word in _words(name)}
    # A phrase that is common has common words only, which leaves few to look at.
    seen = Counter(word for clauses in said.values() for word in {word for clause in clauses for word in clause})
    common = {word for word, count in seen.items() if count >= least}
    places: dict[Run, list[int]] = {}
    for place, clauses in said.items():
        for run in {run for clause in clauses for run in _runs(clause, common)}:
            places.setdefault(run, []).append(place)
    idle = meant | FUNCTION_WORDS  # "style" alone, of a cartoon here and of a sketch there, says nothing
    found = {run: of for run, of in places.items() if len(of) >= least and not idle.issuperset(run)}
    kept = [run for run in found if not _is_within_another(run, found)]
    kept.sort(key=lambda run: (-len(found[run]), -len(run), run))
    return [SharedPhrase(" ".join(run), tuple(found[run])) for run in kept[:_MOST_SHARED]]


def _words(clause: str) -> list[str]:
    return [core for word in clause.replace("_", " ").split() if (core := core_of(word).casefold())]


def _clauses(text: str) -> list[list[str]]:
    """The words of a caption's clauses, up to a limit."""
    left = _MOST_WORDS
    clauses = []
    for clause in _CLAUSE.split(text):
        own = _words(clause)[:left]
        left -= len(own)
        if own:
            clauses.append(own)
    return clauses


def _runs(clause: Sequence[str], common: Collection[str]) -> Iterator[Run]:
    """The runs of common words that may be a phrase."""
    for start, word in enumerate(clause):
        if word not in common or word in LINKING_WORDS:
            continue
        for end in range(start + 1, min(start + _LONGEST_PHRASE, len(clause)) + 1):
            last = clause[end - 1]
            if last not in common or last in _AND:
                break
            is_cut = last in ADJECTIVES and end < len(clause) and clause[end] not in LINKING_WORDS  # "long", of hair
            if last not in LINKING_WORDS and not (is_cut and end - start > 1):
                yield tuple(clause[start:end])


def _is_within_another(run: Run, found: Mapping[Run, Sequence[int]]) -> bool:
    """Whether a longer phrase has it, in as many captions."""
    inner = f" {' '.join(run)} "
    return any(
        len(other) > len(run) and len(of) == len(found[run]) and inner in f" {' '.join(other)} "
        for other, of in found.items()
    )


def said_by_kind(texts: Sequence[str], *, most: int = 6) -> list[KindSaid]:
    """What captions say of each kind, in the order of `KINDS`, those that none speaks of left out.

    Args: most: phrases of each.
    """
    places: dict[str, list[int]] = {}
    counts: dict[str, Counter[str]] = {}
    for place, text in enumerate(texts):
        for kind, said in kinds_said(text).items():
            places.setdefault(kind, []).append(place)
            counts.setdefault(kind, Counter()).update(said)
    return [
        KindSaid(kind, tuple(places[kind]), tuple(counts[kind].most_common(most))) for kind in KINDS if kind in places
    ]


def contradicting_neighbours(groups: Sequence[Sequence[int]], told: Sequence[Told]) -> list[list[Contradiction]]:
    """For each group of near-equal pictures, what their captions say against each other.

    Args: groups: places in `told`. told: every caption's sentences and tags.
    """
    found = []
    for group in groups:
        claims = {place: claims_of(*told[place]) for place in group[:MOST_COMPARED]}
        pairs: dict[Pair, tuple[set[int], set[int]]] = {}
        for one, other in combinations(sorted(claims), 2):
            for left, right in disagreements(claims[one], claims[other]):
                first, second = (one, other) if left <= right else (other, one)
                of = pairs.setdefault((min(left, right), max(left, right)), (set(), set()))
                of[0].add(first)
                of[1].add(second)
        found.append([_contradiction(pair, *of) for pair, of in pairs.items()])
    return found


def contradicting_tags(told: Sequence[Told]) -> list[Contradiction]:
    """Tags that contradict the sentence beside them, as (tag, what the sentence says), those of most captions first."""
    pairs: dict[Pair, set[int]] = {}
    for place, one in enumerate(told):
        if one.tags and one.sentences:
            tags: Claims = claims_of((), one.tags)
            for pair in disagreements(tags, claims_of(one.sentences)):
                pairs.setdefault(pair, set()).add(place)
    found = [_contradiction(pair, of, of) for pair, of in pairs.items()]
    return sorted(found, key=lambda one: (-len(one.places[0]), one.pair))


def _contradiction(pair: Pair, first: Collection[int], second: Collection[int]) -> Contradiction:
    return Contradiction(pair, (tuple(sorted(first)), tuple(sorted(second))))
