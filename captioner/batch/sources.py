"""A SOURCE -> segments: what it holds, cut into pieces that are read one by one. Reads no picture.

    a folder or bucket of pictures, with all that lies below    so many pictures a segment
    a manifest: CSV, JSONL, or Parquet with addresses           so many rows a segment
    WebDataset shards (.tar), Parquet with pictures' bytes      a file a segment

What brings captions along is taken as `caption` takes it: files beside pictures, a caption column, a shard's texts.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any, Literal

from captioner.batch.columns import Columns, open_parquet
from captioner.batch.store import CannotRead, Store, full_address, protocol_of, split
from captioner.errors import CaptionerError
from captioner.formats import passed_over
from captioner.formats.existing import CAPTION_SUFFIXES, is_caption_name
from captioner.formats.imports.records import caption_of
from captioner.images import is_picture_name
from captioner.limits import read_json, shown
from captioner.plural import plural

Kind = Literal["pictures", "tar", "parquet"]
_MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson")
_REMOTE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "http", "https"})
"""What a manifest's row may name beside files where the manifest lies; other addresses could do anything."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a segment. address: of the folder it is in; name: of its file below. beside: caption files.

    existing: the caption that a manifest has. error: (code, message) of a row that names no picture. is_twin: another
    picture has its stem, so that a caption file beside it would be that one's.
    """

    key: str
    address: str = ""
    name: str = ""
    beside: tuple[str, ...] = ()
    existing: str = ""
    error: tuple[str, str] | None = None
    is_twin: bool = False

    @property
    def stem(self) -> str:
        """Where it lies, without its name's ending."""
        return posixpath.splitext(posixpath.normpath(posixpath.join(self.address, self.name)))[0]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a SOURCE. key: of a file with many pictures, what their keys begin with; items: of pictures.

    column: of a Parquet file, where its pictures are.
    """

    kind: Kind
    key: str = ""
    address: str = ""
    name: str = ""
    column: str = ""
    items: tuple[Item, ...] = ()


@dataclass(slots=True)
class Found:
    """What was seen of a SOURCE while it was cut: names passed over, by reason; rows that name one picture again.

    stems: hashes of `Item.stem`.
    """

    passed_over: dict[str, list[str]] = field(default_factory=dict)
    doubles: int = 0
    stems: set[int] = field(default_factory=set)

    def notes(self) -> list[str]:
        """In sentences."""
        said = passed_over.notes(self.passed_over)
        if self.doubles:
            rows = plural(self.doubles, "row names", "rows name")
            said.append(f"{rows} a picture that another row names too; it is captioned once.")
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to read a SOURCE. column: of a table, where the pictures or their addresses are; "" finds it by its name."""

    exclude: Sequence[str] = ()
    include_masks: bool = False
    column: str = ""
    part_pictures: int = 100


def segments(address: str, search: Search, found: Found, known: Collection[str] = ()) -> Iterator[Segment]:
    """The segments of a SOURCE, in the order of their names. Args: known: keys to leave out.

    Raises: CannotRead: it is not there, or may not be read. CaptionerError: it has no pictures, or no such column.
    """
    address = full_address(address)
    kind = _kind(address)
    if kind == "folder":
        store = Store.at(address)
        names = store.names()
        files = [name for name in names if name.endswith(".tar")] or [n for n in names if n.endswith(".parquet")]
        if files:
            yield from _files(store, files, search, found, known)
        else:
            _check_column(search)
            yield from _chunked(_pictures(store, names, search, found), search.part_pictures, found, known)
        return
    folder, name = split(address)
    store = Store.at(folder)
    if name.endswith((".tar", ".parquet")):
        yield from _files(store, [name], search, found, known)
    elif name.endswith(_MANIFESTS):
        yield from _chunked(_manifest(store, name, search), search.part_pictures, found, known)
    else:
        raise CannotRead(
            f"{shown(address)} is no source; give a folder or bucket of pictures, .tar shards, a .parquet file, or a "
            "manifest (.csv, .tsv, .jsonl)."
        )


def _kind(address: str) -> str:
    try:
        kind = Store.at(address).kind()
    except CannotRead as error:
        raise CannotRead(f"{error} Check the address and your rights.") from error
    if not kind:
        raise CannotRead(f"{shown(address)} is not there; check the address.")
    return kind


def _check_column(search: Search) -> None:
    if search.column:
        raise CannotRead(f"--column {search.column} has no effect: SOURCE is no table.", code="wrong_use")


def _pictures(store: Store, names: Sequence[str], search: Search, found: Found) -> Iterator[Item]:
    captions = {name for name in names if is_caption_name(name)}
    for name in names:
        reason = passed_over.reason_for_path(name, include_masks=search.include_masks)
        if any(fnmatch(name, one) or fnmatch(posixpath.basename(name), one) for one in search.exclude):
            reason = "excluded"
        if reason and reason != "other":
            found.passed_over.setdefault(reason, []).append(name)
        elif is_picture_name(posixpath.basename(name)):
            stem = str(PurePosixPath(name).with_suffix(""))
            beside = tuple(one for suffix in CAPTION_SUFFIXES if (one := stem + suffix) in captions)
            yield Item(key=name, address=store.address, name=name, beside=beside)


def _files(
    store: Store, names: Sequence[str], search: Search, found: Found, known: Collection[str]
) -> Iterator[Segment]:
    """Files with many pictures each; Parquet whose pictures lie elsewhere is read as a manifest."""
    for name in names:
        if name.endswith(".tar"):
            _check_column(search)
            if name not in known:
                yield Segment("tar", key=name, address=store.address, name=name)
            continue
        try:
            with open_parquet(store, name) as file:
                columns = Columns.of(file.schema_arrow, search.column, name)
        except CannotRead:
            if len(names) == 1:
                raise
            columns = Columns("", holds_bytes=True)  # damaged: its error is a row, when its turn comes
        if not columns.holds_bytes:
            rows = _table_items(store, name, columns.picture)
            yield from _chunked(rows, search.part_pictures, found, known)
        elif name not in known:
            yield Segment("parquet", key=name, address=store.address, name=name, column=columns.picture)


def _manifest(store: Store, name: str, search: Search) -> Iterator[Item]:
    with store.open(name) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as text:
        if name.endswith((".csv", ".tsv")):
            rows = csv.DictReader(text, delimiter="\t" if name.endswith(".tsv") else ",")
            picture = Columns.named(list(rows.fieldnames or ()), search.column, name)
            yield from _items(store, name, _csv_rows(rows), picture)
        else:
            yield from _json_items(store, name, text, search)


def _csv_rows(rows: csv.DictReader[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            row = {}
        yield rows.line_num, row


def _json_items(store: Store, name: str, lines: Iterable[str], search: Search) -> Iterator[Item]:
    picture = ""

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    row = read_json(line, name)
                except CaptionerError:
                    row = {}
                yield number, row if isinstance(row, Mapping) else {}

    for number, row in rows():
        picture = picture or (Columns.named(list(row), search.column, name) if row else "")
        yield from _items(store, name, [(number, row)], picture)


def _table_items(store: Store, name: str, picture: str) -> Iterator[Item]:
    with open_parquet(store, name) as file:
        number = 0
        for batch in file.iter_batches(batch_size=4096, columns=Columns.wanted(file.schema_arrow, picture)):
            rows = batch.to_pylist()
            yield from _items(store, name, enumerate(rows, number + 1), picture)
            number += len(rows)


def _items(store: Store, name: str, rows: Iterable[tuple[int, Mapping[str, Any]]], picture: str) -> Iterator[Item]:
    folder = posixpath.dirname(name)
    for number, row in rows:
        value = row.get(picture)
        if isinstance(value, Mapping):
            value = value.get("path")
        if not isinstance(value, str) or not value:
            said = f"Row {number} of {name} names no picture in {picture or 'any column'}; mend the row."
            yield Item(key=f"{name}:{number}", error=("bad_row", said))
            continue
        existing = caption_of(row) or ""
        protocol = protocol_of(value)
        if protocol and protocol not in _REMOTE:
            said = f"{shown(value)} is an address of a kind that is not read from manifests; use s3, gs or https."
            yield Item(key=value, error=("bad_row", said))
        elif protocol or value.startswith("/"):
            address, file = split(value)
            yield Item(key=value, address=address, name=file, existing=existing)
        else:
            below = posixpath.join(folder, value)
            yield Item(key=value, address=store.address, name=below, existing=existing)


def _or_twin(item: Item, stems: set[int]) -> Item:
    if not item.name:
        return item
    stem = hash(item.stem)
    if stem in stems:
        return dataclasses.replace(item, is_twin=True)
    stems.add(stem)
    return item


def _chunked(items: Iterable[Item], size: int, found: Found, known: Collection[str]) -> Iterator[Segment]:
    """So many items a segment, each key once."""
    chunk: list[Item] = []
    seen: set[int] = set()
    for item in items:
        if item.key in known:
            continue
        digest = hash(item.key)
        if digest in seen:
            found.doubles += 1
            continue
        seen.add(digest)
        chunk.append(_or_twin(item, found.stems))
        if len(chunk) == size:
            yield Segment("pictures", items=tuple(chunk))
            chunk = []
    if chunk:
        yield Segment("pictures", items=tuple(chunk))
