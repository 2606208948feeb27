"""A class name as captions write it: one of them with its article, several of them, and what they become. Pure text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from captioner.captions.tag_rules import class_words

_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "person": "people",
    "tooth": "teeth",
}
_VOWELS = frozenset("aeiou")


def plurals(word: str) -> list[str]:
    """What the plural of an English noun may be, the longest first: dogs, foxes, puppies, wolves, women. Forms that
    nobody writes are among them, and do no harm where they are looked for."""
    word = word.casefold()
    found = {f"{word}s", f"{word}es"}
    if word in _IRREGULAR:
        found.add(_IRREGULAR[word])
    if word.endswith("man"):
        found.add(f"{word[:-3]}men")
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        found.add(f"{word[:-1]}ies")
    if word.endswith(("f", "fe")):
        found.add(f"{word.removesuffix('e')[:-1]}ves")
    return sorted(found, key=lambda form: (-len(form), form))


def plural_pattern(class_name: str) -> str:
    """A regular expression for the plural of a class name, also where a number stands before it: cats, 2cats."""
    *head, last = class_name.split()
    before = "".join(rf"{re.escape(word)}[\s_]+" for word in head)
    return rf"(?<![^\W\d]){before}(?:{'|'.join(map(re.escape, plurals(last)))})(?!\w)"


def with_subject(class_name: str, subject_name: str, *, also_plural: bool) -> tuple[str, Callable[[Any], str]]:
    """A regular expression for a class in captions, and what stands in the place of a match.

    Args: also_plural: "two cats" become "two zwx cats" where the subject is "zwx cat", "two zwx" where it is "zwx".
    """
    subject = subject_name.strip()
    one = class_words(class_name, subject)
    if not also_plural:
        return one, lambda _: subject
    last = class_name.split()[-1]
    is_of_class = subject.casefold().split()[-1:] == [last.casefold()]
    own = plural_pattern(subject) if is_of_class else "(?!)"  # stays: the class within it is no match
    many = rf"(?:(?<!\w)the\s+)?{plural_pattern(class_name)}"

    def change(found: Any) -> str:
        if found["own"]:
            return str(found["own"])
        if not found["many"]:
            return subject
        form = re.split(r"[\s_]", found["many"])[-1].casefold()
        plural = subject[: -len(last)] + form if is_of_class else subject
        return f" {plural}" if found.string[: found.start()][-1:].isdigit() else plural

    return rf"(?P<own>{own})|(?P<many>{many})|{one}", change
