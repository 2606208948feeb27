"""Files that were deleted wait in a subfolder of theirs for 30 days, so that a slip can be taken back.

Knows no set; whoever empties it says what is still used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KEPT_DAYS = 30
_DAY_S = 86_400.0
_NAME = "bin"


@dataclass(frozen=True, slots=True)
class FileBin:
    """The bin of a folder; file names are those of its own files, never paths."""

    folder: Path

    def path(self, file_name: str) -> Path:
        """Where a deleted file lies, whether or not there is one."""
        return self.folder / _NAME / file_name

    def put(self, file_name: str, now: float) -> None:
        """Delete a file, to be had back for `KEPT_DAYS`. Raises: OSError. Args: now: seconds since 1970."""
        target = self.path(file_name)
        target.parent.mkdir(exist_ok=True)
        (self.folder / file_name).replace(target)
        os.utime(target, (now, now))  # when it was deleted

    def take_back(self, file_name: str) -> None:
        """Bring a file back. Raises: OSError: it is not here."""
        self.path(file_name).replace(self.folder / file_name)

    def goes_at(self, file_name: str) -> float | None:
        """When a deleted file goes for good, seconds since 1970; None for one that is not here."""
        try:
            return self.path(file_name).stat().st_mtime + KEPT_DAYS * _DAY_S
        except OSError:
            return None

    def empty(self, now: float, is_used: Callable[[str], bool]) -> int:
        """Delete for good what was deleted 30 days before `now`, but for what is used. Returns: how many files went."""
        count = 0
        for path in sorted((self.folder / _NAME).glob("*")):
            goes_at = self.goes_at(path.name)
            if goes_at is not None and goes_at <= now and not is_used(path.name):
                path.unlink(missing_ok=True)
                count += 1
        return count
