"""Sources and targets of batches as tests use them: shards, tables, and buckets that are busy or full."""

from __future__ import annotations

import errno
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from captioner.batch.rows import Row
from captioner.batch.sinks import SINKS
from captioner.batch.store import Store
from captioner.batch.work import done_of, part_name


def picture_bytes(colour: Any = "red", width: int = 40) -> bytes:
    """A PNG of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (width, 20), colour).save(data, "PNG")
    return data.getvalue()


def write_shard(path: Path, samples: Mapping[str, bytes]) -> None:
    """A tar of these files."""
    with tarfile.open(path, "w") as archive:
        for name, data in samples.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A Parquet file of these rows."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*rows]), path)


def rows_in(target: Path | str, format: str = "jsonl") -> list[Row]:
    """All rows of a TARGET, in order."""
    store, sink = Store.at(str(target)), SINKS[format]
    return [
        row
        for segment, done in sorted(done_of(store.names(deep=False)).items())
        for block in sorted(done.blocks)
        for row in sink.rows(store, part_name(segment, block, block == done.last, sink.suffix))
    ]


class BusyBucket(MemoryFileSystem):
    """A bucket at busy:// whose files answer 503 to so many requests, in all."""

    protocol = "busy"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    refusals: ClassVar[dict[str, int]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("busy://"))
        return stripped

    def answer(self, path: str) -> None:
        """Raises: OSError: it is busy."""
        for name, left in self.refusals.items():
            if path.endswith(name) and left:
                self.refusals[name] -= 1
                raise OSError(errno.EBUSY, "Please reduce your request rate (503)")

    def cat_file(self, path: str, start: Any = None, end: Any = None, **keywords: Any) -> bytes:
        self.answer(path)
        found: bytes = super().cat_file(path, start, end, **keywords)
        return found

    def _open(self, path: str, mode: str = "rb", **keywords: Any) -> Any:
        file = super()._open(path, mode, **keywords)
        return BusyFile(self, path, file.getvalue()) if mode == "rb" else file


class BusyFile(io.BytesIO):
    """One of its files, whose reading beyond the first kilobytes it refuses."""

    def __init__(self, bucket: BusyBucket, path: str, data: bytes) -> None:
        super().__init__(data)
        self.bucket = bucket
        self.path = path

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 4096:
            self.bucket.answer(self.path)
        return super().read(size)


class FullDisk(MemoryFileSystem):
    """A disk at full:// that has room for so many more files."""

    protocol = "full"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    room: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("full://"))
        return stripped

    def pipe_file(self, path: str, value: bytes, **keywords: Any) -> None:
        if not FullDisk.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        FullDisk.room -= 1
        super().pipe_file(path, value, **keywords)
