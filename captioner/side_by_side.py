"""Work of models side by side, where the threads that one computes with leave cores idle.

With as many threads as there are cores a second model would only get in the first one's way; with fewer, which is what
OMP_NUM_THREADS asks for, models that do not read each other look at pictures at once, and parts of a batch too. Knows
no plan and no picture.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Self, TypeVar

Result = TypeVar("Result")

MAX_AT_ONCE = 4

_CORE = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
"""Where Linux says which hardware threads are of one core."""


_given: list[int] = []
"""How many cores this process was told to count on, if it was."""


def keep_to(cores: float) -> None:
    """Count on so many cores at most, and on one at least: other processes were given the others."""
    _given[:] = [max(1, int(cores))]


def usable_cores() -> int:
    """The cores that this process may use. On Linux two hardware threads of one core count once: torch takes no more
    threads than cores by itself, and then none is idle."""
    return min([_cores_here(), *_given])


def _cores_here() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len({_core_of(cpu, _CORE) for cpu in os.sched_getaffinity(0)})
    return os.cpu_count() or 1


@cache
def _core_of(cpu: int, where: str) -> str:
    try:
        return Path(where.format(cpu)).read_text()
    except OSError:  # as in some sandboxes
        return str(cpu)


def models_at_once() -> int:
    """How many models the cores are enough for, each with as many threads as torch takes, or will take; four at most,
    since other processes may count on the same cores."""
    threads = getattr(sys.modules.get("torch"), "get_num_threads", _threads_asked_for)()
    return max(1, min(MAX_AT_ONCE, usable_cores() // threads))


def _threads_asked_for() -> int:
    """What torch, which is not there yet, will go by; as many as there are cores where nothing is said."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else usable_cores()


class SideBySide:
    """Runs pieces of work at once, as many as there are cores for. For one thread, and to be closed: `with`.

    For models without a budget alone, which those at work at once could not keep: none of them steps back for another.
    """

    def __init__(self) -> None:
        self._is_off = False
        self._pool: ThreadPoolExecutor | None = None

    def places(self) -> int:
        """How many pieces are worked on at once."""
        return 1 if self._is_off else models_at_once()

    def give_up(self) -> None:
        """From now on one piece after the other: something went wrong, perhaps for want of memory."""
        self._is_off = True

    def run(self, work: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each gives, in order. They are begun in order too; the calling thread does the first, and others.

        Raises: what went wrong first, when all that had begun have ended; nothing is begun after that.
        """
        waiting = deque(enumerate(work))
        found: dict[int, Result] = {}

        def work_on(piece: tuple[int, Callable[[], Result]] | None) -> None:
            while piece is not None:
                number, one = piece
                try:
                    found[number] = one()
                except BaseException:
                    waiting.clear()
                    raise
                piece = _first_of(waiting)

        first, *others = [waiting.popleft() for _ in range(min(self.places(), len(work)))]
        self._pool = self._pool or ThreadPoolExecutor(max(1, models_at_once() - 1), "captioner-side-by-side")
        at_work = []
        try:
            for piece in others:
                at_work.append(self._pool.submit(work_on, piece))
            work_on(first)
        except BaseException:
            waiting.clear()
            raise
        finally:
            wait(at_work)
        for one in at_work:
            one.result()
        return [found[number] for number in range(len(work))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _first_of(waiting: deque[Result]) -> Result | None:
    """Taken away; None where another thread was faster."""
    try:
        return waiting.popleft()
    except IndexError:
        return None
