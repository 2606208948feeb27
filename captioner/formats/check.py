"""A set of pictures and captions, checked for a trainer: what it would read otherwise than it was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner import images
from captioner.errors import CaptionerError
from captioner.formats.check_rules import RULES, Level, Rule, raising, token_limit
from captioner.formats.checked import Checked, Question
from captioner.formats.existing import CAPTION_SUFFIXES, existing_captions
from captioner.formats.folders import FolderRun
from captioner.glitches import find_glitch


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that pictures of a set break. advice: what to do, for that trainer and model."""

    rule: Rule
    level: Level
    what: str
    advice: str
    pictures: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rule": self.rule.key,
            "level": self.level,
            "count": len(self.pictures),
            "what": self.what,
            "advice": self.advice,
            "mended_by_export": self.rule.is_mended,
            "pictures": list(self.pictures),
        }


def check_set(pictures: Sequence[Checked], question: Question) -> list[Finding]:
    """What the trainer stumbles over, errors first; nothing where all is well."""
    found = []
    for rule in RULES:
        level = rule.levels.get(question.trainer)
        broken = rule.find(pictures, question) if level else []
        if level and broken:
            advice = rule.advice.replace("{raise}", raising(question))
            paths = tuple(picture.path for picture in broken)
            found.append(Finding(rule, level, _what(rule, broken, question), advice, paths))
    return sorted(found, key=lambda finding: finding.level)


def _what(rule: Rule, broken: Sequence[Checked], question: Question) -> str:
    what = rule.what.replace("{limit}", str(token_limit(question)))
    if rule.key == "tokens" and not question.is_exact:
        what += f", about {max(picture.tokens for picture in broken)} in the longest"
    return what


def look_at(
    paths: Sequence[Path], beside: FolderRun, count: Callable[[str], int], *, opens: bool = True
) -> Iterator[Checked]:
    """What there is to check of each picture.

    Args: beside: the pictures in their own folders. count: a text's tokens. opens: look into the pictures too, which
        takes longer.
    """
    for place, (path, caption) in enumerate(zip(paths, existing_captions(beside), strict=True)):
        files = [file for file in beside.captions_of(place, CAPTION_SUFFIXES) if file.is_file()]
        start = _start_of(caption.file or files[0]) if files else b""
        notes, error = _looked_into(path) if opens else ((), "")
        is_utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
        yield Checked(
            path=str(path),
            name=path.name,
            text=caption.text if files else None,
            tokens=count(caption.text) if caption.text else 0,
            has_mark=start == b"\xef\xbb\xbf",
            caption_suffix=(caption.file or files[0]).suffix.lower() if files else "",
            caption_error=str(caption.error or ("it is UTF-16." if is_utf16 else "")),
            picture_error=error,
            notes=notes,
            glitch=(find_glitch(caption.text) or "") if caption.text.strip() else "",
        )


def _looked_into(path: Path) -> tuple[tuple[str, ...], str]:
    """What opening a picture said, and why it cannot be opened."""
    try:
        opened = images.open_picture(path, follow_links=True)
    except CaptionerError as error:
        return (), str(error)
    return opened.notes, ""


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(3)
    except OSError:
        return b""
