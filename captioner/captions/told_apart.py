"""What of a caption is sentences and what is tags: the one place that tells them apart. Pure text.

Where a model made the caption, it is known which words its captioner said. What a person wrote or brought along is told
apart by a rule: a part (between commas or line breaks) of `SENTENCE_WORDS` words and more is a sentence, and so is a
shorter one that begins with an article or ends with a full stop; a sentence goes on over its commas to its full stop.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

from captioner.captions import joining
from captioner.captions.tag_rules import piece_key

SENTENCE_WORDS = 5
"""So many words make a sentence of a part; the tags of Danbooru have four at the most, but for a handful."""
_STOPPED_WORDS = 3  # with an article or a full stop
_ARTICLES = frozenset(("a", "an", "the"))
_BREAK = re.compile(r"[,\n\r]+")
_NEXT = re.compile(r"[.!?]\s+[^\W\d_a-z]")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")

# What says nothing of a picture by itself.
_STOP_WORDS = frozenset(
    """a about above across after against along also among an and another any are around as at be been before behind
    being below beneath beside between both but by can could did do does doing down during each either few for from
    front had has have having he her here hers him his how i if in inside into is it its itself just like many may more
    most much near next no nor not of off on one onto or other our out outside over own several she side so some such
    than that the their them then there these they this those through to together toward towards under until up upon
    very was we were what when where which while who whose with within without you your""".split()  # noqa: SIM905
)


class Told(NamedTuple):
    """A caption's sentences and its tags, each in order and as they are written."""

    sentences: tuple[str, ...]
    tags: tuple[str, ...]


class AllTags:
    """Stands for `known` where all that is not the sentence is a tag."""

    def __contains__(self, key: object) -> bool:
        return True


def told_apart(text: str, sentence: str = "", known: Container[str] = ()) -> Told:
    """A caption's sentences and tags.

    Args: text: without the set's frame. sentence: what a captioner said of the picture, as the caption would have it;
        where the text has lost it, the rule decides. known: the `piece_key`s of parts that are tags however long.
    """
    said = joining.without_stop(sentence.strip()).strip()
    at = _place(text, said)
    if at < 0:
        return _by_rule(_parts(text), known)
    before, after = _by_rule(_parts(text[:at]), known), _by_rule(_parts(text[at + len(said) :].lstrip(". ")), known)
    return Told((*before.sentences, said, *after.sentences), (*before.tags, *after.tags))


def content_words(sentence: str) -> list[str]:
    """The words of a sentence that say something of the picture, small letters, each once, in order."""
    found = (word.rstrip("'’-").removesuffix("'s").removesuffix("’s") for word in _WORD.findall(sentence.casefold()))
    return [word for word in dict.fromkeys(found) if len(word) > 1 and word not in _STOP_WORDS]


def _place(text: str, said: str) -> int:
    """Where a sentence stands in a text as whole words; -1 where it does not."""
    at = text.find(said) if said else -1
    if at < 0:
        return -1
    neighbours = text[at - 1 : at] + text[at + len(said) : at + len(said) + 1]
    return -1 if any(letter.isalnum() or letter == "_" for letter in neighbours) else at


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _BREAK.split(text) if part.strip()]


def _by_rule(parts: list[str], known: Container[str]) -> Told:
    sentences: list[str] = []
    tags: list[str] = []
    place = 0
    while place < len(parts):
        end = _sentence_end(parts, place, known) if looks_like_sentence(parts[place]) else place
        if end > place:
            sentences.append(", ".join(parts[place:end]))
        else:
            tags.append(parts[place])
        place = max(end, place + 1)
    return Told(tuple(sentences), tuple(tags))


def _sentence_end(parts: list[str], place: int, known: Container[str]) -> int:
    """Behind which part the sentence that begins at a place ends; the place itself where none begins there."""
    if not looks_like_sentence(parts[place]) or piece_key(parts[place]) in known:
        return place
    for later in range(place, len(parts)):
        if _is_stopped(parts[later]):
            return later + 1
        if later > place and _NEXT.search(parts[later]):  # "in a park. Behind her is a tree"
            return max(_sentence_end(parts, later, known), later + 1)
    return place + 1


@lru_cache(maxsize=50_000)
def looks_like_sentence(part: str) -> bool:
    """Whether a part is no tag, by its words alone."""
    words = part.split()
    if len(words) >= SENTENCE_WORDS:
        return True
    return len(words) >= _STOPPED_WORDS and (words[0].casefold() in _ARTICLES or _is_stopped(part))


def _is_stopped(part: str) -> bool:
    return part.endswith(".") and joining.without_stop(part) != part
