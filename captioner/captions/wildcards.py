"""Names with stars (`*_hair`), matched in a time that grows with the name's length, whatever the pattern is.

As a regular expression "*a*a*a*a*b" takes a time that grows with the power of its stars: one entry of an ignore list
would stop the app. Knows no tag and no recipe.
"""

from __future__ import annotations

from collections.abc import Sequence


class Wildcard:
    """One pattern; a `*` in it stands for anything, also for nothing."""

    def __init__(self, pattern: str) -> None:
        self._first, *between = pattern.split("*")
        self._last = between.pop() if between else None
        self._between = between[::-1]

    def match(self, text: str) -> tuple[str, ...] | None:
        """What the stars stand for, each for as much as it can, the first one first; None where nothing fits."""
        if self._last is None:
            return () if text == self._first else None
        start, end = len(self._first), len(text) - len(self._last)
        if start > end or not text.startswith(self._first) or not text.endswith(self._last):
            return None
        # From the end, each piece as far behind as it can be: so the stars before it have the most.
        found: list[str] = []
        for piece in self._between:
            place = text.rfind(piece, start, end)
            if place < 0:
                return None
            found.append(text[place + len(piece) : end])
            end = place
        return (text[start:end], *reversed(found))


class Wildcards:
    """Several patterns at once."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._starred = tuple(Wildcard(pattern) for pattern in dict.fromkeys(patterns) if "*" in pattern)

    def matches(self, text: str) -> bool:
        """Whether one of them fits."""
        if text in self._plain:
            return True
        return bool(self._starred) and any(one.match(text) is not None for one in self._starred)
