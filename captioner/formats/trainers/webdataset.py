"""WebDataset: tar shards, in which the files of a sample are neighbours and share their name up to its first dot."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from captioner.errors import ExportError
from captioner.formats.targets import Sink, readable
from captioner.formats.trainers.quoting import shell_word
from captioner.formats.trainers.target import CONVERSION_FIELDS, MadeSet, Packer, Target

SHARD_SAMPLES = 10_000
SHARD_BYTES = 1 << 30
_PIECE = 1 << 20


class WebDataset(Target):
    name = "webdataset"
    title = "WebDataset"
    other_names: ClassVar[tuple[str, ...]] = ("wds", "tar")
    keeps_lines = True
    reads: ClassVar[frozenset[str]] = frozenset((".jpg", ".jpeg", ".png", ".webp"))
    forms: ClassVar[tuple[str, ...]] = ("webdataset", "sidecars")
    heeds: ClassVar[tuple[str, ...]] = ("set_folder", *CONVERSION_FIELDS)
    picture_folder = ""

    def stem(self, stem: str) -> str:
        key = stem.replace(".", "_")  # else its caption would be somebody else's
        return f"x{key}" if key.startswith("__") else key  # such names are skipped

    def picture_suffix(self, suffix: str) -> str:
        return ".jpg" if suffix == ".jpeg" else super().picture_suffix(suffix)

    def packer(self, sink: Sink) -> Packer:
        return _Shards(sink)

    def start(self, made: MadeSet) -> Sequence[str]:
        last = sum(1 for _ in range(0, max(len(made.rows), 1), SHARD_SAMPLES)) - 1
        shards = f"{{00000..{last:05}}}.tar" if last else "00000.tar"
        lines = [
            f"open_clip: --dataset-type webdataset --train-data {shell_word(made.path('shards', shards))}",
            f"Python: webdataset.WebDataset({made.path('shards', shards)!r}).decode('pil')",
        ]
        if len(made.suffixes) > 1:
            kinds = ", ".join(sorted(made.suffixes))
            lines += ["", f"The pictures are of several kinds ({kinds}); Hugging Face's loader asks for one kind only."]
        return lines


class _Shards(Packer):
    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._file: BinaryIO | None = None
        self._shards = self._samples = self._bytes = 0

    def put(self, picture: str, source: Path | bytes | None, caption: str, data: bytes) -> None:
        assert source is not None  # this target heeds no --no-with-pictures
        if self._file is None or self._samples >= SHARD_SAMPLES or self._bytes >= SHARD_BYTES:
            self.close()
            self._file = self.sink.stream(f"shards/{self._shards:05}.tar")
            self._shards += 1
            self._samples = self._bytes = 0
        with readable(source) as original:
            size = original.size
            self._add(picture, size, iter(lambda: original.read(_PIECE), b""))
        self._add(caption, len(data), iter([data]))
        self._samples += 1
        self._bytes += size

    def close(self) -> None:
        if self._file is not None:
            self._write(bytes(2 * tarfile.BLOCKSIZE))
            self.abandon()

    def abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _add(self, name: str, size: int, pieces: Iterator[bytes]) -> None:
        """An entry without time and owner, so that equal sets make equal shards."""
        entry = tarfile.TarInfo(name)
        entry.size = size
        self._write(entry.tobuf(tarfile.PAX_FORMAT))
        written = 0
        for piece in pieces:
            self._write(piece)
            written += len(piece)
        if written != size:
            raise ExportError(f"The picture for {name} changed while it was read; run again.")
        self._write(bytes(-size % tarfile.BLOCKSIZE))

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            self._file.write(data)
        except OSError as error:
            raise ExportError(f"The shard cannot be written: {error.strerror}. Free space, or run again.") from error
