"""Files that come to a set from a person's disk: what each is, the folder it gets, and whose caption is whose.

The page and the HTTP API ask here, and `ownership` decides as it does on the disk. Knows no store and no disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.formats import passed_over
from captioner.formats.existing import CAPTION_SUFFIXES, Existing, existing_of, is_caption_name, read_caption
from captioner.formats.format import path_of
from captioner.formats.ownership import Listing, Ownership, Wish
from captioner.images import format_by_start
from captioner.limits import check_text

START_BYTES = 16
"""So many of a file's first bytes tell its format."""
LIST = "list"
"""The reason for a file that may list captions of many pictures, or hold a whole set: `imports` finds out."""
_LIST_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".zip", ".tar")
_LIST_STARTS = (b"PK\x03\x04", b"PAR1", b"{", b"[", b"\xef\xbb\xbf{", b"\xef\xbb\xbf[")
UNSURE = "unsure"
"""The reason for a file whose name does not tell what it is, and whose first bytes are not known yet."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that somebody chose.

    path: below what was chosen, with "/" between names. start: its first `START_BYTES` bytes, None: not looked at.
    """

    path: str
    start: bytes | None = None


@dataclass(frozen=True, slots=True)
class SortedFile:
    """What a file is. folder, name: where it goes in the set.

    reason: why it is left out, "" for a picture or a caption. picture: of a caption, the place of the picture among the
    same files that it belongs to; None where none of them.
    """

    folder: str
    name: str
    reason: str = ""
    is_caption: bool = False
    picture: int | None = None


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """A caption file as it came. folder: of the set."""

    name: str
    data: bytes
    folder: str = ""


def sort_files(files: Sequence[Incoming], *, include_masks: bool = False) -> list[SortedFile]:
    """What each of the files is, in order.

    Folders that all have in common and that hold nothing themselves are left away: of a folder `train` that holds
    only `10_sks dog` and `5_cat` these two are the set's folders; of a folder with pictures in it the name is kept.
    """
    reasons = [_reason(file, include_masks) for file in files]
    parts = [file.path.split("/") for file in files]
    depth = common_depth([names[:-1] for names, reason in zip(parts, reasons, strict=True) if not reason])
    found = [
        SortedFile("/".join(names[depth:-1]), names[-1], reason, not reason and is_caption_name(names[-1]))
        for names, reason in zip(parts, reasons, strict=True)
    ]
    return with_owners(found)


def with_owners(files: Sequence[SortedFile]) -> list[SortedFile]:
    """The same files, each caption with the place of its picture among them."""
    found = list(files)
    by_folder: dict[str, list[int]] = {}
    for place, file in enumerate(found):
        if not file.reason:
            by_folder.setdefault(file.folder, []).append(place)
    for places in by_folder.values():
        pictures = {found[place].name: place for place in places if not found[place].is_caption}
        captions = {found[place].name: place for place in places if found[place].is_caption}
        for picture, names in captions_of(list(pictures), list(captions)).items():
            for name in names:
                found[captions[name]] = replace(found[captions[name]], picture=pictures[picture])
    return found


def common_depth(folders: Sequence[list[str]]) -> int:
    """How many leading folders are left away, of those that pictures and captions lie in."""
    if not folders:
        return 0
    first, last = min(folders), max(folders)  # where one of them is what all begin with, it is the least
    depth = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return max(0, depth - 1) if len(first) == depth else depth


def _reason(file: Incoming, include_masks: bool) -> str:
    reason = passed_over.reason_for_path(file.path, include_masks=include_masks)
    if reason != "other":
        return reason
    if file.path.lower().endswith(_LIST_SUFFIXES) or (file.start or b"").startswith(_LIST_STARTS):
        return LIST
    if file.start is None:
        return UNSURE
    if format_by_start(file.start) in ("", "BMP"):  # BM begins words too
        return "other"
    return "name" if "/" in file.path else ""  # named one by one it is taken, as on the command line


def captions_of(pictures: Sequence[str], captions: Sequence[str]) -> dict[str, list[str]]:
    """The caption files of each picture of one folder, by name, the one that counts first."""
    wishes = [Wish(name, lambda: "", lies_there=True) for name in pictures]
    owners = Ownership(Listing("", frozenset([*pictures, *captions])), wishes, CAPTION_SUFFIXES[:1])
    return {wish.name: owners.captions_of(wish, CAPTION_SUFFIXES) for wish in wishes}


def read_captions(picture: str, files: Sequence[CaptionFile]) -> Existing:
    """The caption of one picture that its files hold, in whatever order they came.

    Args: picture: its name. Returns: also why there is none, in a sentence that names the file.
    """
    by_name = {file.name: file for file in files}
    own = [by_name[name] for name in captions_of([picture], list(by_name))[picture]]
    by_path = {Path(path_of(file.folder, file.name)): file for file in own}

    def read(path: Path) -> str:
        try:
            return check_text(read_caption(by_path[path].data, str(path)), str(path))
        except CaptionerError as error:
            raise CaptionerError(str(error), code="bad_caption") from error

    return existing_of(list(by_path), read)
