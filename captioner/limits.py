"""What may come in from outside: how long a text, how large a number, how deep a JSON, and what a log may show.

Every door (page, HTTP API, command line, files that are read) asks here, so that a limit is stated once. Knows no page,
no store and no model.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from captioner.errors import CaptionerError, SettingsError

MAX_CAPTION_LENGTH = 10_000
MAX_NAME_LENGTH = 1_000
MAX_PATH_LENGTH = 4_096  # of a file on somebody's disk; Linux allows no longer one
MAX_ID_LENGTH = 64
MAX_SETTINGS = 1_000  # entries of a mapping of settings; all that there are make about a hundred
MAX_PICTURES = 100_000  # that one request may name
MAX_TAG_LENGTH = 500  # of one that a person types
MAX_LABEL_LENGTH = 300  # of a vocabulary; the longest published label has 52 characters
MAX_WHOLE = 2**63 - 1  # the largest whole number that SQLite and Arrow hold
MAX_CHANGED_LETTERS = 20_000_000  # old and new captions of one bulk change, that is of one answer
MAX_JSON_BYTES = 50_000_000  # a tokenizer's vocabulary is 3 MB; an index of sharded weights stays under 10 MB


def check_text(value: Any, name: str, *, max_length: int = MAX_CAPTION_LENGTH) -> str:
    """The value, if it is Unicode text of at most `max_length` characters; control characters included.

    Raises: SettingsError: no text, too long, or half a character (a lone surrogate), which UTF-8 cannot hold.
    """
    if not isinstance(value, str):
        raise SettingsError(f"{name} is {type(value).__name__}; it must be text.")
    if len(value) > max_length:
        raise SettingsError(f"{name} has {len(value):,} characters; at most {max_length:,} are taken: shorten it.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{name} holds half a character (U+{ord(value[error.start]):04X}) at position {error.start + 1}; "
            "delete it and type it again."
        ) from error
    return value


def without_halves(text: str) -> str:
    """The text with a replacement character for each half of one, as UTF-8 and the database can hold it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def spelt_out(name: str) -> str:
    """A file's name as UTF-8 can hold it: bytes that are none, which Python hands on as half characters, escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be reckoned with: no truth value, not NaN, not infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def check_whole(value: Any, name: str, *, minimum: int = -MAX_WHOLE, maximum: int = MAX_WHOLE) -> int:
    """The value as int, if it is a whole number in the range; 3.0 is one, for JSON knows one kind of number.

    Raises: SettingsError: it is none, or outside.
    """
    if type(value) is int and minimum <= value <= maximum:  # ten thousand revisions in one request
        return value
    if not is_finite(value) or value != int(value):
        raise SettingsError(f"{name} is {value_shown(value)}; it must be a whole number.")
    if not minimum <= value <= maximum:
        raise SettingsError(f"{name} is {value_shown(value)}; it must be between {minimum} and {maximum}.")
    return int(value)


def check_mapping(value: Any, name: str, *, max_entries: int = MAX_SETTINGS) -> Mapping[str, Any]:
    """The value, if it maps names to values; what those are is not looked at.

    Raises: SettingsError: it is no mapping, has too many entries, or a name that is no text or longer than an id.
    """
    if not isinstance(value, Mapping):
        raise SettingsError(f"{name} are {type(value).__name__}; they must be a mapping of names to values.")
    if len(value) > max_entries:
        raise SettingsError(f"{name} have {len(value):,} entries; at most {max_entries:,} are taken.")
    for key in value:
        check_text(key, f"a name in {name}", max_length=MAX_ID_LENGTH)
    return value


class _ShortRepr(reprlib.Repr):
    """`repr` of a value that may be long, deep, or a number that Python refuses to spell."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80

    def repr_int(self, x: int, level: int) -> str:
        return (
            f"a number of about {round(x.bit_length() * math.log10(2)):,} digits" if x.bit_length() > 256 else repr(x)
        )


def value_shown(value: Any) -> str:
    """A value from outside as a message may show it: in one short line, whatever it is."""
    return shown(_ShortRepr().repr(value), max_length=120)


def read_json(
    data: bytes | str,
    name: str,
    *,
    error: type[CaptionerError] = CaptionerError,
    look: Callable[[dict[str, Any]], object] | None = None,
) -> Any:
    """The value of a JSON text that somebody else wrote.

    Args: name: the file's name, for the message. error: the class to raise. look: gets each mapping, the inner ones
        first, and gives what stands in its place.
    Raises: `error`: no UTF-8, no JSON, over 50 MB, nested too deeply, or a number of thousands of digits.
    """
    if len(data) > MAX_JSON_BYTES:
        raise error(f"{name} is over {MAX_JSON_BYTES // 1_000_000} MB, too long for JSON that is read here.")
    try:
        return json.loads(data, object_hook=look)
    except (ValueError, RecursionError) as cause:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        reason = "it is nested too deeply" if isinstance(cause, RecursionError) else str(cause)
        raise error(f"{name} cannot be read as JSON: {reason}.") from cause


def printable(text: str) -> str:
    """A text from outside without control characters and halves of characters, a replacement in the place of each.

    A terminal obeys control characters, and a line break begins a line that looks like one of ours.
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shown(text: str, *, max_length: int = 200) -> str:
    """The same, cut: as a log or a message may hold it."""
    return printable(text if len(text) <= max_length else text[: max_length - 1] + "…")


def in_gib(size_bytes: int) -> str:
    """A number of bytes in GiB, to be read: "3.7", and small ones "0.012"."""
    gib = size_bytes / 2**30
    return f"{gib:.1f}" if gib >= 1 else f"{gib:.2g}"
