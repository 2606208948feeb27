"""Which files are no pictures of a set, by their names: masks, hidden ones, thumbnails, formats that are not read.

The command line and the page ask here, so that both leave out the same and say it in the same words. Knows no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from captioner.formats.earlier import INDEX_NAME
from captioner.formats.existing import is_caption_name
from captioner.images import is_picture_name

_UNREAD = (
    "3fr ai arw cr2 cr3 dds dng eps exr hdr ico j2k jp2 jpf jpx jxl kra nef orf pbm pcx pef pgm pnm ppm psb psd qoi "
    "raf raw rw2 srw svg tga x3f xcf"
)
_UNREAD_SUFFIXES = frozenset(f".{suffix}" for suffix in _UNREAD.split())
_MASK_STEMS = ("-masklabel", "-condlabel")  # OneTrainer's
_MASK_FOLDERS = frozenset({"mask", "masks", "conditioning"})
_THUMBNAIL_FOLDERS = frozenset({"@eadir", ".@__thumb", ".thumbnails", ".picasaoriginals"})
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})

WORDS: Mapping[str, str] = {
    "format": "files of a format that is not read here (save them as PNG or JPEG)",
    "name": "pictures without a picture's name (rename them, or name them one by one)",
    "mask": "masks",
    "hidden": "hidden",
    "thumbnails": "a file server's thumbnails",
    "loop": "links to folders that are looked into already",
    "excluded": "excluded",
    "caption": "caption files",
    "other": "neither pictures nor captions",
}
"""Reasons to pass something over, in the order in which they are said, and how."""
MISSED = frozenset({"format", "name"})
"""Reasons where a person would have expected a caption all the same."""
_MAX_NAMES = 3


def reason_for_folder(name: str, *, include_masks: bool = False) -> str:
    """Why nothing is looked for in a folder of this name; "" where it is."""
    name = name.lower()
    if name in _THUMBNAIL_FOLDERS:
        return "thumbnails"
    if name.startswith(".") and name.strip("."):
        return "hidden"
    return "mask" if name in _MASK_FOLDERS and not include_masks else ""


def reason_for_mask(name: str, *, include_masks: bool = False) -> str:
    """ "mask" for a picture's name that says it is one; "" else."""
    is_mask = PurePosixPath(name.lower()).stem.endswith(_MASK_STEMS) and is_picture_name(name)
    return "mask" if is_mask and not include_masks else ""


def is_unread(name: str) -> bool:
    """Whether a name is that of a picture in a format that is not read here."""
    return PurePosixPath(name).suffix.lower() in _UNREAD_SUFFIXES


def reason_for_path(path: str, *, include_masks: bool = False) -> str:
    """Why a file is not for a set, by its path below what was chosen, with "/" between names.

    Returns: "" for a picture or a caption; "other" where only its content could tell.
    """
    *folders, name = path.split("/")
    for folder in folders:
        if reason := reason_for_folder(folder, include_masks=include_masks):
            return reason
    if name.startswith("."):
        return "hidden"
    if name.lower() in _SYSTEM_FILES or name == INDEX_NAME:
        return "hidden"
    if is_unread(name):
        return "format"
    if is_picture_name(name):
        return reason_for_mask(name, include_masks=include_masks)
    return "" if is_caption_name(name) else "other"


def notes(passed_over: Mapping[str, Sequence[str]], hint: Callable[[str], str] = lambda reason: "") -> list[str]:
    """What was passed over, in sentences. Args: passed_over: names by reason. hint: what to say behind a reason."""
    said = []
    for reason in (reason for reason in WORDS if passed_over.get(reason)):
        names = passed_over[reason]
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        shown = ", ".join(names[:_MAX_NAMES]) + more
        said.append(f"{len(names)} passed over as {WORDS[reason]}{hint(reason)}: {shown}.")
    return said
