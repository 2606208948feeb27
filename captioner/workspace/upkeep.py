"""Looking after a workspace folder from outside, also while an app has it open: what it takes, whether it is whole, a
copy of it, and making it smaller, which wants it alone.

Reads the database through a connection of its own that writes nothing; knows no caption.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import StoreError
from captioner.files import written_whole
from captioner.workspace import checksums, space
from captioner.workspace.bin import Bin
from captioner.workspace.database import BUSY_TIMEOUT_S, DATABASE_NAME, Database
from captioner.workspace.deletion import discard_files
from captioner.workspace.disk import database_errors, file_errors
from captioner.workspace.files import PictureFiles
from captioner.workspace.owners import FILE_NAME as OWNERS_NAME
from captioner.workspace.schema import APPLICATION_ID, SCHEMA_VERSION, schema_version

COPY_TRIES = 3  # sets may be deleted while their pictures are copied
_CHUNK_BYTES = 4 << 20
_DIGESTS = "SELECT DISTINCT digest FROM pictures"

Beside = Callable[[Callable[[str], bool]], Mapping[str, Path]]
"""From whether sets name a word to files, by their names in a backup."""


@dataclass(frozen=True, slots=True)
class Freed:
    """What became free on the disk. file_bytes: of pictures and thumbnails; database_bytes: of the database."""

    file_bytes: int
    database_bytes: int


@dataclass(frozen=True, slots=True)
class Emptied:
    """What was deleted for good: sets of the bin, their pictures, those that were removed from other sets."""

    sets: int
    set_pictures: int
    removed_pictures: int
    freed: Freed


@dataclass(frozen=True, slots=True)
class Use:
    """What a workspace takes on the disk. other_bytes: copies of the database that updates and rescues left."""

    folder: Path
    database_bytes: int
    picture_bytes: int
    thumbnail_bytes: int
    other_bytes: int
    sets: Sequence[space.SetUse]


def disk_use(folder: Path) -> Use:
    """What a workspace takes, set by set, the largest first. Raises: StoreError: there is none, or it is damaged."""
    with _reading(folder) as db:
        sets = space.uses(db, PictureFiles(folder))
    database = [folder / (DATABASE_NAME + suffix) for suffix in ("", "-wal", "-shm")]
    return Use(
        folder=folder,
        database_bytes=_bytes(database),
        picture_bytes=_bytes((folder / "pictures").rglob("*")),
        thumbnail_bytes=_bytes((folder / "thumbnails").rglob("*")),
        other_bytes=_bytes(set(folder.glob("captions.*")) - set(database)),
        sets=sets,
    )


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with a workspace, in sentences: its database, and every picture's file, whose bytes are read.

    Raises: StoreError: there is none, or it cannot be read at all.
    """
    with _reading(folder) as db:
        damage = checksums.find_damage(db)
        if damage is not None:
            yield f"the database is damaged: {damage}; put a backup in its place."
        digests = [row[0] for row in db.execute(_DIGESTS)]
    files = PictureFiles(folder)
    for digest in digests:
        try:
            path = files.path(digest)
            if not path.is_file():
                yield f"the picture file {path} is missing; put it back from a backup, or add the picture again."
            elif _sha256(path) != digest:
                yield f"the picture file {path} was damaged; put it back from a backup, or add the picture again."
        except (StoreError, OSError) as error:
            yield str(error)


def compact(folder: Path) -> Freed:
    """Give back what deleted sets and edits have left of the disk.

    Raises: StoreError: another process has the workspace; there is none; the disk has no room for the second copy that
        SQLite makes meanwhile.
    """
    with _alone(folder) as database:
        before = _sizes(folder)
        discard_files(database, PictureFiles(folder))
        database.shrink()
        return _freed(before, _sizes(folder))


def empty(folder: Path) -> Emptied:
    """Delete for good, at once, all sets in the bin and all pictures that were removed from others; then as `compact`.

    Raises: StoreError: as `compact`.
    """
    with _alone(folder) as database:
        before, pictures = _sizes(folder), _picture_count(database)
        sets, removed = Bin(database, PictureFiles(folder), time.time).empty(kept_days=0)
        of_sets = pictures - _picture_count(database) - removed
        database.shrink()
        return Emptied(sets, of_sets, removed, _freed(before, _sizes(folder)))


def backup(folder: Path, target: Path, *, beside: Beside = lambda is_used: {}) -> int:
    """A zip of a workspace as it is at one moment, written whole or not at all; others go on working meanwhile.

    Unpacked into an empty folder it is a workspace. Pictures lie in it as they are, thumbnails are left out.

    Args: beside: gives further files, by their names in the zip; it is told which words the sets name.
    Returns: how many pictures' files are in it.
    Raises: StoreError: there is no workspace, or pictures of it are missing. OSError: the target cannot be written.
    """
    _there(folder)
    for _ in range(COPY_TRIES):
        try:
            return _pack(folder, target, beside)
        except FileNotFoundError as error:
            missing = error.filename  # of a set that was deleted meanwhile, or one that is lost
    raise StoreError(
        f"the picture file {missing} is missing, so that no whole backup can be made; python -m captioner workspace "
        "check lists what is.",
        code="picture_file_missing",
    )


def _pack(folder: Path, target: Path, beside: Beside) -> int:
    files = PictureFiles(folder)
    with tempfile.TemporaryDirectory(prefix="captioner-backup-", dir=target.parent) as temporary:
        copy, owners = Path(temporary) / DATABASE_NAME, Path(temporary) / OWNERS_NAME
        digests, extra = _copied(folder, copy, beside)
        if (folder / OWNERS_NAME).is_file():
            with closing(sqlite3.connect(folder / OWNERS_NAME)) as known, closing(sqlite3.connect(owners)) as target_db:
                known.backup(target_db)
        with (
            written_whole(target, is_durable=True) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True, strict_timestamps=False) as archive,
        ):
            archive.write(copy, DATABASE_NAME)
            if owners.exists():
                archive.write(owners, OWNERS_NAME)
            for digest in digests:
                archive.write(files.path(digest), f"pictures/{digest[:2]}/{digest}")
            for name, path in extra.items():
                archive.write(path, name)
    return len(digests)


def _copied(folder: Path, copy: Path, beside: Beside) -> tuple[list[str], Mapping[str, Path]]:
    """The database as it is now, in another file. Returns: the digests of its pictures, and what goes with it."""
    with _reading(folder) as db, closing(sqlite3.connect(copy, isolation_level=None)) as target:
        db.backup(target)
        checksums.prepare(target)
        digests = [row[0] for row in target.execute(_DIGESTS)]
        return digests, beside(lambda word: bool(space.sets_naming(target, word)))


def _there(folder: Path) -> Path:
    path = folder / DATABASE_NAME
    if not path.is_file():
        raise StoreError(f"there is no workspace in {folder}; give its folder with --workspace.", code="no_workspace")
    return path


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a workspace's database in the newest schema, whoever has it open; it writes nothing."""
    path = _there(folder)
    with file_errors(folder), database_errors(path):
        uri = path.resolve().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as db:
            checksums.prepare(db)
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise StoreError(f"{path} was not made by Captioner.", code="foreign")
            if (version := schema_version(db)) != SCHEMA_VERSION:
                raise StoreError(
                    f"{path} is of another version of Captioner (its schema is {version}, this one's "
                    f"{SCHEMA_VERSION}); start this app with it once, or update the app.",
                    code="other_version",
                )
            yield db


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


@contextmanager
def _alone(folder: Path) -> Iterator[Database]:
    """A workspace's database, held by nobody else meanwhile."""
    _there(folder)
    database = Database(folder)
    try:
        yield database
    finally:
        database.close()


def _picture_count(database: Database) -> int:
    with database.read() as db:
        return int(db.execute("SELECT COUNT(*) FROM pictures").fetchone()[0])


def _sizes(folder: Path) -> Freed:
    """What files and database take."""
    files = sum(_bytes((folder / kind).rglob("*")) for kind in ("pictures", "thumbnails"))
    return Freed(files, _bytes(folder / (DATABASE_NAME + suffix) for suffix in ("", "-wal", "-shm")))


def _freed(before: Freed, after: Freed) -> Freed:
    return Freed(max(0, before.file_bytes - after.file_bytes), max(0, before.database_bytes - after.database_bytes))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
