"""What somebody sends, checked against one declared shape before anything looks into it.

The functions of the page's script and the endpoints of the HTTP API declare what they take, by name, in these words.
A value of another shape is refused in a sentence that names it. Knows no set and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from captioner.errors import SettingsError
from captioner.limits import (
    MAX_CAPTION_LENGTH,
    MAX_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PATH_LENGTH,
    MAX_PICTURES,
    MAX_TAG_LENGTH,
    check_mapping,
    check_text,
    check_whole,
    spelt_out,
    value_shown,
)

Check = Callable[[Any, str], Any]
"""From a value and its name to the checked value. Raises: SettingsError."""

MISSING = object()
"""What a check is given for a name that is not there."""


class Shape:
    """What a request must be: a mapping of these names, each with its check; other names are passed over."""

    def __init__(self, **checks: Check) -> None:
        self._checks = checks

    @property
    def names(self) -> tuple[str, ...]:
        """What is read, in order."""
        return tuple(self._checks)

    def read(self, request: Any) -> dict[str, Any]:
        """The checked values of all names. Raises: SettingsError."""
        if not isinstance(request, Mapping):
            raise SettingsError(f"the request is {type(request).__name__}; it must be a mapping of names to values.")
        return {name: check(request.get(name, MISSING), name) for name, check in self._checks.items()}


def present(value: Any, name: str) -> Any:
    """Any value, but one. Raises: SettingsError: there is none."""
    if value is MISSING:
        raise SettingsError(f"{name} is missing from the request.")
    return value


def text(max_length: int, called: str = "") -> Check:
    """Text of at most so many characters. Args: called: what a person calls it, where its name says too little."""
    return lambda value, name: check_text(present(value, name), called or name, max_length=max_length)


def file_name(value: Any, name: str) -> str:
    """What a file is called on somebody's disk: whatever that allows, as UTF-8 can hold it."""
    if not isinstance(present(value, name), str):
        raise SettingsError(f"{name} is {type(value).__name__}; it must be text.")
    return spelt_out(value[:MAX_PATH_LENGTH])


identifier = text(MAX_ID_LENGTH)
label = text(MAX_NAME_LENGTH)
tag = text(MAX_TAG_LENGTH, "the tag")
caption = text(MAX_CAPTION_LENGTH, "the caption")


def whole(value: Any, name: str) -> int:
    """A whole number of 64 bits."""
    return check_whole(present(value, name), name)


def flag(value: Any, name: str) -> bool:
    """True or false; false where it is missing."""
    if value in (MISSING, None):
        return False
    if not isinstance(value, bool):
        raise SettingsError(f"{name} is {type(value).__name__}; it must be true or false.")
    return value


def settings(value: Any, name: str) -> Mapping[str, Any]:
    """Names and values; what the values are, the settings classes check."""
    return check_mapping(present(value, name), name)


def listed(check: Check) -> Check:
    """A list of values of one kind, at most as many as one request may name pictures."""

    def read(value: Any, name: str) -> list[Any]:
        if not isinstance(present(value, name), list | tuple):
            raise SettingsError(f"{name} are {type(value).__name__}; they must be a list.")
        if len(value) > MAX_PICTURES:
            raise SettingsError(f"{name} are {len(value):,}; at most {MAX_PICTURES:,} are taken at once.")
        return [check(one, f"one of {name}") for one in value]

    return read


def like(shape: Shape) -> Check:
    """A request of one shape."""
    return lambda value, name: shape.read(value)


def by_name(check: Check) -> Check:
    """A mapping from names of settings to values of one kind, in their order."""

    def read(value: Any, name: str) -> dict[str, Any]:
        entries = check_mapping(present(value, name), name)
        return {key: check(one, key) for key, one in entries.items()}

    return read


def word(value: Any, name: str) -> str:
    """A setting's value as a person would type it; from programs a number, true or false is one too."""
    if isinstance(present(value, name), bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value_shown(value)
    return check_text(value, name, max_length=MAX_NAME_LENGTH)


def one_of(words: Sequence[str]) -> Check:
    """One of a few words."""

    def read(value: Any, name: str) -> str:
        if present(value, name) not in words:
            raise SettingsError(f"{name} is {value_shown(value)}; it must be one of {', '.join(words)}.")
        return str(value)

    return read


def or_null(check: Check) -> Check:
    """The same, or null, which must be said."""
    return lambda value, name: None if value is None else check(value, name)


def optional(check: Check, default: Any = None) -> Check:
    """The same, or missing or null, which means the default."""
    return lambda value, name: default if value is MISSING or value is None else check(value, name)
