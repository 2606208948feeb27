"""What became of the pictures of a command, told as it is known and added up at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.captions.layers import selected_tags
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.cli.terminal import note, say, say_json
from captioner.glitches import GLITCHES
from captioner.pipeline import Captioned


@dataclass(slots=True)
class Tally:
    """How many of a run's pictures are done and failed so far, and whether Ctrl+C ended it.

    is_incomplete: something gave no caption that is not among the pictures, such as an empty folder. place: where a
    whole set goes. glitches: how many of the captions look wrong.
    """

    total: int
    is_incomplete: bool = False
    place: str = ""
    done: int = 0
    failed: int = 0
    glitches: int = 0
    has_begun: bool = False
    is_stopped: bool = False

    def end(self) -> int:
        """Print the last lines on stderr. Returns: the exit status."""
        if self.is_stopped:
            left = self.total - self.done - self.failed
            note(f"captioner: stopped; {left} pictures were not reached.")
        wrong = f", {self.glitches} of them {'look' if self.glitches > 1 else 'looks'} wrong" if self.glitches else ""
        where = f", written to {self.place}" if self.place and self.done else ""
        note(f"{self.done} captioned{wrong}, {self.failed} failed{where}")
        if self.is_stopped:
            return 130
        return 1 if self.failed or self.is_incomplete else 0


def show_result(path: Path, captioned: Captioned, plan: Plan, *, as_json: bool) -> bool:
    """One picture's result: a line of text, its error on stderr; or one JSON object on stdout either way.

    Returns: whether the caption looks wrong, which is said on stderr.
    """
    error, caption = captioned.error, captioned.caption
    reading = Reading(captioned.layers, plan)
    glitch = reading.glitch if caption is not None else None
    if as_json:
        say_json(_as_json(path, captioned, plan, reading, glitch))
    elif error is not None:
        note(f"{path}: {error}")
    elif caption is not None:
        say(f"{path}: {' '.join(caption.text.split())}")
    if glitch is not None:
        again = f", asked {reading.redrawn + 1} times" if reading.redrawn else ""
        note(f"{path}: this caption looks wrong: {GLITCHES[glitch]}{again}.")
    return glitch is not None


def _as_json(path: Path, captioned: Captioned, plan: Plan, reading: Reading, glitch: str | None) -> dict[str, Any]:
    error, caption = captioned.error, captioned.caption
    sentence = next((layer.sentence.text for layer in captioned.layers if layer.sentence is not None), None)
    tags = selected_tags(captioned.layers, plan)
    return {
        "picture": str(path),
        "caption": caption.text if caption else None,
        "sentence": sentence,
        "tags": [{"name": tag.name, "score": round(tag.score, 6), "source": tag.source} for tag in tags],
        "asked": reading.asked or None,
        "redrawn": reading.redrawn,
        "glitch": glitch,
        "error": {"code": error.code, "message": str(error)} if error else None,
    }
