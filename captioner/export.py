"""Captions become files that trainers read: one caption file beside each picture, in a folder or a zip.

What the trainers ask for decides the rules:
- A caption file shares its picture's stem (`a.jpg`, `a.txt`). Two pictures with one stem (`a.jpg`, `a.png`) both
  survive: the later one becomes `a_2`, its picture too when pictures are exported (`a_2.png`, `a_2.txt`). Without
  pictures only the caption file is called `a_2.txt`, and the result says which pictures to rename.
- Names that differ only by case or by Unicode form count as equal, since they are one file on Windows and macOS.
- Only the first line of a caption file is read, so line breaks become spaces. Text is UTF-8 without a BOM.
- An empty file is an error to kohya's scripts, so an empty caption is one line break.
Every file is written under a temporary name and renamed when it is whole. Knows no page, no store and no model.

A further format is one more writer class in `WRITERS`.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from captioner.errors import CaptionerError, ExportError
from captioner.images import format_by_start, is_picture_name

CAPTION_SUFFIXES = (".txt", ".caption")
"""What may lie beside a picture as its existing caption; the first that is not blank counts."""

_MAX_NAME_BYTES = 255  # of one file name, on every common file system
_MAX_CAPTION_BYTES = 1_000_000
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
)
_LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
# Joiners and marks that mean nothing without the character they belong to: what a cut must not leave at the end.
_DANGLING = "\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


@dataclass(frozen=True, slots=True)
class ExportItem:
    """A caption to write.

    name: the picture's file name as the person knows it; data, never a path.
    picture: where the picture's original bytes are, for an export with pictures.
    folder: the subfolder it goes to, a relative path of our own making.
    """

    name: str
    text: str
    picture: Path | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """Under which names a picture's files were written, relative to the target, with "/" between folders.

    name: the picture's own name. picture: "" in an export without pictures.
    """

    name: str
    caption: str
    picture: str = ""

    @property
    def is_renamed(self) -> bool:
        """The caption file does not share the stem of the picture as the person knows it."""
        return Path(self.caption).stem != _split(self.name)[0]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written: every file, and the names of pictures whose caption is empty."""

    files: tuple[ExportedFile, ...]
    empty: tuple[str, ...] = ()

    @property
    def renamed(self) -> tuple[ExportedFile, ...]:
        """The files that could not have their picture's stem."""
        return tuple(file for file in self.files if file.is_renamed)

    def notes(self) -> list[str]:
        """What the person should know, in sentences; nothing when all went as expected."""
        return [rename_note(file) for file in self.renamed] + [f"{name} has an empty caption." for name in self.empty]


class Target(Protocol):
    """Where files go: a folder or a zip. Both raise ExportError for whatever the system refuses."""

    def write(self, name: str, data: bytes) -> None:
        """A whole file of these bytes. name: relative, with "/" between folders."""

    def copy(self, name: str, source: Path) -> None:
        """A whole copy of a file."""


class Writer(Protocol):
    """One export format."""

    def plan(self, items: Sequence[ExportItem], *, with_pictures: bool) -> list[ExportedFile]:
        """The names each item's files get, in order and all different; writes nothing."""

    def write(self, target: Target, file: ExportedFile, item: ExportItem) -> None:
        """Write one item's files under the planned names."""


@dataclass(frozen=True, slots=True)
class SidecarWriter:
    """A caption file beside each picture, named like it. suffix: .txt or .caption."""

    suffix: str

    def plan(self, items: Sequence[ExportItem], *, with_pictures: bool) -> list[ExportedFile]:
        """The first picture of a stem keeps it; the others get _2, _3, ... past names that are taken."""
        suffixes = [self._picture_suffix(item) if with_pictures else "" for item in items]
        room = [_MAX_NAME_BYTES - max(len(self.suffix), len(suffix)) for suffix in suffixes]
        stems = [safe_name(_split(item.name)[0], space) for item, space in zip(items, room, strict=True)]
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
                while (item.folder, name_key(numbered := _numbered(stem, number, room[index]))) in taken:
                    number += 1
                numbers[place] = number + 1
                stem = numbered
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
        return _split(item.name)[1] or _suffix_by_content(item.picture)

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
        stem = _split(picture.name)[0]
        first = firsts.setdefault((item.folder, name_key(stem)), picture.name)
        try:
            text = existing_caption(picture, Path(file.caption).stem) if file.is_renamed else ""
            if not text and (first == picture.name or not _share_captions(picture, _split(first)[0], stem)):
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
        stem = _split(picture.name)[0]
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


def safe_name(name: str, max_bytes: int = _MAX_NAME_BYTES) -> str:
    """A file name that every common system takes, as near to the given one as that allows; emoji stay.

    Separators, wildcards and control characters become "_", leading dots too; trailing dots and blanks go; names that
    Windows keeps for devices get a "_" before them; what is too long is cut between characters.
    """
    name = "".join("_" if _is_forbidden(letter) else letter for letter in name.lstrip(" ")[:max_bytes])
    name = "_" * (len(name) - len(name.lstrip("."))) + name.lstrip(".")
    while len(name.encode()) > max_bytes:
        name = name[:-1]
        if len(name.encode()) <= max_bytes:
            while name and (name[-1] in _DANGLING or unicodedata.combining(name[-1])):
                name = name[:-1]
    name = name.rstrip(". ")
    if name.partition(".")[0].rstrip(" ").lower() in _RESERVED:
        name = f"_{name}"
    return name if name.strip("_") else f"picture{name}"[:max_bytes]


def name_key(name: str) -> str:
    """Equal for names that are one file on a system that knows neither case nor Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def rename_note(file: ExportedFile) -> str:
    """What to tell about a file that could not have its picture's stem."""
    if file.picture:
        return f"{file.name} was exported as {file.picture} with {file.caption}."
    stem = Path(file.caption).stem
    return f"The caption of {file.name} is in {file.caption}; rename that picture to {stem} so that trainers find it."


@contextmanager
def folder_target(folder: Path) -> Iterator[Target]:
    """A folder to write to, made if need be, and taken away again if nothing came to be written into it.

    Files that were written stay, whatever happens later.

    Raises: ExportError: it is a file, or cannot be made or written to; known before anything is written.
    """
    missing = [parent for parent in (folder, *folder.parents) if not os.path.lexists(parent)]
    try:
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / _temporary_name()
            probe.touch()
            probe.unlink()
        yield _Folder(folder)
    finally:
        for made in missing:
            with suppress(OSError, ValueError):  # it is not empty, as it should be
                made.rmdir()


@contextmanager
def zip_target(path: Path) -> Iterator[Target]:
    """A zip that appears under its name when the block ends well; otherwise nothing is left of it.

    Raises: ExportError: it is a folder, or cannot be written; known before anything is written.
    """
    temporary = path.parent / _temporary_name()
    with _explained(path):
        with suppress(FileNotFoundError):  # a name that is too long shows here, not after the last picture
            if stat.S_ISDIR(path.stat().st_mode):
                raise ExportError(f"{path} is a folder; name the zip file to write.")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("wb")
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    try:
        yield _Zip(path, archive, file)
        with _explained(path):
            archive.close()
            _to_disk(file)
            file.close()
            temporary.replace(path)
    except BaseException:
        archive.fp = None  # else its clean-up writes on, to a full disk perhaps
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            temporary.unlink()
        raise


@dataclass(frozen=True, slots=True)
class _Folder:
    folder: Path

    def write(self, name: str, data: bytes) -> None:
        self._whole(name, lambda file: file.write(data))

    def copy(self, name: str, source: Path) -> None:
        with _readable(source) as original:
            self._whole(name, lambda file: shutil.copyfileobj(original, file, 1 << 20))

    def _whole(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        final = self.folder / name
        temporary = final.parent / _temporary_name()
        with _explained(final):
            try:
                final.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("xb") as file:
                    fill(file)
                    _to_disk(file)
                temporary.replace(final)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise


@dataclass(frozen=True, slots=True)
class _Zip:
    path: Path
    archive: zipfile.ZipFile
    file: BinaryIO

    def write(self, name: str, data: bytes) -> None:
        with _explained(self.path), self._whole_or_not():
            self.archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), data)

    def copy(self, name: str, source: Path) -> None:
        # Pictures are compressed already.
        with _readable(source) as original, _explained(self.path), self._whole_or_not():
            with self.archive.open(_entry(name, zipfile.ZIP_STORED), "w", force_zip64=True) as file:
                shutil.copyfileobj(original, file, 1 << 20)

    @contextmanager
    def _whole_or_not(self) -> Iterator[None]:
        """Take an entry out again that did not become whole: zipfile enters what was written of it as if it were."""
        archive = self.archive
        start, count = archive.start_dir, len(archive.filelist)
        try:
            yield
        except BaseException:
            for entry in archive.filelist[count:]:
                archive.NameToInfo.pop(entry.filename, None)
            del archive.filelist[count:]
            archive.start_dir = start
            with suppress(OSError):
                self.file.seek(start)
                self.file.truncate()
            raise


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    """A zip entry without a time, so that equal captions make equal zips."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _temporary_name() -> str:
    return f".captioner-{secrets.token_hex(8)}.part"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """OSErrors as one sentence about the target."""
    try:
        yield
    except FileExistsError as error:
        raise ExportError(f"{path} cannot be a folder, since a file of that name is there; name another.") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ExportError(f"{path} cannot be written: {reason}. Free space or name another place.") from error


@dataclass(frozen=True, slots=True)
class _Picture:
    """An open picture whose read errors are told apart from write errors of where it is copied to."""

    name: str
    file: BinaryIO

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self.file.read(size)
        except OSError as error:
            raise _unreadable(self.name, error) from error


@contextmanager
def _readable(source: Path) -> Iterator[_Picture]:
    try:
        file = source.open("rb")
    except OSError as error:
        raise _unreadable(source.name, error) from error
    with file:
        yield _Picture(source.name, file)


def _unreadable(name: str, error: OSError) -> ExportError:
    return ExportError(f"The picture {name} cannot be read: {error.strerror or error}. Copy it again or leave it out.")


def _is_forbidden(letter: str) -> bool:
    # Cc: control characters and NUL; Cs: halves of characters, which no file name can hold. The last two ranges turn
    # the direction of writing, so that a name can look like another.
    return (
        letter in '/\\:*?"<>|'
        or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
        or "\u202a" <= letter <= "\u202e"
        or "\u2066" <= letter <= "\u2069"
    )


def _numbered(stem: str, number: int, max_bytes: int) -> str:
    end = f"_{number}"
    return safe_name(stem, max_bytes - len(end)) + end


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix; only a picture's suffix is one ("notes.v2" has none, so that nothing is lost of the name)."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and is_picture_name(f"a.{suffix}") else (name, "")


def _suffix_by_content(picture: Path) -> str:
    """The suffix for a picture whose name has none that trainers know; "" where the content tells nothing."""
    with _readable(picture) as file:
        kind = format_by_start(file.read(16))
    return {"JPEG": ".jpg", "TIFF": ".tif", "HEIF": ".heic", "": ""}.get(kind, f".{kind.lower()}")
