"""Pieces of a caption put together with one separator between two, whatever they brought along. Pure text.

A caption that a person wrote ends in a comma, a full stop or a line break as often as not; what is put behind it brings
a comma of its own. Knows no recipe and no tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_ABBREVIATIONS = frozenset("co dr etc inc jr ltd mr mrs ms no sr st vol vs".split())  # noqa: SIM905
_SEPARATING = ",;|/•·"
"""What a separator is made of where people write one; other letters of it may belong to the pieces."""
_STOPPED = re.compile(r"(?P<word>[^\W_][\w.'’-]*)[\"'”’)\]]*\.\s*\Z")


def join(pieces: Iterable[str], separator: str) -> str:
    """The pieces that are not blank. Before a mark a full stop goes: "a girl." and "solo" become "a girl, solo"."""
    kept = [stripped for piece in pieces if (stripped := piece.strip())]
    if _has_mark(separator):
        kept[:-1] = [without_stop(piece) if piece[-1] == "." else piece for piece in kept[:-1]]
    return separator.join(kept)


def in_one_line(text: str, separator: str) -> str:
    """A caption of any lines as one: no empty piece in it, no separator at its ends, single blanks."""
    marks = _marks(separator)
    lines = (re.sub(rf"({marks})(?:\s*{marks})+", r"\1", " ".join(line.split())) for line in text.splitlines())
    return join((re.sub(rf"\A(?:\s|{marks})+|(?:\s|{marks})+\Z", "", line) for line in lines), separator)


def put_before(affix: str, text: str, separator: str = "") -> str:
    """The affix and the text. How the affix ends (a blank, a comma) is what stands between, else the separator."""
    if not affix.strip():
        return text
    body, own = _cut_end(affix, separator)
    other, rest = _cut_start(text, separator)
    return body + _between(_own(own, separator), other) + rest if rest.strip() else body.strip()


def put_after(text: str, affix: str, separator: str = "") -> str:
    """The text and the affix. How the affix begins (a blank, a comma, a full stop) is what stands between, else the
    separator.
    """
    if not affix.strip():
        return text
    own, body = _cut_start(affix, separator, also=".;:!?")
    rest, other = _cut_end(text, separator)
    if not rest.strip():
        return body.strip() or affix.strip()
    if (stopless := without_stop(rest)) != rest:
        rest, other = stopless, "." + other
    return rest + (_between(_own(own, separator), other) if body.strip() else own) + body


def begins_with(text: str, affix: str, separator: str = "") -> bool:
    """Whether an affix that is put before stands there already, as whole words, whatever its case and its comma."""
    return _behind(text, affix, separator) is not None


def ends_with(text: str, affix: str, separator: str = "") -> bool:
    """Whether an affix that is put behind stands there already, as whole words, whatever its case and its comma."""
    return _ahead(text, affix, separator) is not None


def without_before(affix: str, text: str, separator: str = "") -> str:
    """The text without an affix that stands before it."""
    rest = _behind(text, affix, separator)
    return text if rest is None else _cut_start(rest, separator)[1]


def without_after(text: str, affix: str, separator: str = "") -> str:
    """The text without an affix that stands behind it."""
    rest = _ahead(text, affix, separator)
    return text if rest is None else _cut_end(rest, separator)[0]


def _behind(text: str, affix: str, separator: str) -> str | None:
    """What follows the affix that a text begins with; None where it does not."""
    body = _cut_start(_cut_end(affix, separator)[0], separator)[1]
    start = _cut_start(text, separator)[1]
    rest = start[len(body) :]
    if not body or start[: len(body)].casefold() != body.casefold() or (_is_word(body[-1]) and _is_word(rest[:1])):
        return None
    return rest


def _ahead(text: str, affix: str, separator: str) -> str | None:
    """What goes before the affix that a text ends with; None where it does not."""
    body = _cut_end(_cut_start(affix, separator, also=".;:!?")[1], separator)[0]
    end = _cut_end(text, separator)[0]
    if not body:
        mark = affix.strip()
        return end[: -len(mark)] if mark and end.endswith(mark) else None
    for whole in (end, without_stop(end)):
        rest = whole[: max(0, len(whole) - len(body))]
        is_apart = not (_is_word(body[0]) and _is_word(rest[-1:]))
        if whole[len(rest) :].casefold() == body.casefold() and is_apart:
            return rest
    return None


def without_stop(text: str) -> str:
    """The same without the full stop that ends a sentence; those of "Jr.", "e.g.", "M." and "..." stay."""
    if not text.rstrip().endswith("."):
        return text
    found = _STOPPED.search(text)
    if found is None:
        return text
    word = found["word"]
    is_word = len(word) > 1 and "." not in word and word.casefold() not in _ABBREVIATIONS
    return text[: text.rindex(".")] if is_word else text


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _own(run: str, separator: str) -> str:
    """How the affix is set off: as it says itself, else by the separator; "ohwx," says no more than ", " does."""
    return run if run and (run.isspace() or run.strip() != separator.strip()) else separator


def _between(own: str, other: str) -> str:
    """One separator of the two that met: the affix's own, unless only the other one is more than a blank."""
    if own.strip() or not other.strip():
        return own or other
    return other.strip()[-1] + " "


def _cut_start(text: str, separator: str, also: str = "") -> tuple[str, str]:
    found = re.match(rf"(?:\s|{_marks(separator, also)})*", text)
    end = found.end() if found else 0
    return text[:end], text[end:]


def _cut_end(text: str, separator: str) -> tuple[str, str]:
    start = len(re.sub(rf"(?:\s|{_marks(separator)})+\Z", "", text))
    return text[:start], text[start:]


@lru_cache(maxsize=64)
def _has_mark(separator: str) -> bool:
    return any(letter in _SEPARATING + "." for letter in separator)


@lru_cache(maxsize=64)
def _marks(separator: str, also: str = "") -> str:
    """A pattern for one letter that separates. A full stop does not: it may belong to the piece."""
    return "[" + "".join(re.escape(letter) for letter in sorted({",", *also, *set(_SEPARATING) & set(separator)})) + "]"
