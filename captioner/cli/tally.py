"""What became of the pictures of a command, added up as it is known and told at the end."""

from __future__ import annotations

from dataclasses import dataclass

from captioner.cli.terminal import note
from captioner.plural import plural


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
            note(f"captioner: stopped; {plural(left, 'picture was', 'pictures were')} not reached.")
        wrong = f", {self.glitches} of them {'look' if self.glitches > 1 else 'looks'} wrong" if self.glitches else ""
        where = f", written to {self.place}" if self.place and self.done else ""
        note(f"{self.done} captioned{wrong}, {self.failed} failed{where}")
        if self.is_stopped:
            return 130
        return 1 if self.failed or self.is_incomplete else 0
