"""Captions of a set in one file, for scripts: csv, jsonl, json (kohya's metadata), parquet. Pictures lie beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import ClassVar

from captioner.errors import MissingPackage
from captioner.formats.trainers.quoting import json_bytes, jsonl_bytes
from captioner.formats.trainers.target import CONVERSION_FIELDS, MadeSet, Target


def _columns(made: MadeSet) -> dict[str, list[str]]:
    """The columns of a list by name; a picture without a caption of a kind has an empty one."""
    columns = {"file_name": [row.picture for row in made.rows], "text": [row.text for row in made.rows]}
    return columns | {f"text_{kind}": [row.kinds.get(kind, "") for row in made.rows] for kind in made.kinds}


class _List(Target):
    is_trainer = False
    suffix = ""
    keeps_lines = True
    heeds: ClassVar[tuple[str, ...]] = ("with_pictures", *CONVERSION_FIELDS)
    picture_folder = ""

    def takes_kind(self, kind: str) -> bool:
        return True


class Csv(_List):
    """metadata.csv with the columns file_name and text, and text_KIND for each other kind of caption."""

    name = "csv"
    title = "One CSV file"

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = _columns(made)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return {"metadata.csv": text.getvalue().encode()}


class Jsonl(_List):
    """metadata.jsonl, an object a line with the keys file_name and text, and text_KIND for each other kind."""

    name = "jsonl"
    title = "One JSONL file"

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        columns = _columns(made)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return {"metadata.jsonl": jsonl_bytes(rows)}


class KohyaJson(_List):
    """metadata.json as kohya's `metadata_file` names it; keys are the pictures' paths. It reads the first line only,
    and passes over caption_KIND, which is there for each other kind of caption."""

    name = "json"
    title = "kohya's metadata JSON"
    other_names: ClassVar[tuple[str, ...]] = ("kohya-json",)
    keeps_lines = False
    reads: ClassVar[frozenset[str]] = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp"))
    turns = False

    def files(self, made: MadeSet) -> Mapping[str, bytes]:
        rows = {
            row.picture: {"caption": row.text, **{f"caption_{kind}": text for kind, text in row.kinds.items()}}
            for row in made.rows
        }
        return {"metadata.json": json_bytes(rows)}


class Parquet(_List):
    """metadata.parquet with the columns of `Csv`; written by pyarrow, which comes on request."""

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

        columns = _columns(made)
        types = pyarrow.schema([(name, pyarrow.string()) for name in columns])
        data = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=types), data)
        return {"metadata.parquet": data.getvalue()}
