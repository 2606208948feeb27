"""The sample pictures that are shipped, for who has none at hand. Knows no set: the page adds them as any files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from captioner.errors import UnknownPicture

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "samples"


def listed() -> dict[str, Any]:
    """Returns: {"names": of the files, in order}. Raises: UnknownPicture: none are here."""
    names = sorted(path.name for path in FOLDER.glob("*.png"))
    if not names:
        raise UnknownPicture(f"there are no sample pictures in {FOLDER}; copy all of the app's files, or add your own.")
    return {"names": names}


def sample_bytes(name: str) -> bytes:
    """A sample's file. Raises: UnknownPicture: no sample is called so."""
    if name not in listed()["names"]:
        raise UnknownPicture(f"no sample picture is called {name[:80]!r}.")
    return (FOLDER / name).read_bytes()
