"""Lists with a picture a line: JSONL of musubi, kohya, Hugging Face, DiffSynth and invoke-training, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from captioner.formats.imports.form import Row
from captioner.formats.imports.json_sets import _OneFile
from captioner.formats.imports.lists import ListFile
from captioner.formats.imports.records import caption_of, keys_of, picture_of

_WHO: Mapping[tuple[str, str], str] = {
    ("image_path", "caption"): "musubi-tuner's or kohya's",
    ("file_name", "text"): "Hugging Face's",
    ("file_name", "prompt"): "Hugging Face's",
    ("file_name", "caption"): "Hugging Face's",
    ("image", "prompt"): "DiffSynth-Studio's",
    ("image", "text"): "invoke-training's",
    ("filepath", "title"): "open_clip's",
}


class _Rows(_OneFile):
    source: ClassVar[str]

    def rows_of(self, file: ListFile) -> tuple[str, list[Row]] | None:
        if file.source != self.source or not file.value:
            return None
        first = file.value[0][1]
        key, caption = keys_of(first)
        if not caption or not (key or "key" in first):
            return None
        rows = []
        for where, record in file.value:
            named = picture_of(record)
            stem = record.get("key")
            if not named and isinstance(stem, str):
                rows.append(Row(stem, caption_of(record) or "", where, file.folder, True))
            else:
                rows.append(Row(named, caption_of(record) or "", where, file.folder))
        who = _WHO.get((key, caption), "a")
        return f"{who} {self.title}", rows


class Jsonl(_Rows):
    name = "jsonl"
    title = "JSONL"
    source = "jsonl"


class Table(_Rows):
    name = "csv"
    title = "table (CSV)"
    source = "csv"


class Parquet(_Rows):
    name = "parquet"
    title = "Parquet"
    source = "parquet"
