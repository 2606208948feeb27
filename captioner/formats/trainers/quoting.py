"""Text as TOML, YAML and JSON hold it, in ASCII: some trainers open their configs in the system's encoding.

And as a shell takes it, in START.txt.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def quoted(text: str) -> str:
    """A basic string of TOML, which is a double-quoted one of YAML too. Args: text: without control characters."""
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def json_bytes(value: Any) -> bytes:
    """A JSON file for people to read."""
    return (json.dumps(value, indent=2) + "\n").encode("ascii")


def jsonl_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One JSON object a line and no blank line, at which some readers stop."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode("ascii")


def lines_bytes(lines: Sequence[str]) -> bytes:
    """A text file of lines."""
    return "".join(f"{line}\n" for line in lines).encode()


def shell_word(text: str) -> str:
    """A word of a command line, for a POSIX shell, or for Windows where it is a path of Windows."""
    if "\\" in text and "'" not in text:
        return f'"{text}"'
    return shlex.quote(text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in '"\\':
        return "\\" + letter
    if 0x20 <= code < 0x7F:
        return letter
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
