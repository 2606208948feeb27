"""Tables: which column has the pictures or their addresses. Opens Parquet; pyarrow is imported when one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from captioner.batch.store import CannotRead, Store
from captioner.errors import MissingPackage
from captioner.formats.imports.records import CAPTION_KEYS, PICTURE_KEYS

ADDRESS_COLUMNS = (*PICTURE_KEYS, "url", "image_url", "address")
BYTES_COLUMNS = ("jpg", "jpeg", "png", "webp", "image", "image_bytes", "bytes", "data", "img", "picture")
KEY_COLUMNS = ("key", "__key__", "id", *PICTURE_KEYS, "url")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table has its pictures. holds_bytes: themselves, not their addresses."""

    picture: str
    holds_bytes: bool

    @classmethod
    def of(cls, schema: Any, wanted: str, name: str) -> Columns:
        """Args: schema: pyarrow's. wanted: the column that a person names, "" to find it.

        Raises: CannotRead: there is none; names those that there are.
        """
        import pyarrow

        def has_bytes(column: str) -> bool:
            kind = schema.field(column).type
            if pyarrow.types.is_struct(kind):
                return bool(kind.get_field_index("bytes") >= 0)
            return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))

        names = list(schema.names)
        with_bytes = [column for column in names if has_bytes(column)]
        if wanted:
            return cls(cls.named(names, wanted, name), wanted in with_bytes)
        known = [column for column in BYTES_COLUMNS if column in with_bytes] or with_bytes
        if known:
            return cls(known[0], True)
        return cls(cls.named(names, "", name), False)

    @staticmethod
    def named(names: Sequence[str], wanted: str, name: str) -> str:
        """The column with addresses. Raises: CannotRead: there is none."""
        if wanted in names:
            return wanted
        found = next((column for column in ADDRESS_COLUMNS if column in names), "")
        if wanted or not found:
            missing = f"has no column {wanted}" if wanted else "has no column that names pictures"
            raise CannotRead(f"{name} {missing}; its columns are {', '.join(names) or 'none'}. Give --column NAME.")
        return found

    @staticmethod
    def wanted(schema: Any, picture: str) -> list[str]:
        """What is read of a table: the pictures, their keys, and captions that come along."""
        return [name for name in schema.names if name in (picture, *KEY_COLUMNS, *CAPTION_KEYS, "tags")]


@contextmanager
def open_parquet(store: Store, name: str) -> Iterator[Any]:
    """pyarrow's ParquetFile. Raises: CannotRead: it is damaged or not there. MissingPackage: pyarrow is not here."""
    parquet = load_parquet(name)
    try:
        with store.open(name) as raw:
            yield parquet.ParquetFile(raw)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise CannotRead(f"{name} is damaged or no Parquet; make it again.", code="bad_shard") from error


def load_parquet(name: str) -> Any:
    """pyarrow.parquet. Raises: MissingPackage."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackage(
            f"{name} needs pyarrow: pip install -r requirements-batch.txt, or choose --format jsonl"
        ) from error
    return pyarrow.parquet
