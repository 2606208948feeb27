"""What is remembered within a number of bytes, as models do of pictures. Knows nothing of what it keeps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Values by key, the least recently used dropped when there are too many or too large.

    It keeps the newest even where that is too large by itself, unless memory is short (`grow_at_most`). Safe between
    threads.
    """

    def __init__(self, limit_bytes: int, limit_count: int = 512) -> None:
        """Args: limit_count: what bounds a small model's values, which would not reach the bytes in thousands."""
        self.limit_bytes = limit_bytes
        self.limit_count = limit_count
        self.size_bytes = 0
        self._room_bytes: int | None = None
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Value | None:
        """The value, which counts as used now; None when it is not kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def take(self, key: Hashable) -> Value | None:
        """The value, which is kept no longer; None when it was not."""
        with self._lock:
            value, size_bytes = self._kept.pop(key, (None, 0))
            self.size_bytes -= size_bytes
            return value

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        """Keep a value, replacing one of the same key."""
        with self._lock:
            if key in self._kept:
                self.size_bytes -= self._kept.pop(key)[1]
            self._kept[key] = value, size_bytes
            self.size_bytes += size_bytes
            while len(self._kept) > 1 and (self.size_bytes > self.limit_bytes or len(self._kept) > self.limit_count):
                self._drop()
            while self._room_bytes is not None and self.size_bytes > self._room_bytes:
                self._drop()

    def grow_at_most(self, more_bytes: int) -> None:
        """Take so many bytes more than now, and no more, until this is called again."""
        self._room_bytes = self.size_bytes + more_bytes

    def _drop(self) -> None:
        _, (_, dropped) = self._kept.popitem(last=False)
        self.size_bytes -= dropped

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.size_bytes = 0
