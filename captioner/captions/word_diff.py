"""Two texts, word by word: what went, what came, what stayed. Pure; knows no caption and no page."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator, Sequence
from typing import Literal

Kind = Literal["same", "gone", "come"]
Piece = tuple[Kind, str]

COMPARED_WORDS = 250_000
"""So many pairs of words are compared at most; the time grows with them. Beyond, all between the first and the last
difference counts as changed."""
EQUAL_SHARE = 0.4
"""Where fewer of the words between the first and the last difference are equal, one text for the other is easier read
than a word of the one here and there within the other."""
TIME_LIMIT_S = 1.0
"""Processor time for all texts of one call; those that come later are treated as too long."""

_WORD = re.compile(r"(\s*)(,|[^\s,]+)|(\s+)\Z")


def changed_ranges(text: str, base: str) -> list[tuple[int, int]]:
    """Which parts of a text, from start to end, are not in the base at that place: whole words, neighbours together."""
    words = list(re.finditer(r"\S+", text))
    equal = _equal(base.split(), [word[0] for word in words], is_whole=True)
    same = {place for _, start, size in equal for place in range(start, start + size)}
    ranges: list[tuple[int, int]] = []
    last = -2
    for place, word in enumerate(words):
        if place not in same:
            start = ranges.pop()[0] if place == last + 1 else word.start()
            ranges.append((start, word.end()))
            last = place
    return ranges


def diffs(pairs: Sequence[tuple[str, str]]) -> list[list[Piece]]:
    """For each old and new text the pieces that, put together, are one without those that came, or without those gone.

    Blanks belong to the word behind them and a comma is a word of its own, so that no word counts as changed because of
    its neighbours. Blanks alone count where nothing else differs.
    """
    until_s = time.thread_time() + TIME_LIMIT_S
    return [_diff(before, after, is_late=time.thread_time() > until_s) for before, after in pairs]


def _diff(before: str, after: str, *, is_late: bool) -> list[Piece]:
    old, new = _words(before), _words(after)
    old_cores, new_cores = [core for _, core in old], [core for _, core in new]
    if old_cores == new_cores:
        old_cores, new_cores = ["".join(word) for word in old], ["".join(word) for word in new]
    pieces: list[Piece] = []
    a = b = 0
    for start_a, start_b, size in (*_equal(old_cores, new_cores, is_late=is_late), (len(old), len(new), 0)):
        _add(pieces, "gone", old[a:start_a])
        _add(pieces, "come", new[b:start_b])
        _add(pieces, "same", new[start_b : start_b + size])  # with the blanks that the new text has
        a, b = start_a + size, start_b + size
    return pieces


def _words(text: str) -> list[tuple[str, str]]:
    """(blanks before it, word) each; blanks at the end are a word without letters."""
    return [(found[1] or found[3] or "", found[2] or "") for found in _WORD.finditer(text)]


def _add(pieces: list[Piece], kind: Kind, words: Sequence[tuple[str, str]]) -> None:
    text = "".join(blanks + core for blanks, core in words)
    if pieces and pieces[-1][0] == kind:
        text = pieces.pop()[1] + text
    if text:
        pieces.append((kind, text))


def _equal(
    old: Sequence[str], new: Sequence[str], *, is_late: bool = False, is_whole: bool = False
) -> Iterator[tuple[int, int, int]]:
    """Where both have the same words: (start in old, start in new, count) each, in order.

    Args: is_late: nothing is compared but the ends. is_whole: also where next to nothing is equal.
    """
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    end = next((at for at in range(shorter - start) if old[-1 - at] != new[-1 - at]), shorter - start)
    if start:
        yield 0, 0, start
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    if not is_late and len(middle_old) * len(middle_new) <= COMPARED_WORDS:
        # Of texts of 200 words and more it passes over words that stand everywhere, without which some take minutes.
        matcher = difflib.SequenceMatcher(None, middle_old, middle_new)
        if is_whole or matcher.ratio() >= EQUAL_SHARE:
            yield from ((start + one.a, start + one.b, one.size) for one in matcher.get_matching_blocks() if one.size)
    if end:
        yield len(old) - end, len(new) - end, end
