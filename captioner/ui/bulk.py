"""One change to many captions: find and replace, tags added, removed and moved, a class name replaced. Pure text.

An operation is a small settings class, so that its values are checked as all settings are. Knows no store and no page.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from captioner import joining
from captioner.errors import SettingsError
from captioner.settings import Settings, choice, switch, words

PATTERN_LIMIT_S = 1.0  # for one caption
PATTERN_TOTAL_S = 5.0  # for all captions of a change
"""What one regular expression may take on one caption; past that it is refused, since some never end."""


class Replace(Settings):
    """Find and replace."""

    find: str = words("", "What to look for.", max_length=1_000)
    replacement: str = words("", "What to put in its place; \\1 is a pattern's first group.", max_length=1_000)
    how: str = choice("text", ("text", "tag", "pattern"), "Anywhere, whole tags only, or a regular expression.")
    match_case: bool = switch(False, "Tell A from a.")


class Affix(Settings):
    """Text put before or after every caption that has it not yet."""

    text: str = words(
        "",
        "What to put there, with its own comma and blank; a comma that is there already is not doubled.",
        max_length=1_000,
    )
    where: str = choice("before", ("before", "after"), "At which end.")


class TagChange(Settings):
    """A tag added, removed or moved."""

    tag: str = words("", "The tag.", max_length=500)
    what: str = choice("add", ("add", "remove", "move"), "What to do with it.")
    where: str = choice("end", ("front", "end"), "Where to put it.")


class Subject(Settings):
    """A class name replaced by a subject's name, as whole words."""

    class_name: str = words("", "What captions call it: dog.", max_length=200)
    subject_name: str = words("", "What they shall call it: sks dog.", max_length=200)


class Clear(Settings):
    """Every caption emptied."""


OPERATIONS: Mapping[str, type[Settings]] = {
    "replace": Replace,
    "affix": Affix,
    "tag": TagChange,
    "subject": Subject,
    "clear": Clear,
}


def change_of(name: str, values: Mapping[str, Any]) -> tuple[str, Callable[[str], str]]:
    """What an operation is called in the journal, and the function from old to new caption.

    Raises: SettingsError: an unknown operation, a value that is not allowed, nothing to look for, a bad pattern; and
        from the function, a pattern that takes too long.
    """
    if not isinstance(name, str) or name not in OPERATIONS:
        raise SettingsError(f"operation is {str(name)[:40]!r}; it must be one of {', '.join(OPERATIONS)}.")
    operation: Any = OPERATIONS[name].from_mapping(values)
    if isinstance(operation, Replace):
        return f"Replace {_short(operation.find)}", _replacing(operation)
    if isinstance(operation, Affix):
        _need(operation.text, "text")
        return f"Put {_short(operation.text)} {operation.where}", partial(_with_affix, operation)
    if isinstance(operation, TagChange):
        _need(operation.tag.strip(), "tag")
        return f"{operation.what.capitalize()} tag {_short(operation.tag)}", partial(_with_tag, operation)
    if isinstance(operation, Subject):
        _need(operation.class_name.strip(), "class_name")
        whole_word = rf"(?<!\w)(?:an?\s+)?{_regex().escape(operation.class_name.strip())}(?!\w)"
        pattern = _regex().compile(whole_word, _regex().IGNORECASE)
        name_text = operation.subject_name.strip()
        return f"{operation.class_name} → {operation.subject_name}", lambda text: pattern.sub(lambda _: name_text, text)
    return "Clear", lambda text: ""


def _replacing(operation: Replace) -> Callable[[str], str]:
    _need(operation.find, "find")
    regex = _regex()
    flags = 0 if operation.match_case else regex.IGNORECASE
    if operation.how == "tag":
        wanted = operation.find.strip() if operation.match_case else operation.find.strip().casefold()

        def replace_tags(text: str) -> str:
            tags = split(text)
            new = [
                operation.replacement.strip() if (tag if operation.match_case else tag.casefold()) == wanted else tag
                for tag in tags
            ]
            return text if new == tags else join(dict.fromkeys(tag for tag in new if tag))

        return replace_tags
    if operation.how == "text":
        literal = regex.compile(regex.escape(operation.find), flags)
        return lambda text: str(literal.sub(lambda _: operation.replacement, text))
    try:
        pattern = regex.compile(operation.find, flags)
    except regex.error as error:
        raise SettingsError(f"find is {operation.find!r}, which is no regular expression: {error}.") from error

    spent_s = 0.0

    def too_slow(limit_s: float, which: str) -> SettingsError:
        return SettingsError(
            f"find is {operation.find!r}, which took longer than {limit_s:g} s on {which}; simplify it."
        )

    def replace_pattern(text: str) -> str:
        nonlocal spent_s
        if spent_s >= PATTERN_TOTAL_S:
            raise too_slow(PATTERN_TOTAL_S, "these captions together")
        start_s = time.monotonic()
        try:
            return str(pattern.sub(operation.replacement, text, timeout=PATTERN_LIMIT_S))
        except TimeoutError as error:
            raise too_slow(PATTERN_LIMIT_S, "one caption") from error
        except (regex.error, IndexError) as error:
            raise SettingsError(
                f"replacement is {operation.replacement!r}, which does not fit the pattern: {error}."
            ) from error
        finally:
            spent_s += time.monotonic() - start_s

    return replace_pattern


def _with_affix(operation: Affix, text: str) -> str:
    if operation.where == "before":
        return text if joining.has_before(operation.text, text) else joining.put_before(operation.text, text)
    return text if joining.has_after(text, operation.text) else joining.put_after(text, operation.text)


def _with_tag(operation: TagChange, text: str) -> str:
    wanted = operation.tag.strip()
    tags = split(text)
    others = [tag for tag in tags if tag.casefold() != wanted.casefold()]
    is_there = len(others) < len(tags)
    if operation.what == "remove":
        return join(others) if is_there else text
    if operation.what == ("add" if is_there else "move"):
        return text
    return join([wanted, *others] if operation.where == "front" else [*others, wanted])


def split(text: str) -> list[str]:
    """A caption's parts, at its commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def join(tags: Any) -> str:
    """Parts as a caption."""
    return ", ".join(tags)


def _need(value: str, name: str) -> None:
    if not value:
        raise SettingsError(f"{name} is empty; say what to look for or to put there.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:29]}…")


def _regex() -> Any:
    """The package regex, whose patterns can be given a time limit; it comes with open_clip."""
    return importlib.import_module("regex")
