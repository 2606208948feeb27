"""The app's folder for temporary files: no other app's, emptied while the app runs, gone when it ends or was killed.

A folder of ours holds a file that its process has locked for as long as it lives, so that the next app can tell the
folder of a killed one from that of a running one, and from everything else in the system's temporary folder. Knows no
page and no store.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from captioner.errors import StoreError
from captioner.files import FolderLock

PREFIX = "captioner-"
LOCK_NAME = "temporary.lock"
KEPT_S = 3600.0  # an export or an upload that nobody has touched for so long was fetched, or given up
LOOK_EVERY_S = 600.0
BEGUN_WITHIN_S = 60.0  # a folder may be without its lock for a moment when it is made


@contextmanager
def folder() -> Iterator[Path]:
    """The folder for uploads and exports of this process; its files go when they are old, all of it at the end.

    Python's own temporary files go beside it meanwhile, so that those of a killed process are found too.
    """
    remove_left()
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = FolderLock(made, LOCK_NAME)
    before, tempfile.tempdir = tempfile.tempdir, str(made)
    files = made / "files"
    files.mkdir()
    ended = threading.Event()
    cleaner = threading.Thread(target=_clean_until, args=(ended, files), name="temporary-files", daemon=True)
    cleaner.start()
    try:
        yield files
    finally:
        ended.set()
        cleaner.join()
        tempfile.tempdir = before
        lock.release()
        shutil.rmtree(made, ignore_errors=True)


def remove_left() -> None:
    """Remove the folders that killed processes of this user have left."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, StoreError):
            if _is_ours(path):
                FolderLock(path, LOCK_NAME).release()  # raises where its process lives
                shutil.rmtree(path, ignore_errors=True)


def remove_old(files: Path) -> None:
    """Remove the files in a folder that nobody has touched for KEPT_S, and the folders that are empty then."""
    oldest = time.time() - KEPT_S
    for path, folders, names in os.walk(files, topdown=False):
        for name in names:
            with suppress(OSError):
                if (Path(path) / name).lstat().st_mtime < oldest:
                    (Path(path) / name).unlink()
        for name in folders:
            with suppress(OSError):  # not empty
                if (Path(path) / name).lstat().st_mtime < oldest:
                    (Path(path) / name).rmdir()


def _is_ours(path: Path) -> bool:
    """Whether a folder was made by `folder`, by this user, a while ago. Raises: OSError: it cannot be looked at."""
    if path.is_symlink() or not path.is_dir():
        return False
    lock = path / LOCK_NAME
    if lock.is_symlink() or not lock.is_file() or time.time() - lock.stat().st_mtime < BEGUN_WITHIN_S:
        return False
    return os.name == "nt" or path.stat().st_uid == lock.stat().st_uid == os.getuid()


def _clean_until(ended: threading.Event, files: Path) -> None:
    while not ended.wait(LOOK_EVERY_S):
        remove_old(files)
