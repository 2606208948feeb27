"""A folder here or in a bucket, by any address that fsspec knows: listed, read and written, with retries.

A bucket that is busy (503, a lost connection) is asked again with growing pauses. Writing is whole or not at all: here
by a temporary name, in a bucket because an object appears when its upload ends.
"""

from __future__ import annotations

import errno
import itertools
import os
import posixpath
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from captioner.errors import BadPicture, CaptionerError, ExportError, MissingPackage
from captioner.files import written_whole
from captioner.formats import targets
from captioner.limits import shown

Result = TypeVar("Result")

TRIES = 6
FIRST_PAUSE_S = 0.2
"""Doubled with each further try, so that a bucket has 6 s or more to come back."""
_NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_LOCAL = ("file", "local")
READ_ONLY = frozenset({"http", "https"})
_ATOMIC_PUT = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_BUSY = (408, 425, 429)
_DRIVERS = ("botocore", "aiobotocore", "aiohttp")
_NOT_RETRIED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})


class CannotRead(CaptionerError):
    """An address that cannot be read: what is not there, not allowed, or does not answer."""

    code = "unreadable"


@dataclass(frozen=True)
class Store:
    """A folder. root: as fsspec writes it, without protocol for a folder on this machine."""

    address: str
    protocol: str
    root: str

    @classmethod
    def at(cls, address: str) -> Store:
        """Raises: CannotRead: nobody knows such addresses. MissingPackage: their driver is not installed."""
        address = full_address(address)
        protocol, root = _opened(address)[1:]
        return cls(address, protocol, root)

    @cached_property
    def _fs(self) -> Any:
        return _opened(self.address)[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address, "protocol": self.protocol, "root": self.root}

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine's file system."""
        return self.protocol in _LOCAL

    def path(self, name: str) -> str:
        """The full path of a file below; "" is the folder itself."""
        return posixpath.join(self.root, name) if name else self.root

    def names(self, folder: str = "", *, deep: bool = True) -> list[str]:
        """The files below, relative and sorted; none where the folder is not there. Raises: CannotRead."""
        top = self.path(folder)

        def find() -> list[str]:
            self._fs.invalidate_cache()
            return [*self._fs.find(top, maxdepth=None if deep else 1)]

        try:
            found = self._tried(find, top)
        except CannotRead as error:
            if isinstance(error.__cause__, _NOT_THERE):
                return []
            raise
        start = self.root.rstrip("/") + "/"
        return sorted(path.removeprefix(start) for path in found if path.startswith(start))

    def kind(self) -> str:
        """What the address is: file, folder, or "" for nothing. Raises: CannotRead: it may not be looked at."""

        def look() -> str:
            self._fs.invalidate_cache()
            if self._fs.isfile(self.root):
                return "file"
            return "folder" if self._fs.isdir(self.root) else ""

        return self._tried(look, self.root)

    def read(self, name: str, *, max_bytes: int | None = None) -> bytes:
        """A file's bytes. Args: max_bytes: read no more than so many. Raises: CannotRead."""
        path = self.path(name)
        return bytes(self._tried(lambda: self._fs.cat_file(path, start=0 if max_bytes else None, end=max_bytes), path))

    def open(self, name: str = "") -> BinaryIO:
        """A file to be read piece by piece, at any place; a connection lost meanwhile is made again.

        Raises: CannotRead: now, or in reading.
        """
        path = self.path(name)
        file = self._tried(lambda: self._fs.open(path, "rb", block_size=4 << 20), path)
        return cast(BinaryIO, file if self.is_local else _Pieces(file, lambda action: self._tried(action, path)))

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name. Raises: CannotRead."""
        path = self.path(name)
        return bool(self._tried(lambda: self._fs.isfile(path), path))

    def write(self, name: str, data: bytes) -> None:
        """A file of these bytes, whole or not at all, over one that is there. Raises: ExportError."""
        path = self.path(name)
        try:
            _with_tries(lambda: self._put(path, data))
        except Exception as error:
            raise ExportError(f"{self._shown(name)} cannot be written: {_reason(error)}. {_advice(error)}") from error

    def replace(self, name: str, data: bytes, before: bytes) -> None:
        """A file of these bytes in place of one that was read as `before`. That stays beside it, as NAME.bak or the
        next of such names, unless one of these has the same in it.

        Raises: ExportError; FileInTheWay: here, what is there is something else by now. CannotRead: of a backup.
        """
        there = {one: self.read(one) for one in itertools.takewhile(self.exists, targets.backup_names(name))}
        is_kept = before not in there.values()
        if self.is_local:
            try:
                targets.replace(Path(self.path(name)), data, content=targets.data_digest(before), is_kept=is_kept)
            except ExportError as error:
                raise ExportError(f"{error} Go on with --resume; what is done is kept.") from error
            return
        if is_kept:
            self.write(next(one for one in targets.backup_names(name) if one not in there), before)
        self.write(name, data)

    def remove(self, name: str) -> None:
        """Take a file away. Raises: ExportError."""
        path = self.path(name)
        try:
            _with_tries(lambda: self._fs.rm_file(path))
        except Exception as error:
            raise ExportError(f"{self._spelt(path)} cannot be deleted: {_reason(error)}. {_advice(error)}") from error

    def _put(self, path: str, data: bytes) -> None:
        if self.is_local:
            final = Path(path)
            final.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(final, is_durable=True) as file:
                file.write(data)
        elif self.protocol in _ATOMIC_PUT:
            self._fs.pipe_file(path, data)
        else:
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
            unfinished = f"{path}.{secrets.token_hex(4)}.new"
            self._fs.pipe_file(unfinished, data)
            self._fs.mv(unfinished, path)

    def _tried(self, action: Callable[[], Result], path: str) -> Result:
        try:
            return _with_tries(action)
        except Exception as error:
            raise CannotRead(f"{self._spelt(path)} cannot be read: {_reason(error)}.") from error

    def _shown(self, name: str) -> str:
        return self._spelt(self.path(name))

    def _spelt(self, path: str) -> str:
        return shown(path if self.is_local or "://" in path else f"{self.protocol}://{path}", max_length=300)


class _Pieces:
    """fsspec's file whose `read` is tried again; its place moves only with what was read."""

    def __init__(self, file: Any, tried: Callable[[Callable[[], bytes]], bytes]) -> None:
        self._file = file
        self._tried = tried

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes from here on. Raises: CannotRead."""
        return self._tried(lambda: self._file.read(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Pieces:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def split(address: str) -> tuple[str, str]:
    """The folder that a file's address names, and the file's name in it."""
    folder, _, name = address.rpartition("/")
    return (folder or ("/" if address.startswith("/") else ".")), name


def full_address(address: str) -> str:
    """An address that means the same in every folder and process."""
    is_path = "://" not in address
    return os.path.abspath(os.path.expanduser(address)) if is_path else address  # noqa: PTH100, PTH111


def protocol_of(address: str) -> str:
    """What stands before "://", "" for a path."""
    start, found, _ = address.partition("://")
    return start.lower() if found else ""


@lru_cache(maxsize=64)
def _opened(address: str) -> tuple[Any, str, str]:
    import fsspec

    try:
        options = {}
        if protocol_of(address) in READ_ONLY:
            import aiohttp

            options["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)}
        fs, root = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        raise MissingPackage(
            f"{shown(address)} needs a driver that is not installed: pip install -r requirements-batch.txt"
        ) from error
    except ValueError as error:
        raise CannotRead(f"{shown(address)} cannot be opened: {_reason(error)}.") from error
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return fs, protocol, root.rstrip("/") or "/"


def _with_tries(action: Callable[[], Result]) -> Result:
    pause_s = FIRST_PAUSE_S
    for _ in range(TRIES - 1):
        try:
            return action()
        except Exception as error:
            if not _may_pass(error):
                raise
        time.sleep(pause_s * random.uniform(0.8, 1.2))
        pause_s *= 2
    return action()


def _may_pass(error: BaseException) -> bool:
    """Whether another try may go better: not where something is missing, forbidden or full."""
    if isinstance(error, (CaptionerError, PermissionError, ValueError, ImportError, MemoryError, *_NOT_THERE)):
        return False
    if "Credentials" in type(error).__name__:
        return False
    if isinstance(error, OSError):
        return error.errno not in _NOT_RETRIED
    if status := _status(error):
        return status in _BUSY or status >= 500
    return isinstance(error, TimeoutError | ConnectionError) or type(error).__module__.startswith(_DRIVERS)


def _status(error: BaseException) -> int:
    """What a web server answered, 0 where the error is none of it."""
    status = getattr(error, "status", 0)
    return status if isinstance(status, int) else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file, folder or bucket"
    if isinstance(error, PermissionError) or "NoCredentials" in type(error).__name__:
        return f"it is not allowed here ({shown(str(error), max_length=120)})"
    if status := _status(error):
        return f"the server answers {status} ({shown(str(getattr(error, 'message', '')), max_length=120)})"
    return shown((error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__)


def _advice(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    is_full = number in (errno.ENOSPC, errno.EDQUOT)
    return f"{'Free space' if is_full else 'Mend that'} and go on with --resume; what is done is kept."


def fetched(store: Store, name: str, max_bytes: int) -> bytes:
    """A picture's bytes. Raises: BadPicture: unreadable, as `captioner.images` says it; too_big is said there too."""
    try:
        return store.read(name, max_bytes=max_bytes)
    except CannotRead as error:
        raise BadPicture(f"The picture cannot be read: {error}", code="unreadable") from error
