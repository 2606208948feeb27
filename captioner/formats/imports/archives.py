"""Zips and tars from anywhere, read without trusting them: nothing of them is ever written under a name of theirs.

What is counted before anything is read: entries, bytes when unpacked, how many times more than packed. A name that
leads out of the archive, a link, a device, two entries of one name or an encrypted one refuse it whole. What is read of
an entry ends at the size that was counted.
"""

from __future__ import annotations

import re
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISREG
from typing import IO, BinaryIO, NamedTuple, Protocol

from captioner.errors import CaptionerError
from captioner.formats.tars import CheckedEntry
from captioner.limits import shown, spelt_out

MAX_ENTRIES = 400_000  # three files for each of the pictures that a set may have
MAX_UNPACKED_BYTES = 200 << 30
FREE_BYTES = 200 << 20  # up to here nobody asks how much smaller it was packed
MAX_RATIO = 100  # captions alone pack 20 times smaller, pictures hardly
_MAX_DIRECTORY_BYTES = 100 << 20  # of a zip: its reader takes it whole
_END, _LOCATOR, _END_64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadArchive(CaptionerError):
    """A zip or tar that is damaged, or that is refused."""

    code = "bad_archive"


class Reader(Protocol):
    """What reads a file, wherever it is."""

    def __call__(self, max_bytes: int) -> bytes:
        """Its first bytes, at most so many. Raises: CaptionerError."""

    def seekable(self, stack: ExitStack) -> BinaryIO:
        """The whole file, open until the stack ends. Raises: CaptionerError."""


class Entry(NamedTuple):
    """A file in an archive. path: with "/" between names, without a way out."""

    path: str
    size: int
    read: Reader


@dataclass(frozen=True, slots=True)
class _InZip:
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    name: str

    def __call__(self, max_bytes: int) -> bytes:
        with self._opened() as file:
            return file.read(max_bytes)

    def seekable(self, stack: ExitStack) -> BinaryIO:
        copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
        with self._opened() as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.seek(0)
        return copy

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with self.archive.open(self.info) as file:
                yield file
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            what = shown(self.info.filename)
            raise BadArchive(f"{what} in {self.name} is damaged ({_reason(error)}).") from error


@dataclass(frozen=True, slots=True)
class _InTar:
    file: BinaryIO
    offset: int
    size: int
    name: str

    def __call__(self, max_bytes: int) -> bytes:
        self.file.seek(self.offset)
        return self.file.read(min(self.size, max_bytes))

    def seekable(self, stack: ExitStack) -> BinaryIO:
        raise BadArchive(f"{self.name} holds a tar of its own; unpack it.")


def is_zip(start: bytes) -> bool:
    """Whether a file begins like a zip, an empty one too."""
    return start[:4] in (b"PK\x03\x04", _END)


def is_tar(start: bytes) -> bool:
    """Whether a file's first 512 bytes are a tar's."""
    return start[257:262] == b"ustar"


def zip_entries(path: Path, name: str, stack: ExitStack) -> list[Entry]:
    """Args: name: as messages call it. stack: keeps it open until nothing is read any more. Raises: BadArchive."""
    try:
        _check_directory(path, name)
        opened = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, struct.error, zipfile.BadZipFile) as error:
        raise BadArchive(f"{name} is damaged or no zip ({_reason(error)}); download or make it again.") from error
    stack.enter_context(opened)
    found = []
    for info in opened.infolist():
        kind = S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        if info.is_dir():
            _checked(info.filename, name)
            continue
        if kind and not (S_ISREG(kind) or S_ISDIR(kind)):
            raise BadArchive(f"{name} holds a link or a device ({shown(info.filename)}), which is not taken.")
        if info.flag_bits & 0x1:
            raise BadArchive(f"{name} is encrypted; unpack it and use the folder.")
        if info.compress_type not in _METHODS:
            raise BadArchive(f"{name} is packed in a way that is not read here; unpack it and use the folder.")
        found.append(Entry(_checked(info.filename, name), info.file_size, _InZip(opened, info, name)))
    _check_sizes(found, name, path.stat().st_size)
    return found


def tar_entries(file: BinaryIO, name: str) -> list[Entry]:
    """Args: file: seekable, and open until nothing is read any more. Raises: BadArchive."""
    found = []
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=CheckedEntry) as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it keeps all that it has read
                path = _checked(spelt_out(member.name), name)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise BadArchive(f"{name} holds a link or a device ({shown(path)}), which is not taken.")
                found.append(Entry(path, member.size, _InTar(file, member.offset_data, member.size, name)))
                _check_count(len(found), name)
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, struct.error) as error:
        raise BadArchive(f"{name} is damaged or no tar ({_reason(error)}); download or make it again.") from error
    _check_sizes(found, name, None)
    return found


def _check_directory(path: Path, name: str) -> None:
    """A zip's own list of entries is read whole by whoever opens it, so its size is looked at first."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - 22 - 20))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) < at + 22:
            raise zipfile.BadZipFile("its end is missing")
        count, directory = struct.unpack_from("<HI", tail, at + 10)
        if 0xFFFF in (count, directory & 0xFFFF) and tail[at - 20 : at - 16] == _LOCATOR:
            (place,) = struct.unpack_from("<Q", tail, at - 12)
            file.seek(min(place, size))
            record = file.read(56)
            if record[:4] == _END_64 and len(record) == 56:
                count, directory = struct.unpack_from("<QQ", record, 32)
    _check_count(count, name)
    if directory > _MAX_DIRECTORY_BYTES:
        raise BadArchive(f"{name} has a list of {directory >> 20} MB for its entries, far more than they need.")


def _check_count(count: int, name: str) -> None:
    if count > MAX_ENTRIES:
        raise BadArchive(f"{name} holds more than {MAX_ENTRIES:,} files; split it.")


def _check_sizes(entries: list[Entry], name: str, packed_bytes: int | None) -> None:
    _check_count(len(entries), name)
    unpacked = sum(entry.size for entry in entries)
    is_bomb = packed_bytes is not None and unpacked > max(FREE_BYTES, MAX_RATIO * packed_bytes)
    if is_bomb or unpacked > MAX_UNPACKED_BYTES:
        raise BadArchive(f"{name} would unpack to {unpacked / 1e9:,.1f} GB, which no set of pictures does.")
    seen = set()
    for entry in entries:
        if entry.path in seen:
            raise BadArchive(f"{name} holds two files called {shown(entry.path)}; which is meant cannot be told.")
        seen.add(entry.path)


def _checked(path: str, name: str) -> str:
    """An entry's path without "." and doubled slashes. Raises: BadArchive: it leads out of the archive."""
    parts = path.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or _DRIVE.match(path) or _CONTROL.search(path):
        raise BadArchive(f"{name} holds a file whose path leads elsewhere ({shown(path)}), which is not taken.")
    return "/".join(part for part in parts if part not in ("", "."))


def _reason(error: Exception) -> str:
    return shown(" ".join(str(error).split()), max_length=80) or type(error).__name__
