"""What an import reads: files, folders, zips and shards, as one list of files with their paths. Knows no form."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from captioner.errors import CaptionerError, MissingPackage
from captioner.formats import passed_over
from captioner.formats.imports import archives
from captioner.formats.imports.archives import Reader
from captioner.formats.imports.form import TextSettings
from captioner.formats.imports.lists import ListFile, parse
from captioner.formats.imports.text import UnknownEncoding, decoded
from captioner.images import MAX_BYTES, is_picture_name
from captioner.limits import spelt_out

CAPTION_SUFFIXES = (".txt", ".caption")
MAX_LIST_BYTES = 50_000_000
_MAX_CAPTION_BYTES = 1_000_000
_MAX_TEXT_LISTS = 50  # of .txt files that are no picture's
_START_BYTES = 4_096
_MASK_WORDS = re.compile("mask|condlabel|conditioning", re.IGNORECASE)
_HIDDEN = re.compile(r"(^|/)\.|^__MACOSX/")


class SourceFile(NamedTuple):
    """A file of what is imported.

    path: below what was named. stem: the path without suffix. suffix: in lower case. read: its first so many bytes.
    is_sample: of a shard, where a stem ends at the first dot of the name.
    """

    path: str
    stem: str
    suffix: str
    read: Reader
    is_sample: bool = False

    @property
    def folder(self) -> str:
        """Where it lies, "" for the top."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.path.rpartition("/")[2]

    def picture_bytes(self) -> bytes:
        """All of a picture. Raises: CaptionerError: it cannot be read; one that is too big is read to the limit."""
        return self.read(MAX_BYTES + 1)


class Source:
    """All files, sorted by what they may be. Use `opened_source`."""

    def __init__(self, stack: ExitStack, settings: TextSettings) -> None:
        self._stack = stack
        self._settings = settings
        self._paths: set[str] = set()
        self._others: list[SourceFile] = []
        self._lists: list[ListFile] | None = None
        self.pictures: list[SourceFile] = []
        self.masks: list[SourceFile] = []  # by name; one that has a caption is a picture all the same
        self.captions: list[SourceFile] = []
        self.samples: list[SourceFile] = []
        self.notes: list[str] = []
        self.undecodable: dict[str, str] = {}  # by file: why
        self.missing: MissingPackage | None = None  # what would read a list that is here

    @property
    def files(self) -> list[SourceFile]:
        """All of them."""
        return [*self.pictures, *self.masks, *self.captions, *self.samples, *self._others]

    def add(self, path: Path, below: str = "") -> None:
        """A file, a folder, a zip or a shard. Args: below: the path it is known by. Raises: CaptionerError."""
        if path.is_dir():
            for below, found in sorted(_walk(str(path), "")):
                self._take(below, OnDisk(found))
            return
        name = below or spelt_out(path.name)
        reader = OnDisk(str(path))
        if archives.is_zip(reader(_START_BYTES)):
            for entry in archives.zip_entries(path, name, self._stack):
                self._take(entry.path, entry.read)
        else:
            self._take(name, reader)

    def text(self, file: SourceFile, max_bytes: int = _MAX_CAPTION_BYTES) -> str | None:
        """The text of a file, None where there is none to be had, which is remembered."""
        try:
            data = file.read(max_bytes + 1)
            if len(data) > max_bytes:
                self.notes.append(f"{file.path} is over {max_bytes // 1_000_000} MB, too long to be read.")
                return None
            return decoded(data, file.path, self._settings.encoding)
        except UnknownEncoding as error:
            self.undecodable[file.path] = str(error)
        except CaptionerError as error:
            self.notes.append(str(error))
        return None

    @property
    def lists(self) -> list[ListFile]:
        """The files that list captions of many pictures, by their content."""
        if self._lists is None:
            self._lists = [found for file in self._candidates() if (found := self._parsed(file)) is not None]
        return self._lists

    def _candidates(self) -> Iterator[SourceFile]:
        yield from self._others
        stems = {picture.stem for picture in (*self.pictures, *self.masks)}
        alone = [file for file in self.captions if file.stem not in stems]
        if len(alone) <= _MAX_TEXT_LISTS:
            yield from alone

    def _parsed(self, file: SourceFile) -> ListFile | None:
        def read() -> str | None:
            return self.text(file, MAX_LIST_BYTES)

        try:
            return parse(file.path, file.folder, file.read(_START_BYTES), read, file.read)
        except MissingPackage as error:
            self.missing = error
        except CaptionerError as error:
            self.notes.append(str(error))
        return None

    def _take(self, path: str, read: Reader, *, is_sample: bool = False) -> None:
        if _HIDDEN.search(path):
            return
        name = path.rpartition("/")[2]
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot > 0 else ""
        stem = path[: len(path) - len(name) + (name.find(".") if is_sample and dot > 0 else dot)] if suffix else path
        file = SourceFile(path, stem, suffix, read, is_sample)
        if path in self._paths:
            self.notes.append(f"{path} is there twice; the first counts.")
            return
        self._paths.add(path)
        if _is_picture_suffix(suffix):
            (self.masks if _is_mask(path) else self.pictures).append(file)
        elif is_sample:
            self.samples.append(file)
        elif suffix in CAPTION_SUFFIXES:
            self.captions.append(file)
        elif archives.is_tar(read(512)):
            self._add_shard(file)
        else:
            self._others.append(file)

    def _add_shard(self, file: SourceFile) -> None:
        for entry in archives.tar_entries(file.read.seekable(self._stack), file.path):
            path = entry.path if entry.path not in self._paths else f"{file.stem}/{entry.path}"
            self._take(path, entry.read, is_sample=True)


@contextmanager
def opened_source(paths: Sequence[Path | tuple[Path, str]], settings: TextSettings | None = None) -> Iterator[Source]:
    """What is to be imported, readable while the block runs.

    Args: paths: files, folders, zips and shards; with each may come the path it is known by.
    Raises: CaptionerError: one cannot be read, or is a hostile archive.
    """
    with ExitStack() as stack:
        source = Source(stack, settings or TextSettings.from_mapping({}))
        for path in paths:
            if isinstance(path, tuple):
                source.add(*path)
            else:
                source.add(path)
        yield source


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file of this machine."""

    path: str

    def __call__(self, max_bytes: int) -> bytes:
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path for each costs as much as reading)
                return file.read(min(max_bytes, os.fstat(file.fileno()).st_size))
        except OSError as error:
            raise self._unreadable(error) from error

    def seekable(self, stack: ExitStack) -> BinaryIO:
        """As `Reader.seekable`."""
        try:
            return stack.enter_context(Path(self.path).open("rb"))
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> CaptionerError:
        name = spelt_out(Path(self.path).name)
        return CaptionerError(f"{name} cannot be read: {error.strerror}.", code="unreadable")


def _walk(folder: str, below: str) -> Iterator[tuple[str, str]]:
    """The files in a folder and below it, by their path there and on the disk; no link to a folder is followed."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise CaptionerError(f"{folder} cannot be read: {error.strerror}.", code="unreadable") from error
    for entry in entries:
        path = f"{below}{spelt_out(entry.name)}"
        if entry.is_dir(follow_symlinks=False):
            if not passed_over.reason_for_folder(entry.name):
                yield from _walk(entry.path, f"{path}/")
        elif entry.is_file():
            yield path, entry.path


@functools.cache
def _is_picture_suffix(suffix: str) -> bool:
    return is_picture_name(f"a{suffix}")


def _is_mask(path: str) -> bool:
    return _MASK_WORDS.search(path) is not None and bool(passed_over.reason_for_path(path))
