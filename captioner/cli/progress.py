"""How far a run is, on stderr: a bar on a terminal, a line now and then elsewhere. Knows nothing of what runs."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO

from captioner.cli.terminal import printable
from captioner.plural import plural

_BATCH_S = 0.1  # steps of the first batch end together; the rate counts from the last of them


class Progress:
    """A bar that steps aside while other lines are printed. Use as a context manager.

    Without a terminal (a log file, a pipe) a line is written every 10 seconds.
    """

    def __init__(self, total: int, one: str, several: str = "", *, stream: TextIO | None = None) -> None:
        """Args: one, several: what there are so many of, as `plural` takes them."""
        self._total = total
        self._of_all = printable(plural(total, one, several))  # it may name a folder of models
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._done = 0
        self._said_at = time.monotonic()
        self._quick = 0
        self._began_at: float | None = None
        self._first: tuple[int, float] | None = None  # the rate counts from the first step, which loads the models
        self._is_shown = False
        self._said = ""

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def step(self, done: int, *, quick: int = 0, said: str = "") -> None:
        """So many are done now.

        Args: quick: how many of them cost no time (pictures that keep their caption) and so tell nothing of the rest.
            said: what else is to be said, behind it.
        """
        self._done, self._quick, self._said = done, quick, said
        now = time.monotonic()
        self._began_at = self._began_at or (now if done > quick else None)
        if self._began_at is not None and now - self._began_at < _BATCH_S:
            self._first = (done - quick, now)
        if self._is_terminal:
            self._draw()
            return
        if done < self._total and now - self._said_at >= 10.0:
            self._said_at = now
            self._stream.write(f"{self._text()}\n")
            self._stream.flush()

    def clear(self) -> None:
        """Take the bar off the terminal, so that a line can be printed; the next `step` draws it again."""
        if self._is_shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._is_shown = False

    def _draw(self) -> None:
        if not self._is_terminal:
            return
        text = self._text()
        width = min(30, shutil.get_terminal_size().columns - len(text) - 4)
        filled = width * self._done // max(1, self._total)
        bar = f"[{'#' * filled}{'.' * (width - filled)}] " if width >= 5 else ""
        self._stream.write(f"\r\x1b[2K{bar}{text}")
        self._stream.flush()
        self._is_shown = True

    def _text(self) -> str:
        text = f"{self._done:,} of {self._of_all}"
        slow = self._done - self._quick
        if self._first is not None and self._first[0] < slow and self._done < self._total:
            first_slow, first_at = self._first
            left_s = (time.monotonic() - first_at) / (slow - first_slow) * (self._total - self._done)
            text += f", {_duration(left_s)} left"
        return f"{text}, {self._said}" if self._said else text


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
