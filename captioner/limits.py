"""What may come in from outside: how long a text, how large a number, how deep a JSON, and what a log may show.

Every door (page, HTTP API, command line, files that are read) asks here, so that a limit is stated once. Knows no page,
no store and no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from captioner.errors import CaptionerError, SettingsError

MAX_CAPTION_LENGTH = 10_000
MAX_NAME_LENGTH = 1_000
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


def shown(text: str, *, max_length: int = 200) -> str:
    """A text from outside as a log or a message may hold it: cut, and without control characters.

    A terminal obeys control characters, and a line break begins a line that looks like one of ours.
    """
    cut = text if len(text) <= max_length else text[: max_length - 1] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)
