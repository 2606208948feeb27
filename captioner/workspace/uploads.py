"""Pictures coming in: decoded, put on the disk under the hash of their bytes, then written as rows.

The rows come last, so that a picture that is in a set is on the disk.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from captioner.errors import BadPicture, SettingsError
from captioner.records import Picture
from captioner.workspace import edits
from captioner.workspace import views as reading
from captioner.workspace.checks import check_caption, check_folder, storable_name
from captioner.workspace.files import PictureFiles
from captioner.workspace.records import Refused, Upload

PREPARING_THREADS = min(4, os.cpu_count() or 1)  # Pillow decodes and shrinks outside Python's lock
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"  # safe in any file system, URL and HTML
_PICTURE_ID_LENGTH = 12  # 60 bits


class Prepared(NamedTuple):
    """A picture whose bytes are on the disk already, the caption that came beside it, and what it looks like; only its
    row is missing."""

    picture: Picture
    existing: str
    likeness: str


def prepare(files: PictureFiles, upload: Upload) -> Prepared:
    """Decode an upload and put its bytes on the disk. Runs beside other threads.

    Raises: BadPicture. SettingsError: its name or caption cannot be stored. StoreError: the disk is full.
    """
    from captioner import images  # loads Pillow, which nothing else here needs

    name, folder = storable_name(upload.name), check_folder(upload.folder)
    check_caption(upload.existing)
    digest = images.digest(upload.data)
    with images.opened_picture(upload.data) as opened:
        small = files.keep(digest, upload.data, lambda: images.thumbnail(opened.image))
        width, height = opened.image.size
    picture = Picture(
        id="".join(secrets.choice(_ID_LETTERS) for _ in range(_PICTURE_ID_LENGTH)),
        name=name,
        digest=digest,
        width=width,
        height=height,
        notes=opened.notes,
        folder=folder,
    )
    return Prepared(picture, upload.existing, _likeness(small))


def _likeness(small: bytes) -> str:
    """What a thumbnail looks like; "" where the disk has damaged it, which costs a place in a group and no picture."""
    from captioner import images

    try:
        return images.likeness(small)
    except BadPicture:
        return ""


def prepare_all(files: PictureFiles, uploads: Iterable[Upload]) -> list[Prepared | Refused]:
    """The same for several at once; one bad file costs one file."""

    def prepare_or_refuse(upload: Upload) -> Prepared | Refused:
        try:
            return prepare(files, upload)
        except (BadPicture, SettingsError) as error:
            return Refused(upload.name, error.code, str(error))

    with ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="add-pictures") as pool:
        return list(pool.map(prepare_or_refuse, uploads))


def insert(
    db: sqlite3.Connection, set_id: str, prepared: Sequence[Prepared], now: float, *, upload_id: str = ""
) -> list[Picture]:
    """Put prepared pictures into a set. One that is there already, of this name in this folder, is not doubled: it
    takes the caption that came along where it has none, as a step that undo takes back.

    Args: upload_id: captions that calls of one id give to pictures that were there are one step.
    Returns: for each, in order, the picture that is in the set.
    """
    set_key = reading.find_set(db, set_id)
    version = edits.new_version(db, set_key, now)
    found, captions = [], {}
    equal: dict[str, dict[str, Picture]] = {}  # by digest, then by place
    for picture, existing, likeness in prepared:
        if picture.digest not in equal:
            there = reversed(reading.of_digest(db, set_key, picture.digest))  # the first of several stays
            equal[picture.digest] = {_place(other): other for other in there}
        known = equal[picture.digest].setdefault(_place(picture), picture)
        found.append(known)
        if known is not picture:
            captions.update({known.id: existing} if existing else {})
            continue
        db.execute(
            "INSERT INTO pictures (set_key, id, name, digest, width, height, notes, folder, added_at, existing,"
            " version, layers_version, likeness) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(set_key, picture.id, picture.name, picture.digest, picture.width, picture.height),
                *(json.dumps(picture.notes), picture.folder, now, existing, version, version, likeness),
            ),
        )
    if captions:
        edits.set_existing(db, set_id, captions, now, upload_id=upload_id, is_where_none=True)
    return found


def _place(picture: Picture) -> str:
    """Folder and name, equal for those that are one on the disk whatever the Unicode form."""
    return unicodedata.normalize("NFC", f"{picture.folder}/{picture.name}")


def thumbnail(files: PictureFiles, digest: str) -> bytes:
    """The thumbnail of a stored picture as WebP, made again where there is none."""

    def make() -> bytes:
        from captioner import images

        with images.opened_picture(files.picture(digest)) as opened:
            return images.thumbnail(opened.image)

    return files.thumbnail(digest, make)
