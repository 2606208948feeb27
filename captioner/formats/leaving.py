"""Pictures on their way into a set: as they came, or made anew where the trainer would read them otherwise.

A picture that needs nothing keeps its bytes. Whether it does is told from the names of its parts, so that ten thousand
plain pictures cost little more than copying them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from captioner import images
from captioner.errors import BadPicture
from captioner.formats.trainers.target import SetSettings, Target
from captioner.plural import plural

_KIND_OF_FORMAT = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp"}
_SUFFIXES: Mapping[str, tuple[str, ...]] = {"jpeg": (".jpg", ".jpeg"), "png": (".png",), "webp": (".webp",)}
_BARELY = "its end marker was missing"  # a note of decoding that asks for no new file


@dataclass(frozen=True, slots=True)
class Left:
    """A picture as it leaves. source: its file, or the bytes of the one that was made. suffix: with its dot."""

    source: Path | bytes
    suffix: str


class PicturesLeaving:
    """Decides for each picture of a set, and counts in `changes` what was done to how many."""

    def __init__(self, target: Target, settings: SetSettings) -> None:
        self._target = target
        self._settings = settings
        self.changes: Counter[str] = Counter()
        self.count = 0

    def leave(self, source: Path, suffix: str) -> Left:
        """Args: suffix: that it would have in the set as it is.

        Raises: BadPicture: it has to be made anew and cannot be opened, or not be saved like that.
        """
        settings = self._settings
        if settings.conversion == "none" or not (settings.conversion == "all" or self._may_need(source, suffix)):
            return Left(source, suffix)
        return self._made(source, suffix)

    def would_make(self, notes: Collection[str], suffix: str) -> bool:
        """Whether a picture would be made anew, as far as its type and what opening it said tell that."""
        settings, target = self._settings, self._target
        is_needed = (
            bool(suffix and suffix not in target.reads)
            or (images.TURNED in notes and not target.turns)
            or (images.FRAMES in notes and not target.reads_frames)
        )
        return settings.with_pictures and (
            settings.conversion == "all" or (settings.conversion == "needed" and is_needed)
        )

    def _may_need(self, source: Path, suffix: str) -> bool:
        target = self._target
        if suffix not in target.reads:
            return bool(suffix)
        longest = self._settings.longest_edge
        try:
            with source.open("rb") as file:
                turns, frames = images.may_need_a_look(file)
        except OSError:
            return False  # copying it will say so
        if not (longest or (turns and not target.turns) or (frames and not target.reads_frames)):
            return False
        seen = images.glance(_bytes_of(source))
        return (
            (seen.is_turned and not target.turns)
            or (seen.has_frames and not target.reads_frames)
            or 0 < longest < seen.longer_px
        )

    def _made(self, source: Path, suffix: str) -> Left:
        settings, target = self._settings, self._target
        with images.opened_picture(_bytes_of(source)) as opened:
            own = _KIND_OF_FORMAT.get(opened.format, "png")
            kind = own if settings.picture_type == "same" else settings.picture_type
            changes = {
                "turned upright": images.TURNED in opened.notes,
                "transparency laid on white": images.ON_WHITE in opened.notes,
                "made smaller": 0 < settings.longest_edge < max(opened.image.size),
                f"saved as {kind.upper()}": opened.format != kind.upper() or suffix not in target.reads,
            }
            if not any(changes.values()) and not set(opened.notes) - {_BARELY}:
                return Left(source, suffix)
            data = images.encoded(
                opened.image, kind, longest_edge_px=settings.longest_edge, quality=settings.picture_quality
            )
        self.count += 1
        self.changes.update(what for what, is_done in changes.items() if is_done)
        return Left(data, suffix if suffix in _SUFFIXES[kind] else images.KINDS[kind])

    def notes(self) -> list[str]:
        """What became of the pictures, in a sentence."""
        if not self.count:
            return []
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.changes.items()))
        made = plural(self.count, "picture was", "pictures were")
        return [f"{made} converted for {self._target.title}{f': {done}' if done else ''}."]


def _bytes_of(source: Path) -> bytes:
    """Raises: BadPicture: it cannot be read, or is too big."""
    try:
        with source.open("rb") as file:
            return file.read(images.MAX_BYTES + 1)
    except OSError as error:
        raise BadPicture(f"The picture cannot be read ({error.strerror}); copy it again.", code="unreadable") from error
