"""Where files go: a folder or a zip. Every file is written under a temporary name and renamed when it is whole."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from captioner.errors import ExportError
from captioner.formats.format import Target


@contextmanager
def folder_target(folder: Path) -> Iterator[Target]:
    """A folder to write to, made if need be, and taken away again if nothing came to be written into it.

    Files that were written stay, whatever happens later.

    Raises: ExportError: it is a file, or cannot be made or written to; known before anything is written.
    """
    missing = [parent for parent in (folder, *folder.parents) if not os.path.lexists(parent)]
    try:
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / temporary_name()
            probe.touch()
            probe.unlink()
        yield _Folder(folder)
    finally:
        for made in missing:
            with suppress(OSError, ValueError):  # it is not empty, as it should be
                made.rmdir()


@contextmanager
def zip_target(path: Path) -> Iterator[Target]:
    """A zip that appears under its name when the block ends well; otherwise nothing is left of it.

    Raises: ExportError: it is a folder, or cannot be written; known before anything is written.
    """
    temporary = path.parent / temporary_name()
    with _explained(path):
        with suppress(FileNotFoundError):  # a name that is too long shows here, not after the last picture
            if stat.S_ISDIR(path.stat().st_mode):
                raise ExportError(f"{path} is a folder; name the zip file to write.")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("wb")
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    try:
        yield _Zip(path, archive, file)
        with _explained(path):
            archive.close()
            _to_disk(file)
            file.close()
            temporary.replace(path)
    except BaseException:
        archive.fp = None  # else its clean-up writes on, to a full disk perhaps
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            temporary.unlink()
        raise


@dataclass(frozen=True, slots=True)
class _Folder:
    folder: Path

    def write(self, name: str, data: bytes) -> None:
        self._whole(name, lambda file: file.write(data))

    def copy(self, name: str, source: Path) -> None:
        with readable(source) as original:
            self._whole(name, lambda file: shutil.copyfileobj(original, file, 1 << 20))

    def _whole(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        final = self.folder / name
        temporary = final.parent / temporary_name()
        with _explained(final):
            try:
                final.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("xb") as file:
                    fill(file)
                    _to_disk(file)
                temporary.replace(final)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise


@dataclass(frozen=True, slots=True)
class _Zip:
    path: Path
    archive: zipfile.ZipFile
    file: BinaryIO

    def write(self, name: str, data: bytes) -> None:
        with _explained(self.path), self._whole_or_not():
            self.archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), data)

    def copy(self, name: str, source: Path) -> None:
        # Pictures are compressed already.
        with readable(source) as original, _explained(self.path), self._whole_or_not():
            with self.archive.open(_entry(name, zipfile.ZIP_STORED), "w", force_zip64=True) as file:
                shutil.copyfileobj(original, file, 1 << 20)

    @contextmanager
    def _whole_or_not(self) -> Iterator[None]:
        """Take an entry out again that did not become whole: zipfile enters what was written of it as if it were."""
        archive = self.archive
        start, count = archive.start_dir, len(archive.filelist)
        try:
            yield
        except BaseException:
            for entry in archive.filelist[count:]:
                archive.NameToInfo.pop(entry.filename, None)
            del archive.filelist[count:]
            archive.start_dir = start
            with suppress(OSError):
                self.file.seek(start)
                self.file.truncate()
            raise


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    """A zip entry without a time, so that equal captions make equal zips."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def temporary_name() -> str:
    return f".captioner-{secrets.token_hex(8)}.part"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """OSErrors as one sentence about the target."""
    try:
        yield
    except FileExistsError as error:
        raise ExportError(f"{path} cannot be a folder, since a file of that name is there; name another.") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ExportError(f"{path} cannot be written: {reason}. Free space or name another place.") from error


@dataclass(frozen=True, slots=True)
class _Picture:
    """An open picture whose read errors are told apart from write errors of where it is copied to."""

    name: str
    file: BinaryIO

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self.file.read(size)
        except OSError as error:
            raise _unreadable(self.name, error) from error


@contextmanager
def readable(source: Path) -> Iterator[_Picture]:
    try:
        file = source.open("rb")
    except OSError as error:
        raise _unreadable(source.name, error) from error
    with file:
        yield _Picture(source.name, file)


def _unreadable(name: str, error: OSError) -> ExportError:
    return ExportError(f"The picture {name} cannot be read: {error.strerror or error}. Copy it again or leave it out.")
