"""How much may be decoded at once, in bytes of memory and not in pictures. Knows no picture."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DecodingBudget:
    """Bytes that threads share, handed out first come, first served, so that nobody waits for ever.

    Freed memory goes back to the system from time to time: glibc keeps a heap for each thread, and a picture in each
    adds up to gigabytes that nobody uses.

    Args: limit_bytes: who needs more gets all of it, and so is alone. give_back: called when half of it was freed.
    """

    def __init__(self, limit_bytes: int, give_back: Callable[[], None] = lambda: None) -> None:
        self._limit_bytes = limit_bytes
        self._give_back = give_back
        self._held_bytes = 0
        self._freed_bytes = 0
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
                is_much = self._is_much_freed()
                if is_much:
                    self._freed_bytes = 0
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            # Again, since whoever let bytes go still had the picture itself then.
            if is_much:
                self._give_back()
            yield
        finally:
            with self._changed:
                self._held_bytes -= size_bytes
                self._freed_bytes += size_bytes
                is_much = self._is_much_freed()
                self._changed.notify_all()
            if is_much:
                self._give_back()

    def _is_much_freed(self) -> bool:
        return 2 * self._freed_bytes >= self._limit_bytes
