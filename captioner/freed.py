"""Memory that was freed and its way back to the system, and Python's own searches for what can be freed. Knows nobody
who frees some."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache

from captioner.together import Together


def give_back_freed() -> None:
    """Give what was freed of the processor's memory, in whatever thread, back to the system, in some 10 ms.

    glibc keeps it for later: 430 MB after a batch of BLIP base, 250 MB after an ONNX file of 380 MB was opened, a
    picture for each thread that decodes. Other systems give it back by themselves.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    trim: Callable[[int], int] | None = (
        getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    )
    return trim


class Rest:
    """Calls a function a while after work has ended, unless work began since; and where work never rests, every so
    often between two pieces of it."""

    def __init__(
        self,
        wait_s: float,
        then: Callable[[], None] = give_back_freed,
        *,
        at_least_every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: then: called on a thread of its own, or on one that has just ended its work."""
        self._wait_s = wait_s
        self._then = then
        self._every_s = at_least_every_s
        self._clock = clock
        self._called_at = clock()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def work_began(self) -> None:
        """Or there will be none any more."""
        with self._lock:
            self._cancel()

    def work_ended(self) -> None:
        """A rest that had begun begins anew."""
        with self._lock:
            self._cancel()
            is_due = self._clock() >= self._called_at + self._every_s
            if not is_due:
                self._timer = threading.Timer(self._wait_s, self._call)
                self._timer.daemon = True
                self._timer.start()
        if is_due:
            self._call()

    def _call(self) -> None:
        self._called_at = self._clock()
        self._then()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


@Together
@contextlib.contextmanager
def searches_paused() -> Iterator[None]:
    """Python's searches for what can be freed wait. For what makes a lot that stays: while torch and transformers are
    imported, each search looks at all that came so far, which is a quarter of the time that they take."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
