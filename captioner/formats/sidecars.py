"""One caption file beside each picture: what the trainers ask for decides the rules.

- Two pictures with one stem (`a.jpg`, `a.png`) both survive: the second by name is `a_2`, its picture too when pictures
  are exported (`a_2.png`, `a_2.txt`). Without pictures only the caption file is called `a_2.txt`, and the result says
  which pictures to rename.
- Text is UTF-8 without a BOM. Composed captions have one line; those that a person wrote may have several.
- An empty file is an error to kohya's scripts, so an empty caption is one line break.

A further format is one more writer class in `WRITERS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.formats.format import ExportedFile, ExportItem, ExportResult, path_of
from captioner.formats.names import name_key, safe_folder, safe_name, split_name
from captioner.formats.ownership import Listing, Ownership, Wish
from captioner.formats.targets import Sink, readable
from captioner.images import format_by_start

_OTHER_BREAKS = re.compile(r"\s*[\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


@dataclass(frozen=True, slots=True)
class SidecarWriter:
    """A caption file beside each picture, named like it. suffix: .txt or .caption."""

    suffix: str

    def plan(self, items: Sequence[ExportItem], *, with_pictures: bool) -> list[ExportedFile]:
        """The names each item's files get in a zip, in order and all different; `ownership` says who gets which."""
        folders = [safe_folder(item.folder) for item in items]
        by_folder: dict[str, list[int]] = {}  # folders that are one on some system share their names
        for index, folder in enumerate(folders):
            by_folder.setdefault(name_key(folder), []).append(index)
        files: dict[int, ExportedFile] = {}
        for key, indices in by_folder.items():
            wishes = [self._wish(items[index], with_pictures) for index in indices]
            owners = Ownership(Listing(key), wishes, (self.suffix,), with_pictures=with_pictures, fit=safe_name)
            for index, place in zip(indices, owners.places(), strict=True):
                item, folder = items[index], folders[index]
                picture = path_of(folder, place.picture) if with_pictures else ""
                caption = path_of(folder, place.stem + self.suffix)
                files[index] = ExportedFile(item.name, caption, picture, item.folder)
        return [files[index] for index in range(len(items))]

    @staticmethod
    def _wish(item: ExportItem, with_pictures: bool) -> Wish:
        if not with_pictures:
            return Wish(item.name, lambda: item.digest)
        if item.picture is None:
            raise ValueError(f"no picture to export for {item.name!r}")
        return Wish(item.name, lambda: item.digest, suffix=picture_suffix(item.name, item.picture))


WRITERS: Mapping[str, SidecarWriter] = {"txt": SidecarWriter(".txt"), "caption": SidecarWriter(".caption")}
"""Export formats by name."""


class CaptionFiles:
    """Caption files, and pictures beside them by choice, put into a sink one by one. files: what each will be called.

    Raises: ExportError: a picture cannot be read.
    """

    def __init__(self, items: Sequence[ExportItem], *, format: str = "txt", with_pictures: bool = False) -> None:
        self._items = items
        self.files = WRITERS[format].plan(items, with_pictures=with_pictures)

    def add(self, sink: Sink, index: int, text: str) -> None:
        """The picture first, so that a caption file is never there without the picture it belongs to.

        Raises: ExportError.
        """
        file, picture = self.files[index], self._items[index].picture
        if file.picture:
            assert picture is not None
            sink.copy(file.picture, picture)
        sink.write(file.caption, caption_bytes(text))

    def result(self) -> ExportResult:
        """What there is to know of the files of all items, written or not, with the items' texts."""
        named = [(path_of(item.folder, item.name), item.text) for item in self._items]
        return ExportResult(
            tuple(self.files),
            tuple(name for name, text in named if not text.strip()),
            tuple(name for name, text in named if has_lines(text)),
        )


def caption_bytes(text: str) -> bytes:
    """A caption file's content: UTF-8 without BOM and NUL; a lone line break for an empty caption."""
    return caption_text(text).encode() or b"\n"


def caption_text(text: str) -> str:
    """A caption as files hold it: without BOM, NUL, halves of characters and outer blanks.

    Lines stay lines, since some trainers pick one of them; what no trainer reads as a line break becomes a blank.
    """
    lines = _OTHER_BREAKS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).replace("\x00", "").strip()
    while lines.startswith("\ufeff"):  # at the start of a file it would be its mark
        lines = lines[1:].strip()
    return lines.encode("utf-8", errors="replace").decode()


def has_lines(text: str) -> bool:
    """Whether a caption file of this text has several lines."""
    return b"\n" in caption_bytes(text).rstrip(b"\n")


def picture_suffix(name: str, picture: Path) -> str:
    """A picture's suffix, by its content where its name has none that trainers know."""
    return split_name(name)[1] or _suffix_by_content(picture)


def _suffix_by_content(picture: Path) -> str:
    """The suffix for a picture whose name has none that trainers know; "" where the content tells nothing."""
    with readable(picture) as file:
        kind = format_by_start(file.read(16))
    return {"JPEG": ".jpg", "TIFF": ".tif", "HEIF": ".heic", "": ""}.get(kind, f".{kind.lower()}")
