"""The captions that pictures bring along, in files beside them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.formats.format import ExportItem
from captioner.formats.names import name_key, split_name
from captioner.formats.sidecars import SidecarWriter

CAPTION_SUFFIXES = (".txt", ".caption")
"""What may lie beside a picture as its existing caption; the first that is not blank counts."""

_MAX_CAPTION_BYTES = 1_000_000


def read_caption(data: bytes, name: str) -> str:
    """The text of a caption file: UTF-8 with or without BOM, or UTF-16 with one; outer blanks removed.

    Raises: CaptionerError: another encoding, or too long; names the file.
    """
    if len(data) > _MAX_CAPTION_BYTES:
        raise CaptionerError(
            f"{name} is over {_MAX_CAPTION_BYTES // 1_000_000} MB, too long for a caption; move it away or shorten it.",
            code="bad_caption",
        )
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding).replace("\x00", "").strip()
    except UnicodeDecodeError as error:
        raise CaptionerError(
            f"{name} is not UTF-8 text; save it as UTF-8, or leave it aside with existing = ignore.",
            code="bad_caption",
        ) from error


def existing_captions(pictures: Sequence[Path]) -> list[str | CaptionerError]:
    """The caption each picture of a run has already, or why it cannot be read.

    As `existing_caption`, but of pictures with one stem in one folder only the first has the file of that stem; the
    others have the file that a run into their own folder gives them (a.png after a.jpg: a_2.txt).
    """
    folders = {picture.parent: os.path.realpath(picture.parent) for picture in pictures}
    items = [ExportItem(picture.name, "", folder=folders[picture.parent]) for picture in pictures]
    files = SidecarWriter(CAPTION_SUFFIXES[0]).plan(items, with_pictures=False)
    found: list[str | CaptionerError] = []
    firsts: dict[tuple[str, str], str] = {}
    for picture, item, file in zip(pictures, items, files, strict=True):
        stem = split_name(picture.name)[0]
        first = firsts.setdefault((item.folder, name_key(stem)), picture.name)
        try:
            text = existing_caption(picture, Path(file.caption).stem) if file.is_renamed else ""
            if not text and (first == picture.name or not _share_captions(picture, split_name(first)[0], stem)):
                text = existing_caption(picture)
        except CaptionerError as error:
            found.append(error)
        else:
            found.append(text)
    return found


def _share_captions(picture: Path, stem: str, other: str) -> bool:
    """Whether two stems that differ at most by case or Unicode form mean one caption file in this folder."""
    if stem == other:
        return True
    with suppress(OSError):
        return any(
            picture.with_name(stem + suffix).samefile(picture.with_name(other + suffix)) for suffix in CAPTION_SUFFIXES
        )
    return False


def existing_caption(picture: Path, stem: str | None = None) -> str:
    """The caption file beside a picture, .txt before .caption; "" where there is none or only blank ones.

    Args: stem: the caption file's, where it is not the picture's.
    Raises: CaptionerError: it is there and cannot be read.
    """
    if stem is None:
        stem = split_name(picture.name)[0]
    for suffix in CAPTION_SUFFIXES:
        path = picture.with_name(stem + suffix)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                continue
            with path.open("rb") as file:
                text = read_caption(file.read(_MAX_CAPTION_BYTES + 1), path.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the picture's name just fits, with .caption it does not
                continue
            raise CaptionerError(
                f"{path.name} cannot be read ({error.strerror}); check its permissions.", code="bad_caption"
            ) from error
        if text:
            return text
    return ""
