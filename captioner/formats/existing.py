"""The captions that pictures bring along, in files beside them: which file it is, and what it says."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError
from captioner.formats.folders import FolderRun

CAPTION_SUFFIXES = (".txt", ".caption")
"""What may lie beside a picture as its caption; the first that is not blank counts."""

MAX_CAPTION_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Existing:
    """What lies beside a picture. text: "" where there is no caption. error: why it cannot be read.

    file: where it was found. aside: other captions that say something else.
    """

    text: str = ""
    error: CaptionerError | None = None
    file: Path | None = None
    aside: tuple[Path, ...] = ()

    def notes(self) -> list[str]:
        """What the person should know of the files that do not count, in sentences."""
        return [f"{file} is left aside: {self.file.name} counts." for file in self.aside if self.file]


def is_caption_name(name: str) -> bool:
    """Whether a file of this name beside pictures is a caption file."""
    return Path(name).suffix.lower() in CAPTION_SUFFIXES


def existing_captions(beside: FolderRun) -> list[Existing]:
    """The caption each picture of a run has beside it.

    Args: beside: the pictures in their own folders; its first suffix is that of the files that count first.
    """
    first = beside.suffixes[0]
    suffixes = (first, *(suffix for suffix in CAPTION_SUFFIXES if suffix != first))
    return [existing_of(beside.captions_of(place, suffixes)) for place in range(len(beside.places))]


def existing_of(files: Sequence[Path], read: Callable[[Path], str] | None = None) -> Existing:
    """The caption of a picture that these files may hold, the one that counts first.

    Args: read: the text of a file, "" where it is blank; None reads the disk. Raises nothing: see `Existing.error`.
    """
    chosen = Existing()
    aside = []
    for file in files:
        try:
            text = (read or read_caption_file)(file)
        except CaptionerError as error:
            if chosen.file is None:
                return Existing(error=error, file=file)
            aside.append(file)
            continue
        if text and chosen.file is None:
            chosen = Existing(text, file=file)
        elif text and text != chosen.text:
            aside.append(file)
    return Existing(chosen.text, None, chosen.file, tuple(aside))


def read_caption_file(path: Path) -> str:
    """The caption in a file; "" where it is blank, not there, or no regular file.

    Raises: CaptionerError: it is there and cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ""
        with path.open("rb") as file:
            return read_caption(file.read(MAX_CAPTION_BYTES + 1), path.name)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # the picture's name just fits, with .caption it does not
            return ""
        raise CaptionerError(
            f"{path.name} cannot be read ({error.strerror}); check its permissions.", code="bad_caption"
        ) from error


def read_caption(data: bytes, name: str) -> str:
    """The text of a caption file: UTF-8 with or without BOM, or UTF-16 with one; outer blanks removed, lines kept.

    Raises: CaptionerError: another encoding, or too long; names the file.
    """
    if len(data) > MAX_CAPTION_BYTES:
        raise CaptionerError(
            f"{name} is over {MAX_CAPTION_BYTES // 1_000_000} MB, too long for a caption; move it away or shorten it.",
            code="bad_caption",
        )
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(name) from error
    if "\x00" in text:  # UTF-16 without its mark, or UTF-32: half of it would be read as letters
        raise _not_text(name)
    return text.replace("\r\n", "\n").strip()


def _not_text(name: str) -> CaptionerError:
    return CaptionerError(f"{name} is not UTF-8 text; save it as UTF-8, or move it away.", code="bad_caption")
