"""One process at a time has a folder. Knows no database."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import IO

from captioner.errors import StoreError

LOCK_NAME = "workspace.lock"


class FolderLock:
    """Says that one process has a folder; the operating system lets go of it when the process dies, however it dies."""

    # Windows locks bytes against reading too, so the byte it locks lies behind the process number.
    _LOCKED_BYTE = 64

    def __init__(self, folder: Path, name: str = LOCK_NAME) -> None:
        """Args: name: of the file in the folder that is locked; it stays there.

        Raises: StoreError: workspace_in_use: another process has it.
        """
        self._file: IO[bytes] = (folder / name).open("a+b")
        try:
            self._take()
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(20).decode("ascii", "replace").strip()
            self._file.close()
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise
            raise StoreError(
                f"the workspace {folder} is already open in another Captioner (process {holder or 'unknown'}); "
                "close that one, or give this one another folder with --workspace.",
                code="workspace_in_use",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n".encode())
        self._file.flush()

    def release(self) -> None:
        """Let the folder go; closing the file does so on every system."""
        self._file.close()

    if sys.platform == "win32":

        def _take(self) -> None:
            import msvcrt

            self._file.seek(self._LOCKED_BYTE)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
    else:

        def _take(self) -> None:
            import fcntl

            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
