"""A segment -> blocks of pictures, equally many in each but the last, in the segment's order.

A damaged shard gives what can be read of it, and then one picture that is its error. Decodes nothing.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.batch.columns import KEY_COLUMNS, Columns, open_parquet
from captioner.batch.sources import Item, Segment
from captioner.batch.store import CannotRead, Store, fetched
from captioner.errors import BadPicture, CaptionerError
from captioner.formats.existing import existing_of, read_caption
from captioner.formats.imports.records import caption_of
from captioner.formats.tars import CheckedEntry
from captioner.images import MAX_BYTES, is_picture_name, open_picture
from captioner.limits import read_json

if TYPE_CHECKING:
    from PIL.Image import Image

_READERS = 16  # small files that are fetched at once


@dataclass(slots=True)
class Waiting:
    """A picture before it is opened. data: its file's bytes, None where they are still at `address`.

    existing: the caption that came along; beside: the files it may come from. error: why there is no picture. is_twin:
    as `Item.is_twin`. pixels: of the opened picture, RGB, with its size, where another process opened it.
    """

    key: str
    data: bytes | None = None
    address: str = ""
    name: str = ""
    existing: str = ""
    beside: tuple[str, ...] = ()
    error: CaptionerError | None = None
    is_twin: bool = False
    size: tuple[int, int] = (0, 0)
    pixels: bytes | None = None

    def open(self) -> Image:
        """The picture. Raises: CaptionerError."""
        if self.error is None and self.pixels is not None:
            return new_image(self.size, self.pixels)
        return open_picture(self.fetch()).image

    def fetch(self) -> bytes:
        """Its file's bytes. Raises: CaptionerError."""
        if self.error is not None:
            raise self.error
        if self.data is None:
            return fetched(_store(self.address), self.name, MAX_BYTES + 1)
        return self.data


@dataclass(frozen=True, slots=True)
class Block:
    """Some pictures of a segment, which become one part. is_last: the segment has none behind it."""

    segment: int
    number: int
    is_last: bool
    pictures: tuple[Waiting, ...]


def blocks(number: int, segment: Segment, size: int, done: Collection[int] = ()) -> Iterator[Block]:
    """Args: number: the segment's. size: pictures a block. done: blocks to pass over; their pictures are not kept."""
    rows = _READ[segment.kind](segment)
    chunk: list[Waiting] = []
    place = 0
    ahead = next(rows, None)
    while ahead is not None:
        row, ahead = ahead, next(rows, None)
        if place not in done:
            chunk.append(row)
        else:
            chunk.append(Waiting(""))
        if len(chunk) == size or ahead is None:
            if place not in done:
                yield Block(number, place, ahead is None, tuple(chunk))
            chunk = []
            place += 1
    if not place:
        yield Block(number, 0, True, ())


def with_existing(pictures: Collection[Waiting]) -> None:
    """Read the caption files beside pictures; one that cannot be read is its picture's error."""
    todo = [picture for picture in pictures if picture.beside]
    if len(todo) < 2 or _store(todo[0].address).is_local:
        for picture in todo:
            _read_existing(picture)
        return
    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(_read_existing, todo))


def _read_existing(picture: Waiting) -> None:
    store = _store(picture.address)

    def read(file: Path) -> str:
        return read_caption(store.read(file.as_posix()), file.name)

    found = existing_of([Path(name) for name in picture.beside], read)
    picture.existing, picture.error = found.text, picture.error or found.error


def new_image(size: tuple[int, int], pixels: bytes) -> Image:
    """An RGB picture of its pixels."""
    from PIL import Image

    return Image.frombytes("RGB", size, pixels)


@lru_cache(maxsize=64)
def _store(address: str) -> Store:
    return Store.at(address)


def _pictures(segment: Segment) -> Iterator[Waiting]:
    for item in segment.items:
        yield _waiting(item)


def _waiting(item: Item) -> Waiting:
    error = BadPicture(item.error[1], code=item.error[0]) if item.error else None
    return Waiting(item.key, None, item.address, item.name, item.existing, item.beside, error, item.is_twin)


def _tar(segment: Segment) -> Iterator[Waiting]:
    """A shard's samples: neighbours that share their name up to its first dot."""
    stem, sample = None, dict[str, bytes]()
    keys = Counter[str]()
    try:
        with (
            _store(segment.address).open(segment.name) as raw,
            tarfile.open(fileobj=raw, mode="r|", tarinfo=CheckedEntry) as archive,
        ):
            for entry in archive:
                file = archive.extractfile(entry) if entry.isreg() else None
                if file is None:
                    continue
                folder, name = posixpath.split(entry.name)
                own = posixpath.join(folder, name.partition(".")[0])
                if own != stem or entry.name in sample:
                    yield from _sample(segment.key, sample, keys)
                    stem, sample = own, {}
                sample[entry.name] = file.read(MAX_BYTES + 1)
                archive.members = []  # type: ignore[attr-defined] # else it remembers all of them
        yield from _sample(segment.key, sample, keys)
    except (tarfile.TarError, OSError, EOFError, CannotRead) as error:
        yield _damaged(segment, error)


def _sample(shard: str, files: Mapping[str, bytes], keys: Counter[str]) -> Iterator[Waiting]:
    """Args: keys: how often each came so far; one that comes again gets its number, for there is a row for each."""
    picture = next((name for name in files if is_picture_name(posixpath.basename(name))), None)
    if picture is None:
        return
    ends = {name.rpartition(".")[2].lower(): name for name in files}
    existing, error = "", None
    try:
        if found := ends.get("txt") or ends.get("caption"):
            existing = read_caption(files[found], found)
        elif found := ends.get("json"):
            record = read_json(files[found], found)
            existing = (caption_of(record) or "") if isinstance(record, Mapping) else ""
    except CaptionerError as raised:
        error = raised
    keys[picture] += 1
    again = f"#{keys[picture]}" if keys[picture] > 1 else ""
    yield Waiting(f"{shard}/{picture}{again}", files[picture], name=picture, existing=existing, error=error)


def _parquet(segment: Segment) -> Iterator[Waiting]:
    number = 0
    try:
        with open_parquet(_store(segment.address), segment.name) as file:
            wanted = Columns.wanted(file.schema_arrow, segment.column)
            for batch in file.iter_batches(batch_size=64, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield _row(segment, number, row)
    except CannotRead as error:
        yield _damaged(segment, error)


def _row(segment: Segment, number: int, row: Mapping[str, Any]) -> Waiting:
    value = row.get(segment.column)
    named = value.get("path") if isinstance(value, Mapping) else ""
    data = value.get("bytes") if isinstance(value, Mapping) else value
    name = next((str(row[column]) for column in KEY_COLUMNS if isinstance(row.get(column), str | int)), named)
    # A name that comes twice in a file would make one key of two pictures.
    key = f"{segment.key}/{number:06}" + (f"/{name}" if name else "")
    error = None
    if not isinstance(data, bytes):
        said = f"Row {number} of {segment.name} has no picture in {segment.column}; mend the row."
        error = BadPicture(said, code="bad_row")
    return Waiting(key, data, name=name or "", existing=caption_of(row) or "", error=error)


def _damaged(segment: Segment, error: Exception) -> Waiting:
    said = f"{segment.name} is damaged or cannot be read ({error}); what was read of it before is done."
    return Waiting(segment.key, error=BadPicture(said, code="bad_shard"))


_READ: Mapping[str, Callable[[Segment], Iterator[Waiting]]] = {"pictures": _pictures, "tar": _tar, "parquet": _parquet}
