"""How many questions at once a server answers fastest: one at first, twice as many where that was clearly faster.

Most servers that people run at home answer one after the other, so that more at once only make each wait longer; others
batch them. What is measured is what is done: whole batches, with their slowest answer. Knows no server.
"""

from __future__ import annotations

TIMED_BATCHES = 3
"""Of each size, before another is tried."""

GAIN = 1.15
"""So many times as many answers a second are worth more at once."""


class Pace:
    """The size to ask with, as batches are timed; one thread at a time."""

    def __init__(self) -> None:
        self._best = 1
        self._best_rate = 0.0  # answers a second
        self._trying: int | None = 1  # None once it is settled
        self._seconds: list[float] = []

    def at_once(self, most: int) -> int:
        """How many to ask now. Args: most: never more."""
        wanted = self._best if self._trying is None else self._trying
        return wanted if wanted <= most else min(self._best, most)

    def took(self, count: int, seconds: float, *, is_whole: bool = True) -> None:
        """Note a batch of so many that were asked at once. Args: is_whole: all were answered."""
        if count != self._trying:
            return
        if not is_whole and count > self._best:  # it is too much for the server
            self._trying = None
            return
        self._seconds.append(seconds)
        if len(self._seconds) < TIMED_BATCHES:
            return
        rate = count * len(self._seconds) / max(sum(self._seconds), 1e-6)
        self._seconds.clear()
        if count > 1 and rate < GAIN * self._best_rate:
            self._trying = None
            return
        self._best, self._best_rate, self._trying = count, rate, 2 * count
