"""A file that lists captions of many pictures, parsed: JSON, JSONL, a table, EveryDream's YAML, Parquet. By content."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from captioner.errors import CaptionerError, MissingPackage
from captioner.formats.imports.records import CAPTION_KEYS, PICTURE_KEYS
from captioner.limits import read_json

Kind = Literal["json", "rows", "table"]
_MAX_PARQUET_BYTES = 1 << 30
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_DELIMITERS = "\t,;"


@dataclass(frozen=True, slots=True)
class ListFile:
    """A parsed list.

    path: of the file; folder: where it lies. kind: json (value is anything), rows of JSONL, table with a heading; of
    both value is a list of (where, mapping). source: parquet, csv, ... for what people are told.
    """

    path: str
    folder: str
    kind: Kind
    value: Any
    source: str = ""


def parse(
    path: str, folder: str, start: bytes, text: Callable[[], str | None], read: Callable[[int], bytes]
) -> ListFile | None:
    """Args: start: its first bytes. text: all of it, None for none. read: its bytes. Returns: None: it lists nothing.

    Raises: CaptionerError: it begins like a list and cannot be read. MissingPackage: pyarrow is not here.
    """
    if start[:4] == b"PAR1":
        return ListFile(path, folder, "table", _parquet_rows(path, read(_MAX_PARQUET_BYTES)), "parquet")
    shown = _start_of(start)
    if shown[:1] in ("{", "["):
        found = text()
        return None if found is None else _json(path, folder, found)
    if delimiter := _delimiter(shown):
        found = text()
        return None if found is None else ListFile(path, folder, "table", _table_rows(path, found, delimiter), "csv")
    return None


def _start_of(start: bytes) -> str:
    """The first letters as far as they matter: signs that mean something are ASCII in every encoding."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start.decode("utf-16", "ignore").lstrip()
    return start.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip()


def _json(path: str, folder: str, text: str) -> ListFile | None:
    first, _, rest = text.strip().partition("\n")
    if first.startswith("{") and (not rest or rest.lstrip().startswith("{")):
        rows = _json_rows(path, text)
        if rows:
            return ListFile(path, folder, "rows", rows, "jsonl")
    try:
        return ListFile(path, folder, "json", read_json(text.strip(), path), "json")
    except CaptionerError:
        if path.lower().endswith(_JSON_SUFFIXES):
            raise
        return None  # TOML begins so too


def _json_rows(path: str, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    """An object a line; a line that is none is a row without anything, so that it is told of."""
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = read_json(line, path)
        except CaptionerError:
            value = {}
        if not rows and not (isinstance(value, Mapping) and any(key in value for key in PICTURE_KEYS)):
            return []
        rows.append((f"{path}:{number}", value if isinstance(value, Mapping) else {}))
    return rows


def _delimiter(start: str) -> str:
    """What parts the columns of a table whose heading names a picture and a caption; "" for no such table."""
    heading = start.split("\n", 1)[0].strip("\r")
    for delimiter in _DELIMITERS:
        names = [name.strip().strip('"').lower() for name in heading.split(delimiter)]
        if any(name in PICTURE_KEYS for name in names) and any(name in CAPTION_KEYS for name in names):
            return delimiter
    return ""


def _table_rows(path: str, text: str, delimiter: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        heading = [name.strip().lower() for name in next(reader)]
        return [(f"{path}:{reader.line_num}", dict(zip(heading, row, strict=False))) for row in reader if any(row)]
    except csv.Error as error:
        raise CaptionerError(f"{path} cannot be read as a table: {error}.", code="bad_list") from error


def _parquet_rows(path: str, data: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackage(f"{path} is Parquet, which needs pyarrow: pip install pyarrow") from error
    if len(data) >= _MAX_PARQUET_BYTES:
        raise CaptionerError(f"{path} is over 1 GB, too long to be read.", code="bad_list")
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        wanted = [name for name in file.schema_arrow.names if name.lower() in (*PICTURE_KEYS, *CAPTION_KEYS, "key")]
        columns = [_without_bytes(file.schema_arrow.field(name)) for name in wanted]
        rows = file.read(columns=columns).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CaptionerError(f"{path} is damaged or no Parquet; make it again.", code="bad_list") from error
    named = [{name.lower(): value for name, value in row.items()} for row in rows]
    return [(f"{path}:{number}", row) for number, row in enumerate(named, 1)]


def _without_bytes(field: Any) -> str:
    """A column, and of one that holds pictures themselves only their paths."""
    names = [child.name for child in field.flatten()] if str(field.type).startswith("struct") else []
    return f"{field.name}.path" if f"{field.name}.path" in names else str(field.name)
