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
from typing import Any, ClassVar

from captioner.batch.columns import load_parquet, open_parquet
from captioner.batch.reading import Block, Waiting
from captioner.batch.rows import Row, as_jsonl, as_parquet
from captioner.batch.store import Store
from captioner.batch.work import OWN, part_name
from captioner.errors import BadPicture, FileInTheWay
from captioner.formats.sidecars import caption_bytes
from captioner.limits import read_json


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
        """Rows of a block that an earlier try got to and kept, by key; a block without is done from its start."""
        name = self._begun_name(block)
        if not self.target.exists(name):
            return {}
        return {row["key"]: row for row in JsonlSink.rows(self.target, name)}

    def keep_begun(self, block: Block, rows: Sequence[Row]) -> None:
        """Keep rows of a block whose part is not written yet. Raises: ExportError."""
        self.target.write(self._begun_name(block), as_jsonl(rows))

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

    def _begun_name(self, block: Block) -> str:
        return f"{OWN}/begun/{part_name(block.segment, block.number, block.is_last, 'jsonl')}"


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
        return [read_json(line, part) for line in target.read(part).splitlines()]

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
        self.target.write(_rows_name(self.part(block)), as_jsonl(rows))
        return super().write(block, rows)

    @classmethod
    def rows(cls, target: Store, part: str) -> list[Row]:
        return JsonlSink.rows(target, _rows_name(part))

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
    block that is done again takes no caption of its own for one that was there before."""

    name = "sidecars"
    about = "a .txt beside each picture, in SOURCE, and rows as jsonl in TARGET"

    def write(self, block: Block, rows: Sequence[Row]) -> Sequence[Row]:
        self.keep_begun(block, rows)
        written = [self._beside(picture, row) for picture, row in zip(block.pictures, rows, strict=True)]
        return super().write(block, written)

    def _beside(self, picture: Waiting, row: Row) -> Row:
        if row["error_code"] or row["kept"]:
            return row
        if picture.is_twin or not picture.name or not picture.address:
            error: Any = BadPicture(
                f"{picture.key} has no place for a caption file beside it; choose another --format.", code="no_place"
            )
        else:
            store, name = Store.at(picture.address), _beside_name(picture)
            data = caption_bytes(row["caption"])
            # Asked now: the list is old, a manifest's has no caption files, and on a second try ours is there.
            is_other = store.exists(name) and store.read(name) != data
            if not is_other or self.may_overwrite:
                if is_other and not store.exists(f"{name}.bak"):
                    store.copy(name, f"{name}.bak")
                store.write(name, data)
                return row
            error = FileInTheWay(
                f"{name} is there and is not ours; --overwrite replaces it and keeps it as {name}.bak."
            )
        return {**row, "caption": "", "error_code": error.code, "error_message": str(error)}


def _rows_name(part: str) -> str:
    return f"{OWN}/rows/{PurePosixPath(part).stem}.jsonl"


def _beside_name(picture: Waiting) -> str:
    folder, name = posixpath.split(picture.name)
    return posixpath.join(folder, f"{PurePosixPath(name).stem}.txt")


SINKS: Mapping[str, type[Sink]] = {sink.name: sink for sink in (ParquetSink, WebDatasetSink, JsonlSink, SidecarSink)}
