"""Phrases taken out of captions so that what is left still reads: one that is named, or all that are of a kind.

Tags go as a whole. In a sentence a phrase goes with its article and adjectives and with the word that ties it to the
rest: without hair "a woman with long hair and a hat" is "a woman with a hat". English, by rule, so that a person should
see what it does before. Pure text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from captioner.captions.phrase_kinds import KINDS, Words
from captioner.captions.tag_rules import piece_key
from captioner.captions.told_apart import looks_like_sentence
from captioner.captions.words import LINKING_WORDS, article_for, core_of, is_article, is_verb
from captioner.phrases import ADJECTIVES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the his her their its my your our this that these those some whose one two three four five six very several "
    "many"
)
_TIES: tuple[Words, ...] = tuple(
    tuple(words.split())
    for words in (
        *("in front of", "in the middle of", "on top of", "next to", "dressed in", "covered in", "covered with"),
        *("surrounded by", "set against", "filled with", "made of", "with", "wearing", "in", "on", "at", "against"),
        *("holding", "carrying", "has", "have", "having", "of", "by", "near", "under", "behind", "over", "to", "from"),
        *("beside", "through", "inside", "featuring", "showing", "above", "below", "is", "are", "for", "into"),
    )
)
_AND = _words("and or")
_IS = _words("is are")
_LEFT_BEFORE_A_TIE = _words("and or who is are that which")
_LOOSE_AT_START = _words("and or with of is are who that which has wearing")
_LOOSE_AT_END = _words(
    "and or with of in on at a an the is are has who that which wearing holding by against while her his"
)
_MODIFIERS = ADJECTIVES | _words("dyed curly straight wavy messy plain simple blurred blurry deep soft neat")
_MOST_MODIFIERS = 4
_STOPS = ".;:!?"
_LONE_PRONOUN = re.compile(r"(?:\A|(?<=[.;:!?] ))(?:she|he|it|they|there)(?:[.;:!?](?:\s+|\Z)|\Z)", re.IGNORECASE)


class _Mention(NamedTuple):
    """The words of a part from `start` up to `end`. is_thing: a noun, not a doing."""

    start: int
    end: int
    is_thing: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands between two commas. words: as written; cores: small, without the punctuation around them.

    is_first: of its caption. is_tag: it reads like no part of a sentence.
    """

    text: str
    words: Sequence[str]
    cores: Words
    is_first: bool
    is_tag: bool

    @classmethod
    def of(cls, text: str, *, is_first: bool) -> _Part:
        words = text.split()
        cores = tuple(core_of(word).casefold() for word in words)
        return cls(text, words, cores, is_first, not looks_like_sentence(text) and LINKING_WORDS.isdisjoint(cores))

    def ends(self, place: int) -> bool:
        """Whether the clause ends with the word at a place."""
        return place + 1 >= len(self.words) or self.words[place][-1] in _STOPS

    def after(self, end: int) -> str:
        """The word that follows in the same clause, "" where none does."""
        return "" if self.ends(end - 1) else self.cores[end]

    def before(self, start: int) -> str:
        """The word that goes before in the same clause, "" where none does."""
        return "" if start == 0 or self.ends(start - 1) else self.cores[start - 1]


def without_phrase(text: str, phrase: str) -> str:
    """A caption without a phrase wherever it is said as whole words; the same text where it is not.

    Args: phrase: one word or more; case, underscores and spacing do not count.
    """
    wanted = tuple(piece_key(phrase).split())
    return _without(text, lambda part: _exactly(part, wanted), lambda key: tuple(key.split()) == wanted)


def without_kinds(text: str, kinds: Collection[str]) -> str:
    """A caption without all that is of these kinds (keys of `KINDS`); the same text where nothing is."""
    chosen = frozenset(kinds)
    return _without(text, lambda part: _of_kinds(part, chosen), lambda key: _kind_of_key(key) in chosen)


def kind_of_tag(tag: str) -> str:
    """The kind of a tag, "" where it is of none."""
    return _kind_of_key(piece_key(tag))


def kinds_said(text: str) -> dict[str, list[str]]:
    """By kind, what a caption says of it, each once, in order: {"hair": ["long hair"]}."""
    found: dict[str, dict[str, None]] = {}
    for part in (part for line in _parts_of(text) for part in line):
        key = piece_key(part.text)
        if part.is_tag and _kind_of_key(key):
            found.setdefault(_kind_of_key(key), {})[key] = None
            continue
        later = len(part.cores)
        for mention in reversed(list(_of_kinds(part, _ALL_KINDS))):
            if mention.start >= later:
                continue  # the "blonde" of "long blonde hair"
            later = _with_modifiers(part, mention.start) if mention.is_thing else mention.start
            kind, _ = _ENTRIES[_entry_of(part.cores[mention.start : mention.end]) or ()]
            found.setdefault(kind, {})[" ".join(part.cores[later : mention.end])] = None
    return {kind: list(found[kind]) for kind in KINDS if kind in found}


# Finding what is meant


def _table() -> dict[Words, tuple[str, bool]]:
    """Every entry of the kinds: its kind, and whether it is a thing; where two kinds have one, the first counts."""
    found: dict[Words, tuple[str, bool]] = {}
    for name, kind in KINDS.items():
        for words in kind.things:
            found.setdefault(words, (name, True))
        for words in kind.doings:
            found.setdefault(words, (name, False))
    return found


_ENTRIES = _table()
_LONGEST = max(map(len, _ENTRIES))
_ALL_KINDS = frozenset(KINDS)


def _entry_of(words: Words) -> Words | None:
    """The entry that words are, in the singular or the plural by "s"; None where they are none."""
    if words in _ENTRIES:
        return words
    singular = (*words[:-1], words[-1].removesuffix("s")) if words else ()
    return singular if singular in _ENTRIES else None


def _of_kinds(part: _Part, kinds: frozenset[str]) -> Iterator[_Mention]:
    """The longest entry at each place."""
    place = 0
    while place < len(part.cores):
        for end in range(min(place + _LONGEST, len(part.cores)), place, -1):
            entry = _entry_of(part.cores[place:end])
            if entry is None or any(part.ends(inner) for inner in range(place, end - 1)):
                continue
            kind, is_thing = _ENTRIES[entry]
            if is_thing and not _is_head(part, end):
                continue
            if kind in kinds and not (is_thing and _is_subject(part, place, end)):
                yield _Mention(place, end, is_thing)
            place = end - 1
            break
        place += 1


def _exactly(part: _Part, wanted: Words) -> Iterator[_Mention]:
    place = 0
    while wanted and place + len(wanted) <= len(part.cores):
        end = place + len(wanted)
        if part.cores[place:end] == wanted and not any(part.ends(inner) for inner in range(place, end - 1)):
            is_thing = _ENTRIES.get(wanted, ("", True))[1] and not is_verb(wanted[-1])
            yield _Mention(place, end, is_thing)
            place = end
        else:
            place += 1


@lru_cache(maxsize=50_000)
def _kind_of_key(key: str) -> str:
    """The kind of a tag by its `piece_key`: as a whole, or by the thing that its last words name."""
    words = tuple(key.split())
    has_others = not LINKING_WORDS.isdisjoint(words)
    for start in range(1 if has_others else len(words)):
        entry = _entry_of(words[start:])
        if entry and (start == 0 or _ENTRIES[entry][1]):
            return _ENTRIES[entry][0]
    return ""


def _is_head(part: _Part, end: int) -> bool:
    """Whether a noun that ends there is no part of a longer one: "hair" is, but in "hair ornament"."""
    follows = part.after(end)
    return not follows or follows in LINKING_WORDS or is_verb(follows)


def _is_subject(part: _Part, start: int, end: int) -> bool:
    """Whether a noun is what a sentence is about: "a red dress on a chair" is no picture without the dress."""
    if not part.is_first or part.is_tag or part.after(end) in ("of", *_IS):
        return False
    start = _with_modifiers(part, start)
    while part.before(start) in _DETERMINERS:
        start -= 1
    return start == 0


# Taking it out


def _with_modifiers(part: _Part, start: int) -> int:
    """Where the adjectives and nouns before a noun begin: "a long red [dress]" from "long" on."""
    place = known = start
    while start - place < _MOST_MODIFIERS:
        if part.cores[max(0, place - 3) : place] == ("black", "and", "white"):
            place -= 3
            continue
        core = part.before(place)
        if not core:  # the beginning of a sentence that has no article: only what is surely an adjective
            return place if part.is_tag else known
        if core in LINKING_WORDS or core in _DETERMINERS or is_verb(core):
            return place
        place -= 1
        if known == place + 1 and core in _MODIFIERS:
            known = place
    return known


def _tie_before(part: _Part, start: int) -> int:
    """How many words tie what begins there to what goes before."""
    for words in _TIES:
        if start >= len(words) and part.before(start) and part.cores[start - len(words) : start] == words:
            return len(words)
    return 0


def _widened(part: _Part, mention: _Mention) -> range:
    """A mention with what cannot stay without it."""
    start, end = mention.start, mention.end
    if not mention.is_thing or not _is_head(part, end):
        return range(start, end)  # a doing, or a word before the noun that it describes
    start = _with_modifiers(part, start)
    while part.before(start) in _DETERMINERS:
        start -= 1
    tie = _tie_before(part, start)
    if part.after(end) in _IS:  # "whose hair is long and red"
        end += 1
        while part.after(end) in _MODIFIERS or (part.after(end) in _AND and part.after(end + 1) in _MODIFIERS):
            end += 1
    if part.after(end) == "of":  # "a painting of a cat" keeps the cat, "in a field of flowers" no flowers
        end = _noun_end(part, end + 1) if tie else end + 1
    if part.after(end) in _AND and not is_verb(part.after(end + 1)):
        return range(start, end + 1)  # what comes next takes its place
    if part.before(start) in _AND:
        return range(start - 1, end)
    start -= tie
    while tie and part.before(start) in _LEFT_BEFORE_A_TIE:
        start -= 1
    return range(start, end)


def _noun_end(part: _Part, start: int) -> int:
    """Where a noun with its article and adjectives ends."""
    end = start
    while part.after(end) in _DETERMINERS:
        end += 1
    while part.after(end) and part.after(end) not in LINKING_WORDS and not is_verb(part.after(end)):
        end += 1
    return end


def _parts_of(text: str) -> list[list[_Part]]:
    """The parts of each line."""
    lines: list[list[_Part]] = []
    is_first = True
    for line in text.split("\n"):
        lines.append([])
        for piece in filter(None, map(str.strip, line.split(","))):
            lines[-1].append(_Part.of(piece, is_first=is_first))
            is_first = False
    return lines


def _without(text: str, find: Callable[[_Part], Iterable[_Mention]], names: Callable[[str], bool]) -> str:
    """Args: find: what to take out of a part. names: whether a tag of this `piece_key` goes as a whole."""
    before = _parts_of(text)
    after = [[_part_without(part, find, names) for part in line] for line in before]
    if after == [[part.text for part in line] for line in before]:
        return text
    lines = [", ".join(filter(None, line)) for line in after]
    return "\n".join(line for line, old in zip(lines, before, strict=True) if line or not old)


def _part_without(part: _Part, find: Callable[[_Part], Iterable[_Mention]], names: Callable[[str], bool]) -> str:
    if part.is_tag and names(piece_key(part.text)):
        return ""
    gone = {place for mention in _joined_by_and(part, find(part)) for place in _widened(part, mention)}
    if not gone:
        return part.text
    kept = [place for place in range(len(part.words)) if place not in gone]
    if kept and kept[0] > 0:
        while kept and part.cores[kept[0]] in _LOOSE_AT_START:
            del kept[0]
    if kept and kept[-1] < len(part.words) - 1:
        while kept and part.cores[kept[-1]] in _LOOSE_AT_END:
            del kept[-1]
    return _joined(part, kept)


def _joined_by_and(part: _Part, mentions: Iterable[_Mention]) -> list[_Mention]:
    """Mentions of which only an "and" parts the nouns, as one: "a suit and a black tie"."""
    found: list[_Mention] = []
    for mention in mentions:
        start = _with_modifiers(part, mention.start) if mention.is_thing else mention.start
        while part.before(start) in _DETERMINERS:
            start -= 1
        last = found[-1] if found else None
        if last and last.is_thing and mention.is_thing and last.end == start - 1 and part.before(start) in _AND:
            found[-1] = _Mention(last.start, mention.end, True)
        else:
            found.append(mention)
    return found


def _joined(part: _Part, kept: Sequence[int]) -> str:
    """The kept words: articles as the next word wants them, the marks of clauses and the first capital as they were."""
    if not kept:
        return ""
    words = [part.words[place] for place in kept]
    for index, place in enumerate(kept):
        following = kept[index + 1] if index + 1 < len(kept) else None
        if following is not None and following != place + 1 and is_article(words[index]):
            words[index] = article_for(words[index], words[index + 1])
        lost = part.words[place + 1 : following]  # with the mark that ends the clause
        mark = next((word[-1] for word in lost if word[-1] in _STOPS), "")
        if mark and words[index][-1] not in _STOPS:
            words[index] += mark
    if kept[0] > 0 and part.words[0][:1].isupper():
        words[0] = words[0][:1].upper() + words[0][1:]
    return _LONE_PRONOUN.sub("", " ".join(words)).strip()
