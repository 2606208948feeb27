"""Lists that a person writes: tags to leave out, tags to rename, words to change. Knows no recipe and no caption.

An entry of tags matches a whole tag as the model spells it or as it is shown ("long_hair" and "long hair" are one tag),
whatever the case; * stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from captioner.captions.wildcards import Wildcard, Wildcards
from captioner.errors import SettingsError
from captioner.limits import MAX_TAG_LENGTH

_ESCAPED = re.compile(r"\\([\\()\[\]])")
_LIST_BREAK = re.compile(r"[,\n\r]+")


def one_line(text: str) -> str:
    """The same with single blanks for all white space."""
    return " ".join(text.split())


def piece_key(text: str) -> str:
    """What makes two pieces the same: neither case, underscores, escapes nor spacing tell them apart."""
    plain = _ESCAPED.sub(r"\1", text) if "\\" in text else text
    return one_line(plain.replace("_", " ")).casefold()


def entries_of(text: str) -> list[str]:
    """The entries of a list, which commas or line breaks separate."""
    return [entry.strip() for entry in _LIST_BREAK.split(text) if entry.strip()]


def listed(entries: Sequence[str], before: str) -> str:
    """Entries as one text, a line each where they were written so."""
    return ("\n" if "\n" in before.strip() else ", ").join(entries)


@lru_cache(maxsize=64)
def ignored(ignore: str) -> Wildcards:
    """What the `piece_key` of a tag to leave out matches."""
    return Wildcards([_matchable_entry(entry) for entry in entries_of(ignore)])


def ignoring(ignore: str, key: str) -> tuple[str, ...]:
    """The entries, as they are written, that match the `piece_key` of a tag."""
    return tuple(entry for entry in entries_of(ignore) if _wildcard(entry).match(key) is not None)


@dataclass(frozen=True, slots=True)
class Replacement:
    """One renaming: what the `piece_key` of a tag matches, and the tag's new name."""

    old: Wildcard
    new: str

    def of(self, matchable: str) -> str | None:
        """The new name, each `*` in it standing for what the star in the same place matched; None: no match."""
        found = self.old.match(matchable)
        if found is None:
            return None
        pieces = self.new.split("*")
        filled = pieces[0]
        for index, piece in enumerate(pieces[1:]):
            filled += (found[index] if index < len(found) else "*") + piece
        return filled


@dataclass(frozen=True, slots=True)
class WordReplacements:
    """Whole words of a sentence and what stands in their place; all at once, so that two can change places."""

    pattern: re.Pattern[str] | None
    new: tuple[str, ...]

    def of(self, sentence: str) -> str:
        """The sentence with its words changed; where words went, no double blank and no blank before a mark is left."""
        if self.pattern is None:
            return sentence
        text = self.pattern.sub(lambda found: self.new[(found.lastindex or 1) - 1], sentence)
        return sentence if text == sentence else re.sub(r"\s+([,.;:!?])", r"\1", one_line(text)).lstrip(",;: ")


@lru_cache(maxsize=64)
def word_replacements(replace_text: str) -> WordReplacements:
    """What a list makes of a sentence: whole words whatever their case; of entries that begin alike the first counts.

    Raises: SettingsError: an entry without an arrow, with nothing before it, or with too much behind it.
    """
    pairs = _pairs(replace_text, "replace_text", "old words -> new words")
    if not pairs:
        return WordReplacements(None, ())
    spaced = (r"\s+".join(re.escape(word) for word in old.split()) for old, _ in pairs)
    pattern = "|".join(f"({words})" for words in spaced)
    return WordReplacements(re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE), tuple(new for _, new in pairs))


@lru_cache(maxsize=64)
def replacements(replace: str) -> tuple[Replacement, ...]:
    """The renamings of a list.

    Raises: SettingsError: an entry without an arrow, with nothing before it, or with too much behind it.
    """
    pairs = _pairs(replace, "replace", "old tag -> new tag")
    return tuple(Replacement(_wildcard(old), new) for old, new in pairs)


def _pairs(text: str, name: str, shape: str) -> list[tuple[str, str]]:
    pairs = []
    for entry in entries_of(text):
        old, arrow, new = (part.strip() for part in entry.partition("->"))
        if not arrow or not old:
            raise SettingsError(f"{name} has {entry!r}; each entry must read: {shape}.")
        if len(new) > MAX_TAG_LENGTH:
            raise SettingsError(
                f"{name} has {len(new):,} characters to put for {old[:80]!r}; at most {MAX_TAG_LENGTH} are taken."
            )
        pairs.append((old, new))
    return pairs


def _wildcard(entry: str) -> Wildcard:
    return Wildcard(_matchable_entry(entry))


def _matchable_entry(entry: str) -> str:
    """As `piece_key`, but the spaces beside a star stay: "* hair" must not match "chair"."""
    return re.sub(r"\s+", " ", _ESCAPED.sub(r"\1", entry).replace("_", " ")).casefold().strip()


def class_words(class_name: str, subject_name: str) -> str:
    """A regular expression for a class name as whole words with its article.

    The subject's name matches first and as a whole, so that the class within it is no match: "sks dog" stays.
    """
    subject = f"{re.escape(subject_name.strip())}|" if subject_name.strip() else ""
    return rf"(?<!\w)(?:{subject}(?:(?:an?|the)\s+)?{_spaced(class_name)})(?!\w)"


def _spaced(name: str) -> str:
    return r"[\s_]+".join(re.escape(word) for word in name.split())
