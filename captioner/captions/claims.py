"""What a caption or a part of it claims, and where two of them cannot both be right. Pure; English, by rule.

A claim is a tag, a word of a sentence, a noun with one of its adjectives ("long hair") or with its number ("two cats").
Two contradict each other where `tag_relations` says so, where one thing has two colours, or another number. What either
side says too is no contradiction: "a red car and a blue car" agrees with "a blue car".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from captioner.captions.tag_relations import contradictions
from captioner.captions.tag_rules import piece_key
from captioner.captions.words import LINKING_WORDS, core_of, is_verb
from captioner.phrases import ADJECTIVES

Pair = tuple[str, str]

_COLOURS = frozenset(
    "red orange yellow green blue purple pink brown black white grey gray aqua cyan magenta teal violet beige".split()  # noqa: SIM905
)
_TOLD_BY_TABLE = frozenset(("hair", "eyes", "eye", "background"))  # with what makes two colours of them right
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_NUMBERED = re.compile(r"([1-6])([^\W\d_]+)")
_ONE_OF = {"women": "woman", "men": "man", "children": "child", "people": "person"}
_CALLED = {"woman": "girl", "lady": "girl", "man": "boy", "guy": "boy"}  # as the tags that count people
_VAGUE = frozenset(("lot", "couple", "bunch", "group", "pair", "number", "view", "picture", "photo", "image", "close"))
_BREAKS = ".;:!?,"
_MOST_WORDS = 256


@dataclass(frozen=True, slots=True)
class Claims:
    """What is claimed. said: by `piece_key`, as it is written. colours, numbers: of each noun that is named once or
    more; a noun of several colours or numbers has all."""

    said: dict[str, str] = field(default_factory=dict)
    colours: dict[str, set[str]] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    written: dict[tuple[str, str | int], str] = field(default_factory=dict)

    def note(self, words: list[str], number: str) -> None:
        """A noun with its adjectives, the noun last. Args: number: the article or number before it, "" for none."""
        noun = words[-1]
        self.said.setdefault(" ".join(words), " ".join(words))
        for word in words[:-1]:
            self.said.setdefault(f"{word} {noun}", f"{word} {noun}")
            if word in _COLOURS:
                self.colours.setdefault(noun, set()).add(word)
        if noun not in _VAGUE:
            self._count(noun, _NUMBERS.get(number, 0), f"{number} {' '.join(words)}".strip())

    def note_tag(self, tag: str) -> None:
        """A tag: "2cats" counts, the rest is a noun with its adjectives."""
        key = piece_key(tag)
        found = _NUMBERED.fullmatch(key)
        if found:
            self.numbers.pop(_counted(found[2]), None)  # a tagger counts what the sentence names once more
            self._count(found[2], int(found[1]), tag)
        elif key:
            self.note(key.split(), "")
        self.said[key] = tag

    def keys(self) -> dict[str, str]:
        """All that is claimed by `piece_key`, as it is written; people also as the tags that count them."""
        people = {
            f"{numbers[0]}{one}{'s' if numbers[0] > 1 else ''}": self.written[one, numbers[0]]
            for one in set(_CALLED.values())
            if len(numbers := self.numbers.get(one, [])) == 1 and numbers[0]
        }
        return {**people, **self.said}

    def _count(self, noun: str, number: int, written: str) -> None:
        one = _counted(noun)
        self.numbers.setdefault(one, []).append(number)
        self.written.setdefault((one, number), written)


def _counted(noun: str) -> str:
    """What a noun is counted as: women -> girl."""
    one = _ONE_OF.get(noun) or (noun if noun.endswith("ss") else noun.removesuffix("s"))
    return _CALLED.get(one, one)


def claims_of(sentences: Iterable[str], tags: Iterable[str] = ()) -> Claims:
    """What sentences and tags claim together."""
    claims = Claims()
    for sentence in sentences:
        _read(sentence, claims)
    for tag in tags:
        claims.note_tag(tag)
    return claims


def _read(sentence: str, claims: Claims) -> None:
    """Note the nouns of a sentence, and the words that say something by themselves."""
    run: list[str] = []
    number = ""

    def end() -> None:
        nonlocal number
        if run:
            claims.note(run, number)
            run.clear()
        number = ""

    for word in sentence.split()[:_MOST_WORDS]:
        core = core_of(word).casefold()
        if core not in ADJECTIVES and core not in LINKING_WORDS and core.isalpha():
            claims.said.setdefault(core, core)
        if core in LINKING_WORDS or is_verb(core):
            end()
            number = core if core in _NUMBERS else ""
        else:
            run.append(core)
        if word[-1] in _BREAKS:
            end()
    end()


def disagreements(one: Claims, other: Claims) -> list[Pair]:
    """What both claim and cannot both be right: (as the one says it, as the other says it), each once."""
    found: dict[Pair, None] = {}
    own, others = one.keys(), other.keys()
    for pair in contradictions({**own, **others}):
        for mine, theirs in (pair, pair[::-1]):
            if mine in own.keys() - others.keys() and theirs in others.keys() - own.keys():
                found[own[mine], others[theirs]] = None
    for noun in one.colours.keys() & other.colours.keys() - _TOLD_BY_TABLE:
        if len(one.colours[noun]) == len(other.colours[noun]) == 1 and one.colours[noun] != other.colours[noun]:
            ((mine,), (theirs,)) = one.colours[noun], other.colours[noun]
            found[f"{mine} {noun}", f"{theirs} {noun}"] = None
    for noun in one.numbers.keys() & other.numbers.keys():
        counts = [one.numbers[noun], other.numbers[noun]]
        if all(len(of) == 1 and of[0] for of in counts) and counts[0] != counts[1]:
            found[one.written[noun, counts[0][0]], other.written[noun, counts[1][0]]] = None
    return sorted(found)
