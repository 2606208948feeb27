"""Where files go: folders and zips. Every file is written under a temporary name and gets its own when it is whole.

What is there already is replaced only where the caller says what it must be, checked right before.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from captioner.errors import ExportError, FileInTheWay


class Sink(Protocol):
    """Where a set's files go; names are relative, with "/" between folders."""

    def write(self, name: str, data: bytes) -> None:
        """A file of these bytes. Raises: ExportError."""

    def copy(self, name: str, source: Path | bytes) -> None:
        """A copy of a picture's file, or one of these bytes. Raises: ExportError."""

    def stream(self, name: str) -> BinaryIO:
        """A file to be written piece by piece, the only one until it is closed. Raises: ExportError."""


@contextmanager
def writable_folders(*folders: Path) -> Iterator[None]:
    """Folders to write to, made if need be, and taken away again if nothing came to be written into them.

    Raises: ExportError: one is a file, or cannot be made or written to; known before anything is written.
    """
    missing = [path for folder in folders for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        for folder in folders:
            with explained(folder):
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / temporary_name()
                probe.touch()
                probe.unlink()
        yield
    finally:
        for made in sorted(set(missing), key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError, ValueError):  # it is not empty, as it should be
                made.rmdir()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of ours, whole or not at all, over whatever is there. Raises: ExportError."""
    with explained(path), _temporary(path, lambda file: file.write(data)) as temporary:
        temporary.replace(path)


def write_new(path: Path, data: bytes) -> None:
    """Write a file where none is. Raises: ExportError; FileInTheWay: one is there."""
    _new(path, lambda file: file.write(data))


def copy_new(path: Path, source: Path) -> None:
    """Copy a file to where none is. Raises: ExportError; FileInTheWay: one is there."""
    with readable(source) as original:
        _new(path, lambda file: shutil.copyfileobj(original, file, 1 << 20))


def replace(path: Path, data: bytes, *, content: str, is_kept: bool) -> None:
    """Write a file over one whose sha256 is `content`. is_kept: what is replaced stays, as NAME.bak.

    Raises: ExportError; FileInTheWay: what is there now is something else.
    """
    with explained(path), _temporary(path, lambda file: file.write(data)) as temporary:
        if file_digest(path) != content:
            raise FileInTheWay(f"{path} was changed while this run went on, and was left as it is; run again.")
        if is_kept:
            _back_up(path)
        temporary.replace(path)


def backup_names(name: str) -> Iterator[str]:
    """What a file or folder that is replaced may be called from then on: NAME.bak, NAME.2.bak, ..."""
    return (f"{name}.bak" if number == 1 else f"{name}.{number}.bak" for number in itertools.count(1))


def set_aside(path: Path) -> Path:
    """Give a file another name beside its own, NAME.bak or NAME.2.bak, ...; returns it. Raises: ExportError."""
    with explained(path):
        backup = _back_up(path)
        path.unlink()
        return backup


def file_digest(path: Path) -> str:
    """sha256 of a file, "" for what is no regular file or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def data_digest(data: bytes) -> str:
    """sha256 of what a file is to hold."""
    return hashlib.sha256(data).hexdigest()


def _new(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    with explained(path), _temporary(path, fill) as temporary:
        try:
            _link(temporary, path)
        except FileExistsError as error:
            raise FileInTheWay(
                f"{path} came to be while this run went on, and was left as it is; run again."
            ) from error


def _back_up(path: Path) -> Path:
    """A second name for a file, which no other file has: NAME.bak, NAME.2.bak, ..."""
    for name in backup_names(path.name):
        backup = path.with_name(name)
        with suppress(FileExistsError):
            _link(path, backup)
            return backup
    raise AssertionError("numbers do not end")


def _link(path: Path, name: Path) -> None:
    """A file under a second name, or its copy where a file system has no links. Raises: FileExistsError."""
    try:
        os.link(path, name)
    except FileExistsError:
        raise
    except OSError:
        with path.open("rb") as original, name.open("xb") as copy:
            shutil.copyfileobj(original, copy)
            _to_disk(copy)


@contextmanager
def _temporary(final: Path, fill: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """A whole file beside the final one, gone at the end of the block if it still has its temporary name."""
    temporary = final.parent / temporary_name()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            fill(file)
            _to_disk(file)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def zip_target(path: Path, *, may_overwrite: bool = False) -> Iterator[ZipTarget]:
    """A zip that appears under its name when the block ends well; otherwise nothing is left of it.

    A zip of that name is replaced only if it is as we wrote it; one that would be equal stays as it is.

    Args: may_overwrite: replace whatever file is there, and keep it as NAME.bak.
    Raises: ExportError: it is a folder or not ours, or cannot be written; known before anything is written.
    """
    temporary = path.parent / temporary_name()
    before, is_ours = "", False
    with explained(path):
        with suppress(FileNotFoundError):  # a name that is too long shows here, not after the last picture
            if stat.S_ISDIR(path.stat().st_mode):
                raise ExportError(f"{path} is a folder; name the zip file to write.")
            before = file_digest(path)
            is_ours = _is_our_zip(path)
            if not is_ours and not may_overwrite:
                raise ExportError(
                    f"{path} is there and is not as Captioner wrote it; name another file, or give --overwrite, which "
                    f"keeps it as {path.name}.bak."
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("wb")
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    try:
        yield ZipTarget(path, archive, file)
        with explained(path):
            archive.comment = zip_mark(archive)
            archive.close()
            _to_disk(file)
            file.close()
            _put_zip(temporary, path, before=before, is_kept=bool(before) and not is_ours)
    except BaseException:
        archive.fp = None  # else its clean-up writes on, to a full disk perhaps
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            temporary.unlink()
        raise


def _put_zip(temporary: Path, path: Path, *, before: str, is_kept: bool) -> None:
    now = file_digest(path)
    if now != before or (not before and os.path.lexists(path)):
        raise ExportError(f"{path} was changed while this run went on, and was left as it is; run again.")
    if now and file_digest(temporary) == now:
        temporary.unlink()
        return
    if is_kept:
        _back_up(path)
    if before:
        temporary.replace(path)
    else:
        _link(temporary, path)
        temporary.unlink()


def zip_mark(archive: zipfile.ZipFile) -> bytes:
    """What we write into a zip as its comment: that it is ours, and a digest of what is in it."""
    entries = sorted((entry.filename, entry.CRC, entry.file_size) for entry in archive.infolist())
    return f"captioner {hashlib.sha256(repr(entries).encode()).hexdigest()}".encode()


def _is_our_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment == zip_mark(archive)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


@dataclass(frozen=True, slots=True)
class ZipTarget:
    """A zip that is being written."""

    path: Path
    archive: zipfile.ZipFile
    file: BinaryIO

    def write(self, name: str, data: bytes) -> None:
        """A whole file of these bytes. name: relative, with "/" between folders. Raises: ExportError."""
        with explained(self.path), self._whole_or_not():
            self.archive.writestr(zip_entry(name, zipfile.ZIP_DEFLATED), data)

    def copy(self, name: str, source: Path | bytes) -> None:
        """A whole copy of a picture's file, or of its bytes. Raises: ExportError."""
        # Pictures are compressed already.
        with readable(source) as original, explained(self.path), self._whole_or_not():
            with self.archive.open(zip_entry(name, zipfile.ZIP_STORED), "w", force_zip64=True) as file:
                shutil.copyfileobj(original, file, 1 << 20)

    def stream(self, name: str) -> BinaryIO:
        """A file to be written piece by piece, the only one until it is closed. Raises: ExportError."""
        with explained(self.path):
            entry = zip_entry(name, zipfile.ZIP_STORED)
            return cast(BinaryIO, self.archive.open(entry, "w", force_zip64=True))

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


def zip_entry(name: str, compression: int) -> zipfile.ZipInfo:
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
def explained(path: Path) -> Iterator[None]:
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
    """An open picture whose read errors are told apart from write errors of where it is copied to.

    size: of it in bytes, as it was opened.
    """

    name: str
    file: BinaryIO
    size: int

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self.file.read(size)
        except OSError as error:
            raise _unreadable(self.name, error) from error


@contextmanager
def readable(source: Path | bytes) -> Iterator[_Picture]:
    """A picture's file, or its bytes, opened to be copied. Raises: ExportError: it cannot be read."""
    if isinstance(source, bytes):
        yield _Picture("", io.BytesIO(source), len(source))
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise _unreadable(source.name, error) from error
    with file:
        yield _Picture(source.name, file, os.fstat(file.fileno()).st_size)


def _unreadable(name: str, error: OSError) -> ExportError:
    return ExportError(f"The picture {name} cannot be read: {error.strerror or error}. Copy it again or leave it out.")
