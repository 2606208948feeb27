"""What is switched for the whole process while threads are within it: by the first that comes, and back by the last
that goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class Together:
    """A context for all threads at once, made of one for the process: `with` what this is called with."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        """Args: make: gives the process's own, entered once and left once, perhaps by another thread."""
        self._make = make
        self._lock = threading.Lock()
        self._within = 0
        self._whole = make()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """On as long as any thread is within it."""
        with self._lock:
            if not self._within:
                self._whole = self._make()
                self._whole.__enter__()
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    self._whole.__exit__(None, None, None)
