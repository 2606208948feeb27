"""How much may be decoded at once, in bytes of memory and not in pictures. Knows no picture."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class DecodingBudget:
    """Bytes that threads share, handed out first come, first served, so that nobody waits for ever.

    Args: limit_bytes: who needs more gets all of it, and so is alone.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Wait for one's turn and for so many bytes, and keep them while the block runs. Not to be nested."""
        size_bytes = min(size_bytes, self._limit_bytes)
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                while self._waiting[0] is not turn or self._held_bytes + size_bytes > self._limit_bytes:
                    self._changed.wait()
                self._held_bytes += size_bytes
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._held_bytes -= size_bytes
                self._changed.notify_all()
