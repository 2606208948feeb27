"""What may be stored as a caption, a name or a setting. Every refusal is a SettingsError with a sentence."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from captioner.errors import SettingsError
from captioner.limits import MAX_NAME_LENGTH, check_text, shown

MAX_FOLDER_DEPTH = 16
MAX_SETTINGS_DEPTH = 2  # kinds of captions by name, and the settings of each
MAX_FOLDER_LENGTH = 1_000


def check_caption(text: Any) -> None:
    """Any text that `limits.check_text` takes; None means no edit.

    Raises: SettingsError: see there.
    """
    if text is not None:
        check_text(text, "the caption")


def check_revision(revision: Any) -> None:
    """Raises: SettingsError: not a whole number."""
    if isinstance(revision, bool) or not isinstance(revision, int):
        raise SettingsError(f"base_revision is {revision!r}; it must be a whole number.")


def storable_name(name: Any) -> str:
    """A name as it can be stored: any text; what is no Unicode (bytes of an odd file name) is spelt out.

    Raises: SettingsError: no text, or longer than 1,000 characters.
    """
    if not isinstance(name, str):
        raise SettingsError(f"the name is {type(name).__name__}; it must be text.")
    if len(name) > MAX_NAME_LENGTH:
        raise SettingsError(f"the name has {len(name):,} characters; at most {MAX_NAME_LENGTH:,} can be stored.")
    return name.encode("utf-8", "backslashreplace").decode()


def check_folder(folder: Any) -> str:
    """The value, if it names a folder inside a set: relative, with "/" between names, "" for the top.

    Raises: SettingsError: absolute, with "..", an empty name, a backslash, a colon or a control character, too deep or
        too long. Such a name would mean another place on some system when the set is written to a folder.
    """
    check_text(folder, "the folder", max_length=MAX_FOLDER_LENGTH)
    names = folder.split("/") if folder else []
    if len(names) > MAX_FOLDER_DEPTH:
        raise SettingsError(f"the folder is {len(names)} folders deep; at most {MAX_FOLDER_DEPTH} are taken.")
    for name in names:
        if name.strip() in ("", ".", ".."):
            raise SettingsError(f"the folder is {shown(folder)!r}; it must be names with one / between them.")
        if any(letter in "\\:" or unicodedata.category(letter) == "Cc" for letter in name):
            raise SettingsError(f"the folder is {shown(folder)!r}; no backslash, colon or control character is taken.")
    return str(folder)


def settings_json(settings: Mapping[str, Any]) -> str:
    """Flat settings as JSON in a fixed order, so that equal settings are equal text.

    What kinds of captions have of their own lies in mappings within it. Raises: SettingsError: a value that is no text,
    finite number, true or false.
    """
    _check_settings(settings, MAX_SETTINGS_DEPTH)
    return json.dumps(dict(settings), sort_keys=True)


def _check_settings(settings: Mapping[str, Any], depth: int) -> None:
    for name, value in settings.items():
        if isinstance(name, str) and isinstance(value, Mapping) and depth:
            _check_settings(value, depth - 1)
        elif not isinstance(name, str) or not isinstance(value, str | int | float):
            raise SettingsError(f"{name} is {value!r}; a stored setting must be text, a number, true or false.")
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{name} is {value}; a stored setting must be a finite number.")


def differing_settings(first: str, second: str) -> set[str]:
    """Names whose values differ between two results of `settings_json`."""
    one, other = json.loads(first), json.loads(second)
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
