"""Captions of a set in one file, for scripts: csv, jsonl, json (kohya's metadata), parquet. Pictures lie beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import ClassVar

from captioner.errors import MissingPackage
from captioner.formats.trainers.quoting import json_bytes, jsonl_bytes
from captioner.formats.trainers.target import CONVERSION_FIELDS, MadeSet, Target


class _List(Target):
    is_trainer = False
    suffix = ""
    keeps_lines = True
    heeds: ClassVar[tuple[str, ...]] = ("with_pictures", *CONVERSION_FIELDS)
    picture_folder = ""


class Csv(_List):
    """metadata.csv with the columns file_name and text."""

    name = "csv"
    title = "One CSV file"

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file_name", "text"])
        writer.writerows([row.picture, row.text] for row in made.rows)
        return {"metadata.csv": text.getvalue().encode()}


class Jsonl(_List):
    """metadata.jsonl, an object a line with the keys file_name and text."""

    name = "jsonl"
    title = "One JSONL file"

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        return {"metadata.jsonl": jsonl_bytes([{"file_name": row.picture, "text": row.text} for row in made.rows])}


class KohyaJson(_List):
    """metadata.json as kohya's `metadata_file` names it; keys are the pictures' paths. It reads the first line only."""

    name = "json"
    title = "kohya's metadata JSON"
    other_names: ClassVar[tuple[str, ...]] = ("kohya-json",)
    keeps_lines = False
    reads: ClassVar[frozenset[str]] = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp"))
    turns = False

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        return {"metadata.json": json_bytes({row.picture: {"caption": row.text} for row in made.rows})}


class Parquet(_List):
    """metadata.parquet with the columns file_name and text; written by pyarrow, which comes on request."""

    name = "parquet"
    title = "One Parquet file"

    def check_installed(self) -> None:
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise MissingPackage("parquet needs pyarrow: pip install pyarrow") from error

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        self.check_installed()
        import pyarrow
        import pyarrow.parquet

        columns = {"file_name": [row.picture for row in made.rows], "text": [row.text for row in made.rows]}
        kinds = pyarrow.schema([("file_name", pyarrow.string()), ("text", pyarrow.string())])
        data = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=kinds), data)
        return {"metadata.parquet": data.getvalue()}
