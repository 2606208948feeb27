"""Which words of a caption say something, which say it again, and which tag each one spells. English; pure.

What a caption claims is in its content words; articles count too ("a cat" where there are two). Knows no model and no
picture.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from captioner import phrases

ARTICLES = ("a", "an")
_FUNCTION_WORDS = (
    "a an the of and or in on at to with as is are was were be there under against from it its this that by for into "
    "onto up down out off who which has have having while next near some image picture photo style background"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""What says nothing by itself; short on purpose, since what is here is never doubted."""

LINKING_WORDS = (FUNCTION_WORDS | phrases.FUNCTION_WORDS) - {"background", "style", "photo", "picture", "image"}
"""What stands between the nouns of a sentence, and is part of none."""

_VERBS = frozenset(
    """stands sits lies looks walks runs holds wears smiles rides poses plays leans kneels jumps flies swims sleeps
    eats stares gazes stand sit look hold wear smile seated sat stood""".split()  # noqa: SIM905
)
_NOUNS_IN_ING = frozenset(
    "ring earring wing king string ceiling clothing evening morning building painting drawing thing".split()  # noqa: SIM905
)

_PLACE_WORDS = (
    "above below beside behind beneath underneath between across along around inside outside atop over beyond through "
    "toward towards"
)
PLACE_WORDS = frozenset(_PLACE_WORDS.split())
"""What parts two things that are told of; a claim all the same, so these are no function words."""

_CORE = re.compile(r"[^\W_](.*[^\W_])?", re.DOTALL)
_NUMBERS = {"a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
_NOT_STORED = 0.005  # a layer keeps tags from 0.01 on
_TOO_UNSURE = 0.2  # of a thing's own tag, to judge its colour or number by


@dataclass(frozen=True, slots=True)
class Span:
    """A word as it stands in a text, punctuation included: `caption[start:end]`."""

    text: str
    start: int
    end: int


def spans(caption: str) -> list[Span]:
    """A caption's words by the blanks between them."""
    return [Span(found[0], found.start(), found.end()) for found in re.finditer(r"\S+", caption)]


def bare(word: str) -> str:
    """A word in small letters without punctuation; "" for a lone dash."""
    return re.sub(r"[\W_]", "", word.lower())


def core_of(word: str) -> str:
    """A word without the punctuation around it: "(O'Hara)," -> "O'Hara"; the word itself where it has no letter."""
    found = _CORE.search(word)
    return found[0] if found else word


def in_place_of(word: str, other: str) -> str:
    """Another word with the punctuation that stands around this one: "cat," and dog -> "dog,"."""
    found = _CORE.search(word)
    return f"{word[: found.start()]}{other}{word[found.end() :]}" if found else other


def is_article(word: str) -> bool:
    """Whether it is a or an, with nothing around it."""
    return word.lower() in ARTICLES


def article_for(article: str, following: str) -> str:
    """The article as a word behind it wants it, by its first letter: "A" and "icon" -> "An"."""
    wanted = "an" if bare(following)[:1] in tuple("aeiou") else "a"
    return wanted.capitalize() if article[:1].isupper() else wanted


def is_verb(word: str) -> bool:
    """Whether a word, in small letters, is a verb of those that captions use, by a short list and the ending -ing."""
    return word in _VERBS or (word.endswith("ing") and word not in _NOUNS_IN_ING)


def can_be_false(word: str) -> bool:
    """Whether a word claims something: content words do, and articles, which count."""
    plain = bare(word)
    return bool(plain) and (plain not in FUNCTION_WORDS or plain in ARTICLES)


def content_phrases(words: Sequence[str], parting: Collection[str] = ()) -> list[range]:
    """The runs of content words, which function words, articles and commas part: "two small cars", "red".

    Args: parting: further words that part them. Returns: the places of each run's words.
    """
    runs: list[range] = []
    begin: int | None = None
    for place, word in enumerate([*words, "the"]):
        is_content = bool(bare(word)) and bare(word) not in FUNCTION_WORDS and bare(word) not in parting
        is_new = place > 0 and words[place - 1].endswith((",", ".", ";"))
        if begin is not None and (not is_content or is_new):
            runs.append(range(begin, place))
            begin = None
        if begin is None and is_content:
            begin = place
    return runs


def repeated(words: Sequence[str]) -> list[bool]:
    """Which words belong to a phrase whose head, its last word, headed a phrase before: "... and two small cars"."""
    found = [False] * len(words)
    heads: set[str] = set()
    for run in content_phrases(words):
        head = bare(words[run[-1]]).removesuffix("s")
        for place in run:
            found[place] = head in heads
        heads.add(head)
    return found


def tag_probabilities(words: Sequence[str], scores: Mapping[str, float], known: Collection[str]) -> list[float | None]:
    """For each word the probability of the tag it spells, alone or with a thing after it; None where there is none.

    Booru tags: "cat", "red_cat", "2cats", "white_background". A colour or a number is judged given the thing, so that a
    thing that is not there is one fault and not three.

    Args: scores: the tagger's, by tag. known: all tags that it has.
    """
    found: list[float | None] = [None] * len(words)
    plain = [bare(word) for word in words]

    def chance(tag: str) -> float:
        return scores.get(tag, _NOT_STORED)

    for place, word in enumerate(plain):
        thing = word.removesuffix("s") if word.removesuffix("s") in known else word
        if thing not in known:
            continue
        found[place] = chance(thing)
        for before in range(place - 1, max(place - 4, -1), -1):
            is_number = plain[before] in _NUMBERS
            tag = _NUMBERS[plain[before]] + word if is_number else f"{plain[before]}_{thing}"
            if tag in known:
                found[before] = min(1.0, chance(tag) / chance(thing)) if chance(thing) > _TOO_UNSURE else None
            if is_number:
                break
    for place in range(len(plain) - 1):
        tag = f"{plain[place]}_{plain[place + 1]}"
        if tag in known and plain[place + 1] not in known and plain[place + 1].removesuffix("s") not in known:
            found[place] = chance(tag)
            if plain[place + 1] not in FUNCTION_WORDS:
                found[place + 1] = chance(tag)
    return found
