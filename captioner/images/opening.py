"""A path, a stream or bytes become an opened picture: what may be read, how much of it, and whose turn it is.

Knows no format; the codes of what is refused stand in `captioner.images`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from captioner.errors import BadPicture
from captioner.freed import give_back_freed
from captioner.images import decoding, process
from captioner.images.budget import DecodingBudget
from captioner.images.decoding import OpenedPicture
from captioner.images.headers import read_header

MAX_BYTES = 200 * 1024 * 1024
# What decoding may hold in all threads of the process together; a picture that needs more is decoded alone.
DECODING_BYTES = 1 << 30

_BUDGET = DecodingBudget(DECODING_BYTES, give_back_freed)
_START_BYTES = 64  # as much as tells what a file is
_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".heic", ".heif"),
    )
)


def is_picture_name(name: str) -> bool:
    """Whether a file of this name in a folder is worth opening; `open_picture` decides by content.

    HEIC counts even when it cannot be read, so that it is reported and not passed over in silence. Names that begin
    with a dot do not count: macOS leaves such files beside every picture on foreign disks.
    """
    stem, dot, suffix = name.rpartition(".")  # a Path of each of ten thousand names costs more than reading them
    return bool(stem) and not name.startswith(".") and (dot + suffix).lower() in _SUFFIXES


def digest(data: bytes) -> str:
    """sha256 of a picture's original bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def open_picture(source: Path | BinaryIO | bytes, *, follow_links: bool = False) -> OpenedPicture:
    """Decode a picture from a path, a stream or its bytes. Safe to call from several threads.

    Args:
        source: a stream is read to its end (at most MAX_BYTES) and left open.
        follow_links: open a path that is a symbolic link; for paths that the person named, never for uploads.

    Raises: BadPicture: with one of the codes at the top of `captioner.images`.
    """
    with opened_picture(source, follow_links=follow_links) as opened:
        return opened


@contextmanager
def opened_picture(source: Path | BinaryIO | bytes, *, follow_links: bool = False) -> Iterator[OpenedPicture]:
    """The same for as long as the block runs, which counts towards what may be decoded at once.

    For what many visitors may ask for at the same time; nothing else is to be opened within the block. Waits while
    others decode, first come, first served.
    """
    data = source if isinstance(source, bytes) else read_picture(source, follow_links=follow_links)
    _check_size(len(data))
    header = read_header(data, decoding.check_readable(data))
    with _BUDGET.hold(header.peak_bytes + len(data)):
        try:
            opened = process.decode(data, header) if header.is_isolated else decoding.decode(data)
        except MemoryError as error:  # for the pixels that came from the other process
            raise decoding.out_of_memory() from error
        yield opened


def read_picture(source: Path | BinaryIO, *, follow_links: bool = False) -> bytes:
    """All of it: what was checked is what will be decoded, even if the file changes meanwhile.

    Args: as `open_picture`, which takes the bytes too.
    Raises: BadPicture: it cannot be read, or its start is that of no picture.
    """
    if isinstance(source, Path):
        with _regular_file(source, follow_links) as file:
            decoding.check_readable(file.read(_START_BYTES))  # before 200 MB of something else are read
            file.seek(0)
            return _read_all(file, os.fstat(file.fileno()).st_size)
    return _read_all(source, MAX_BYTES)


def _read_all(stream: BinaryIO, size_bytes: int) -> bytes:
    """Args: size_bytes: how much there is, at most; one byte more, and it is too big or has grown."""
    try:
        data = stream.read(size_bytes + 1)
    except OSError as error:
        raise BadPicture(f"The picture cannot be read: {error}; send it again.", code="unreadable") from error
    except MemoryError as error:
        raise decoding.out_of_memory() from error
    _check_size(len(data))
    return data


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise BadPicture("The file is empty (0 bytes); copy or export it again.", code="empty")
    if size_bytes > MAX_BYTES:
        raise BadPicture(
            f"The file is over the limit of {MAX_BYTES >> 20} MiB; save a smaller copy and use that.", code="too_big"
        )


@contextmanager
def _regular_file(path: Path, follow_links: bool) -> Iterator[BinaryIO]:
    """The file opened for reading; whatever is no regular file is refused without waiting on it."""
    try:
        # Looked at before opening, since opening some devices has effects, and again afterwards, in case it changed.
        _check_kind(path.stat() if follow_links else path.lstat())
        # O_NONBLOCK: should it have become a pipe in between, opening must not wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        raise BadPicture("There is no such file; check the name.", code="unreadable") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadPicture(
            f"The file cannot be read ({reason}); check its name and permissions.", code="unreadable"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        _check_kind(state)
        _check_size(state.st_size)
        yield file


def _check_kind(state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link, which is not followed here",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(state.st_mode), "no regular file")
    raise BadPicture(f"This is {kind}, not a picture file; name the file itself.", code="not_a_file")
