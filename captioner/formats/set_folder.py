"""A folder that appears whole or not at all: it is filled under a temporary name beside its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from captioner.errors import ExportError
from captioner.formats.targets import backup_names, explained, readable, temporary_name


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A folder that is being filled. final: what errors name. path: where it is filled."""

    final: Path
    path: Path

    def write(self, name: str, data: bytes) -> None:
        """A file of these bytes. name: relative, with "/" between folders. Raises: ExportError."""
        with explained(self.final):
            self._made(name).write_bytes(data)

    def copy(self, name: str, source: Path | bytes) -> None:
        """A copy of a picture's file, or of its bytes. Raises: ExportError."""
        with readable(source) as original, explained(self.final), self._made(name).open("xb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def stream(self, name: str) -> BinaryIO:
        """A file to be written piece by piece. Raises: ExportError."""
        with explained(self.final):
            return self._made(name).open("xb")

    def _made(self, name: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def folder_target(path: Path, *, may_overwrite: bool = False) -> Iterator[FolderTarget]:
    """A folder that gets its name when the block ends well; otherwise nothing is left of it.

    Args: may_overwrite: where files are in a folder of that name, it stays as NAME.bak.
    Raises: ExportError: files are in it, or it cannot be written; known before anything is written.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (a link stays one)
    temporary = path.parent / temporary_name()
    with explained(path):
        if path.exists() and not path.is_dir():
            raise FileExistsError
        if _has_files(path) and not may_overwrite:
            raise ExportError(
                f"{path} has files in it; name a new folder, or give --overwrite, which keeps it as {path.name}.bak."
            )
        temporary.mkdir(parents=True)
    try:
        yield FolderTarget(path, temporary)
        with explained(path):
            _put(temporary, path, may_overwrite=may_overwrite)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _put(temporary: Path, path: Path, *, may_overwrite: bool) -> None:
    if path.exists():
        if not _has_files(path):
            path.rmdir()
        elif may_overwrite:
            path.rename(_backup(path))
        else:
            raise ExportError(f"{path} was filled while this run went on, and was left as it is; run again.")
    temporary.rename(path)


def _has_files(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(path.iterdir())
    return False


def _backup(path: Path) -> Path:
    names = backup_names(path.name)
    return next(backup for name in names if not os.path.lexists(backup := path.with_name(name)))
