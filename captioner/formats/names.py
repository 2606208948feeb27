"""What files are called: names that every common system takes, and which names are one file there.

- A caption file shares its picture's stem (`a.jpg`, `a.txt`).
- Names that differ only by case or by Unicode form count as equal, since they are one file on Windows and macOS.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable

from captioner.images import is_picture_name

MAX_NAME_BYTES = 255  # of one file name, on every common file system
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
)
# Joiners and marks that mean nothing without the character they belong to: what a cut must not leave at the end.
_DANGLING = "\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def safe_name(name: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """A file name that every common system takes, as near to the given one as that allows; emoji stay.

    Separators, wildcards and control characters become "_", leading dots too; trailing dots and blanks go; names that
    Windows keeps for devices get a "_" before them; what is too long is cut between characters.
    """
    name = "".join("_" if _is_forbidden(letter) else letter for letter in name.lstrip(" ")[:max_bytes])
    name = "_" * (len(name) - len(name.lstrip("."))) + name.lstrip(".")
    while len(name.encode()) > max_bytes:
        name = name[:-1]
        if len(name.encode()) <= max_bytes:
            while name and (name[-1] in _DANGLING or unicodedata.combining(name[-1])):
                name = name[:-1]
    name = name.rstrip(". ")
    if name.partition(".")[0].rstrip(" ").lower() in _RESERVED:
        name = f"_{name}"
    return name if name.strip("_") else f"picture{name}"[:max_bytes]


def safe_folder(folder: str) -> str:
    """A folder's path, with "/" between names, as every common system takes it."""
    return "/".join(safe_name(name) for name in folder.split("/")) if folder else ""


def name_key(name: str) -> str:
    """Equal for names that are one file on a system that knows neither case nor Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _is_forbidden(letter: str) -> bool:
    # Cc: control characters and NUL; Cs: halves of characters, which no file name can hold. The last two ranges turn
    # the direction of writing, so that a name can look like another.
    return (
        letter in '/\\:*?"<>|'
        or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
        or "\u202a" <= letter <= "\u202e"
        or "\u2066" <= letter <= "\u2069"
    )


def numbered(stem: str, number: int, max_bytes: int, fit: Callable[[str, int], str] = safe_name) -> str:
    """A stem with a number behind it, together within the bytes. fit: what makes names, `safe_name` or `name_here`."""
    end = f"_{number}"
    return fit(stem, max_bytes - len(end)) + end


def name_here(name: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """A name that this machine takes: on Windows a safe one; elsewhere as it is, if only it fits and is one name."""
    is_name = bool(name.strip(".")) and "/" not in name and "\x00" not in name
    if os.name != "nt" and is_name and len(os.fsencode(name)) <= max_bytes:
        return name
    return safe_name(name, max_bytes)


def split_name(name: str) -> tuple[str, str]:
    """Stem and suffix; only a picture's suffix is one ("notes.v2" has none, so that nothing is lost of the name)."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and is_picture_name(f"a.{suffix}") else (name, "")
