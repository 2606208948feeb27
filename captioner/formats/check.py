"""A set of pictures and captions, checked for a trainer: what it would read otherwise than it was meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from captioner import images
from captioner.errors import CaptionerError
from captioner.formats.check_rules import RULES, Level, Rule, raising, token_limit
from captioner.formats.checked import Checked, Question
from captioner.formats.existing import CAPTION_SUFFIXES, existing_captions
from captioner.formats.folders import FolderRun
from captioner.formats.imports.source import Source
from captioner.formats.listed import Listed, listed_captions
from captioner.formats.trainers.target import Target
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
    paths: Sequence[Path],
    beside: FolderRun,
    count: Callable[[str], int],
    *,
    listed: Mapping[str, Listed] = MappingProxyType({}),
    opens: bool = True,
) -> Iterator[Checked]:
    """What there is to check of each picture.

    Args: beside: the pictures in their own folders. count: a text's tokens. listed: captions that stand elsewhere, by
        the picture's absolute path. opens: look into the pictures too, which takes longer.
    """
    for place, (path, caption) in enumerate(zip(paths, existing_captions(beside), strict=True)):
        files = [file for file in beside.captions_of(place, CAPTION_SUFFIXES) if file.is_file()]
        start = _start_of(caption.file or files[0]) if files else b""
        is_utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
        error = str(caption.error or ("it is UTF-16." if is_utf16 else ""))
        elsewhere = listed.get(os.path.abspath(path)) if listed else None  # noqa: PTH100 (a link stays one)
        own = Listed((caption.text,), False) if files else None
        yield _checked(
            Checked(
                path=str(path),
                name=path.name,
                has_mark=start == b"\xef\xbb\xbf",
                caption_suffix=(caption.file or files[0]).suffix.lower() if files else "",
                caption_error=error,
            ),
            elsewhere if elsewhere and (elsewhere.is_first or not files) else own,
            count,
            path if opens else None,
        )


def look_at_shards(
    source: Source, target: Target, count: Callable[[str], int], *, opens: bool = True
) -> Iterator[Checked]:
    """What there is to check of the pictures in a source's shards. Args: as `look_at`."""
    listed = listed_captions(source, target)
    for file in source.pictures:
        if file.is_sample:
            data = file.picture_bytes() if opens else None
            yield _checked(Checked(path=file.path, name=file.name), listed.get(file.path), count, data)


def _checked(
    known: Checked, caption: Listed | None, count: Callable[[str], int], picture: Path | bytes | None
) -> Checked:
    """With the caption and what is wrong with it, and what the picture says, where it is looked into."""
    notes, error = _looked_into(picture) if picture is not None else ((), "")
    text = caption.text if caption else ""
    return replace(
        known,
        text=caption.text if caption else None,
        tokens=caption.tokens(count) if caption else 0,
        picture_error=error,
        notes=notes,
        glitch=(find_glitch(text) or "") if text.strip() else "",
    )


def _looked_into(picture: Path | bytes) -> tuple[tuple[str, ...], str]:
    """What opening a picture said, and why it cannot be opened."""
    try:
        opened = images.open_picture(picture, follow_links=True)
    except CaptionerError as error:
        return (), str(error)
    return opened.notes, ""


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(3)
    except OSError:
        return b""
