"""Tar archives that end too early: Python's tarfile takes a damaged header, or none at all, for the end."""

from __future__ import annotations

import tarfile
from typing import Self


class CheckedEntry(tarfile.TarInfo):
    """For `tarfile.open(tarinfo=...)`: an archive without its end is damaged, as one is whose download was cut."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """As ever. Raises: tarfile.ReadError: this is neither an entry nor the archive's end."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the two blocks of zeros
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it ends too early or is damaged at byte {archive.offset:,}") from error  # type: ignore[attr-defined]
