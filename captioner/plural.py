"""Numbers with their nouns: "1 picture", "1,200 pictures". Knows no other module."""

from __future__ import annotations


def plural(count: int, one: str, several: str = "") -> str:
    """A number and what there is of it. Args: several: what more than one are, by default `one` with an s."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
