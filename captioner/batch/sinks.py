"""A block's rows -> its part in TARGET, whole or not at all: Parquet, JSONL, a WebDataset shard, files beside pictures.

A further target is one more class in `SINKS`.
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from captioner.batch.columns import load_parquet, open_parquet
from captioner.batch.reading import Block, Waiting
from captioner.batch.rows import Row, as_jsonl, as_parquet
from captioner.batch.store import READ_ONLY, Store, protocol_of
from captioner.batch.work import OWN, part_name
from captioner.errors import BadPicture, CaptionerError, FileInTheWay
from captioner.formats.sidecars import caption_bytes
from captioner.limits import read_json, without_halves

BEGUN, TAKEN_BACK = f"{OWN}/begun", f"{OWN}/taken-back"
"""Where rows of blocks are whose part is not there: one was under way when a run stopped, or its part is made again."""


class Sink(ABC):
    """A kind of target. suffix: of its parts. needs_pictures: their files go into it."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    about: ClassVar[str]
    needs_pictures: ClassVar[bool] = False

    def __init__(self, target: Store, *, may_overwrite: bool = False) -> None:
        self.target = target
        self.may_overwrite = may_overwrite

    @classmethod  # noqa: B027 - most need nothing
    def check(cls) -> None:
        """Raises: MissingPackage: what it is written with is not installed."""

    def part(self, block: Block) -> str:
        """The name of a block's part."""
        return part_name(block.segment, block.number, block.is_last, self.suffix)

    def begun(self, block: Block) -> dict[str, Row]:
        """Rows of a block that earlier tries got to, by key; a block without is done from its start."""
        return self._kept(BEGUN, block) | self._kept(TAKEN_BACK, block)

    def keep_begun(self, block: Block, rows: Sequence[Row]) -> None:
        """Keep rows of a block whose part is not written yet. Raises: ExportError."""
        self.target.write(kept_name(BEGUN, block.segment, block.number), as_jsonl(rows))

    def write(self, block: Block, rows: Sequence[Row]) -> Sequence[Row]:
        """Write the part. Returns: the rows as they are in it. Raises: ExportError."""
        self.target.write(self.part(block), self.data(block, rows))
        return rows

    @classmethod
    @abstractmethod
    def rows(cls, target: Store, part: str) -> list[Row]:
        """A part's rows. Raises: CannotRead."""

    @abstractmethod
    def data(self, block: Block, rows: Sequence[Row]) -> bytes:
        """The part's bytes."""

    def _kept(self, folder: str, block: Block) -> dict[str, Row]:
        name = kept_name(folder, block.segment, block.number)
        return {row["key"]: row for row in read_rows(self.target, name)} if self.target.exists(name) else {}


def kept_name(folder: str, segment: int, block: int) -> str:
    """Where rows of a block are kept whose part is not there."""
    return f"{folder}/{part_name(segment, block, False, 'jsonl')}"


def read_rows(target: Store, name: str) -> list[Row]:
    """The rows in a file of JSON lines. Raises: CannotRead."""
    return [read_json(line, name) for line in target.read(name).splitlines()]


class ParquetSink(Sink):
    name = "parquet"
    suffix = "parquet"
    about = "a row a picture"

    @classmethod
    def check(cls) -> None:
        load_parquet("--format parquet")

    @classmethod
    def rows(cls, target: Store, part: str) -> list[Row]:
        with open_parquet(target, part) as file:
            rows: list[Row] = file.read().to_pylist()
        return rows

    def data(self, block: Block, rows: Sequence[Row]) -> bytes:
        return as_parquet(rows)


class JsonlSink(Sink):
    name = "jsonl"
    suffix = "jsonl"
    about = "a JSON object a picture"

    @classmethod
    def rows(cls, target: Store, part: str) -> list[Row]:
        return read_rows(target, part)

    def data(self, block: Block, rows: Sequence[Row]) -> bytes:
        return as_jsonl(rows)


class WebDatasetSink(Sink):
    """Shards of picture, caption (.txt) and row (.json), without the pictures that failed, so that every sample is
    whole. All rows are kept beside the shards, in _captioner/rows."""

    name = "webdataset"
    suffix = "tar"
    about = "shards with pictures and captions"
    needs_pictures = True

    def write(self, block: Block, rows: Sequence[Row]) -> Sequence[Row]:
        found = [_fetched(picture, row) for picture, row in zip(block.pictures, rows, strict=True)]
        self.target.write(_rows_name(self.part(block)), as_jsonl(found))
        return super().write(block, found)

    @classmethod
    def rows(cls, target: Store, part: str) -> list[Row]:
        return read_rows(target, _rows_name(part))

    def data(self, block: Block, rows: Sequence[Row]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for place, (picture, row) in enumerate(zip(block.pictures, rows, strict=True)):
                if row["error_code"]:
                    continue
                stem = f"{block.segment:06}{block.number:04}{place:04}"
                suffix = PurePosixPath(picture.name).suffix.lower() or ".jpg"
                for end, data in (
                    (suffix, picture.fetch()),
                    (".txt", caption_bytes(row["caption"])),
                    (".json", json.dumps(row).encode("ascii")),
                ):
                    entry = tarfile.TarInfo(stem + end)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        return stream.getvalue()


class SidecarSink(JsonlSink):
    """A .txt beside each picture, and in TARGET the rows. Rows are kept before the first file is written, so that a
    block that is done again takes no caption of its own for one that was there before. Those of a part that was taken
    back have their file, which may have been edited since."""

    name = "sidecars"
    about = "a .txt beside each picture, in SOURCE, and rows as jsonl in TARGET"

    def write(self, block: Block, rows: Sequence[Row]) -> Sequence[Row]:
        self.keep_begun(block, rows)
        put = self._kept(TAKEN_BACK, block)
        written = [
            row if row["key"] in put else self._beside(picture, row)
            for picture, row in zip(block.pictures, rows, strict=True)
        ]
        return super().write(block, written)

    def _beside(self, picture: Waiting, row: Row) -> Row:
        if row["error_code"] or row["kept"]:
            return row
        try:
            self._put(picture, caption_bytes(row["caption"]))
        except (BadPicture, FileInTheWay) as error:
            return _failed(row, error)
        return row

    def _put(self, picture: Waiting, data: bytes) -> None:
        if picture.is_twin:
            raise BadPicture(
                f"{picture.key} has the name of another picture but for the ending, and the caption file is that "
                "one's; rename one of them, or choose another --format.",
                code="no_place",
            )
        if not picture.name or not picture.address or protocol_of(picture.address) in READ_ONLY:
            raise BadPicture(
                f"{picture.key} has no place for a caption file beside it; choose another --format.", code="no_place"
            )
        store, name = Store.at(picture.address), _beside_name(picture)
        # Asked now: the list is old, a manifest's has no caption files, and on a second try ours is there.
        before = store.read(name) if store.exists(name) else b""
        if before == data:
            return
        if before and not self.may_overwrite:
            raise FileInTheWay(f"{name} is there and is not ours; --overwrite replaces it and keeps it as {name}.bak.")
        if before:
            store.replace(name, data, before)
        else:
            store.write(name, data)


def _failed(row: Row, error: CaptionerError) -> Row:
    return {**row, "caption": "", "error_code": error.code, "error_message": without_halves(str(error))}


def _fetched(picture: Waiting, row: Row) -> Row:
    """The row, or the picture's error where its file, which was captioned, is no longer to be had."""
    if row["error_code"]:
        return row
    try:
        picture.data = picture.fetch()
    except CaptionerError as error:
        return _failed(row, error)
    return row


def _rows_name(part: str) -> str:
    return f"{OWN}/rows/{PurePosixPath(part).stem}.jsonl"


def _beside_name(picture: Waiting) -> str:
    folder, name = posixpath.split(picture.name)
    return posixpath.join(folder, f"{PurePosixPath(name).stem}.txt")


SINKS: Mapping[str, type[Sink]] = {sink.name: sink for sink in (ParquetSink, WebDatasetSink, JsonlSink, SidecarSink)}
