"""A folder's index of what we wrote into it, so that a later run knows its own files: `.captioner.json`.

Each folder has its own, which names only files of that folder; so it stays true when folders are moved or named one by
one. A file is announced before it is written, so that a run that is killed leaves no file that nobody knows. What is
not an index of ours is set aside, never trusted and never destroyed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captioner.errors import CaptionerError
from captioner.formats.ownership import Written
from captioner.formats.targets import set_aside, write_whole
from captioner.limits import read_json

INDEX_NAME = ".captioner.json"
_VERSION = 1
_STORED_AT_LEAST = 64  # files written, before the index is written again
_WHAT = "caption files written by Captioner: the picture each is for and its content, as sha256"


class Index:
    """The index of one folder. Use `close` at the end; until then what is announced counts as half written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX_NAME
        self.written, self.is_damaged = _read(self._path)
        self._changed: dict[str, Written | None] = {}
        self._announced: set[str] = set()
        self._unstored = 0
        self.set_aside_as: Path | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def announce(self, files: Mapping[str, str]) -> None:
        """These files (name -> the picture's digest) are about to be written. Raises: ExportError."""
        self._changed.update({name: Written(picture, "") for name, picture in files.items()})
        self._announced.update(files)
        self._write()

    def is_announced(self, name: str) -> bool:
        """Whether a file may be written."""
        return name in self._announced

    def record(self, name: str, written: Written) -> None:
        """This file was written. Raises: ExportError."""
        self._changed[name] = written
        self._announced.add(name)
        self._unstored += 1
        if self._unstored >= _STORED_AT_LEAST:
            self._write()

    def close(self) -> None:
        """Store what was written; what was announced and is not there is forgotten. Raises: ExportError."""
        for name in self._announced:
            if not (self._path.parent / name).exists():
                self._changed[name] = None
        self._write()

    def _write(self) -> None:
        if not self._changed:
            return
        self._unstored = 0
        on_disk, is_damaged = _read(self._path)  # again: another run may have written meanwhile
        entries = {**on_disk, **self._changed}
        if is_damaged:
            self.set_aside_as = set_aside(self._path)
        files = {name: [entry.picture, entry.content] for name, entry in sorted(entries.items()) if entry is not None}
        if files:
            data = {"captioner": _VERSION, "what": _WHAT, "files": files}
            write_whole(self._path, json.dumps(data, indent=0).encode())
        elif on_disk:
            self._path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Written], bool]:
    """The entries, and whether there is something else of that name."""
    try:
        data: Any = read_json(path.read_bytes(), path.name)
        if data["captioner"] != _VERSION:
            return {}, True
        return {_text(name): Written(*map(_text, entry)) for name, entry in data["files"].items()}, False
    except (FileNotFoundError, NotADirectoryError):
        return {}, False
    except (OSError, CaptionerError, KeyError, TypeError, AttributeError):
        return {}, True


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
