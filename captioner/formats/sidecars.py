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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.formats.format import ExportedFile, ExportItem, ExportResult, path_of
from captioner.formats.names import name_key, safe_folder, safe_name, split_name
from captioner.formats.ownership import Listing, Ownership, Wish
from captioner.formats.targets import ZipTarget, readable, zip_target
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

    def write(self, target: ZipTarget, file: ExportedFile, item: ExportItem) -> None:
        """The picture first, so that a caption file is never there without the picture it belongs to."""
        if file.picture:
            assert item.picture is not None
            target.copy(file.picture, item.picture)
        target.write(file.caption, caption_bytes(item.text))


WRITERS: Mapping[str, SidecarWriter] = {"txt": SidecarWriter(".txt"), "caption": SidecarWriter(".caption")}
"""Export formats by name."""


def write_zip(
    captions: Iterable[ExportItem],
    target: Path,
    *,
    format: str = "txt",
    with_pictures: bool = False,
    notes: Mapping[str, str] | None = None,
) -> ExportResult:
    """Write all captions to a zip, which appears only when it is whole.

    Args: notes: what the person should read, as texts by file name; in the zip too.
    Raises: ExportError: the target cannot be written or is not ours, or a picture cannot be read.
    """
    items = list(captions)
    writer = WRITERS[format]
    files = writer.plan(items, with_pictures=with_pictures)
    with zip_target(target) as opened:
        for file, item in zip(files, items, strict=True):
            writer.write(opened, file, item)
        for name, text in (notes or {}).items():
            opened.write(name, text.encode())
    return _result(files, items)


def result_of(captions: Iterable[ExportItem], *, format: str = "txt", with_pictures: bool = False) -> ExportResult:
    """What `write_zip` would write, without writing it."""
    items = list(captions)
    return _result(WRITERS[format].plan(items, with_pictures=with_pictures), items)


def _result(files: Sequence[ExportedFile], items: Sequence[ExportItem]) -> ExportResult:
    return ExportResult(
        tuple(files),
        tuple(path_of(item.folder, item.name) for item in items if not item.text.strip()),
        tuple(path_of(item.folder, item.name) for item in items if has_lines(item.text)),
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
