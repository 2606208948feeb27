"""A caption's parts: what stands between its commas, line by line. Knows no operation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from captioner.captions import joining
from captioner.captions.tag_rules import piece_key
from captioner.captions.told_apart import looks_like_sentence

SEPARATOR = ", "
"""What stands between a caption's parts where a person writes it."""

Lines = list[list[str]]


def lines_of(text: str) -> Lines:
    """The parts of each line."""
    return [[part.strip() for part in line.split(",") if part.strip()] for line in text.split("\n")]


def text_of(lines: Iterable[Sequence[str]]) -> str:
    """Lines of parts as a caption."""
    return "\n".join(SEPARATOR.join(line) for line in lines)


def without_emptied(lines: Lines, before: Lines) -> Lines:
    """The lines but those whose last part went. Args: before: the same lines as they were."""
    return [line for line, old in zip(lines, before, strict=True) if line or not old]


def key_of(part: str) -> str:
    """What makes two parts the same; a sentence is the same with its full stop and without."""
    return piece_key(joining.without_stop(part))


def sentence_keys(sentence: str) -> frozenset[str]:
    """The keys of a sentence's parts, for it may have commas."""
    return frozenset(key_of(part) for line in lines_of(sentence) for part in line)


def is_sentence(part: str, of_model: Collection[str]) -> bool:
    """Whether a part is no tag. Args: of_model: the keys of what the model said."""
    return key_of(part) in of_model or looks_like_sentence(part)


def sentence_end(parts: Sequence[str], sentence: str) -> int:
    """How many of the parts stand before the end of the sentence: the one that the model said, else the first part that
    looks like one; 0 where none does."""
    of_model = sentence_keys(sentence)
    said = [place for place, part in enumerate(parts) if key_of(part) in of_model]
    if said:
        return said[-1] + 1
    return next((place + 1 for place, part in enumerate(parts) if is_sentence(part, ())), 0)
