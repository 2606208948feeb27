"""One caption file beside each picture: what the trainers ask for decides the rules.

- Two pictures with one stem (`a.jpg`, `a.png`) both survive: the later one becomes `a_2`, its picture too when pictures
  are exported (`a_2.png`, `a_2.txt`). Without pictures only the caption file is called `a_2.txt`, and the result says
  which pictures to rename.
- Only the first line of a caption file is read, so line breaks become spaces. Text is UTF-8 without a BOM.
- An empty file is an error to kohya's scripts, so an empty caption is one line break.

A further format is one more writer class in `WRITERS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.formats.format import ExportedFile, ExportItem, ExportResult, Target, Writer
from captioner.formats.names import MAX_NAME_BYTES, name_key, numbered, safe_name, split_name
from captioner.formats.targets import folder_target, readable, zip_target
from captioner.images import format_by_start

_LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


@dataclass(frozen=True, slots=True)
class SidecarWriter:
    """A caption file beside each picture, named like it. suffix: .txt or .caption."""

    suffix: str

    def plan(self, items: Sequence[ExportItem], *, with_pictures: bool) -> list[ExportedFile]:
        """The first picture of a stem keeps it; the others get _2, _3, ... past names that are taken."""
        suffixes = [self._picture_suffix(item) if with_pictures else "" for item in items]
        room = [MAX_NAME_BYTES - max(len(self.suffix), len(suffix)) for suffix in suffixes]
        stems = [safe_name(split_name(item.name)[0], space) for item, space in zip(items, room, strict=True)]
        taken: set[tuple[str, str]] = set()
        firsts: set[int] = set()
        for index, (item, stem) in enumerate(zip(items, stems, strict=True)):
            if (item.folder, name_key(stem)) not in taken:
                taken.add((item.folder, name_key(stem)))
                firsts.add(index)
        files = []
        numbers: dict[tuple[str, str], int] = {}
        for index, (item, stem) in enumerate(zip(items, stems, strict=True)):
            if index not in firsts:
                place = (item.folder, name_key(stem))
                number = numbers.get(place, 2)
                while (item.folder, name_key(next_stem := numbered(stem, number, room[index]))) in taken:
                    number += 1
                numbers[place] = number + 1
                stem = next_stem
                taken.add((item.folder, name_key(stem)))
            path = f"{item.folder}/{stem}" if item.folder else stem
            files.append(
                ExportedFile(item.name, f"{path}{self.suffix}", f"{path}{suffixes[index]}" if with_pictures else "")
            )
        return files

    @staticmethod
    def _picture_suffix(item: ExportItem) -> str:
        if item.picture is None:
            raise ValueError(f"no picture to export for {item.name!r}")
        return split_name(item.name)[1] or _suffix_by_content(item.picture)

    def write(self, target: Target, file: ExportedFile, item: ExportItem) -> None:
        """The picture first, so that a caption file is never there without the picture it belongs to."""
        if file.picture:
            assert item.picture is not None
            target.copy(file.picture, item.picture)
        target.write(file.caption, caption_bytes(item.text))


WRITERS: Mapping[str, Writer] = {"txt": SidecarWriter(".txt"), "caption": SidecarWriter(".caption")}
"""Export formats by name."""


def write_sidecars(
    captions: Iterable[ExportItem],
    target: Path,
    *,
    format: str = "txt",
    with_pictures: bool = False,
    as_zip: bool | None = None,
) -> ExportResult:
    """Write all captions to a folder (made if need be) or to a zip, which appears only when it is whole.

    In a folder, files of the same name are replaced.

    Args: as_zip: None means by the target's name, .zip or not.
    Raises: ExportError: the target cannot be written, or a picture cannot be read.
    """
    items = list(captions)
    writer = WRITERS[format]
    files = writer.plan(items, with_pictures=with_pictures)
    is_zip = target.suffix.lower() == ".zip" if as_zip is None else as_zip
    with zip_target(target) if is_zip else folder_target(target) as opened:
        for file, item in zip(files, items, strict=True):
            writer.write(opened, file, item)
    return ExportResult(tuple(files), tuple(item.name for item in items if not item.text.strip()))


def caption_bytes(text: str) -> bytes:
    """A caption file's content: one line of UTF-8 without BOM and NUL, a lone line break for an empty caption."""
    line = _LINE_BREAKS.sub(" ", text).replace("\x00", "").strip()
    return line.encode("utf-8", errors="replace") or b"\n"


def _suffix_by_content(picture: Path) -> str:
    """The suffix for a picture whose name has none that trainers know; "" where the content tells nothing."""
    with readable(picture) as file:
        kind = format_by_start(file.read(16))
    return {"JPEG": ".jpg", "TIFF": ".tif", "HEIF": ".heic", "": ""}.get(kind, f".{kind.lower()}")
