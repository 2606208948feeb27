"""Models at work side by side, where the threads that one computes with leave cores idle.

With as many threads as there are cores a second model would only get in the first one's way; with fewer, which is what
OMP_NUM_THREADS asks for, those that do not read each other look at a picture at once. Knows no plan and no picture.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def models_at_once() -> int:
    """How many models the cores are enough for, each with as many threads as torch takes; one before torch is there."""
    torch: Any = sys.modules.get("torch")
    return usable_cores() // torch.get_num_threads() if torch is not None else 1


class SideBySide:
    """Runs work of several models at once where that is of use. For one thread, and to be closed: `with`.

    Only of models that have been at work one after the other before (`learn`), all on the CPU: on a card they would
    take turns all the same, and need memory at the same time.
    """

    def __init__(self) -> None:
        self._devices: dict[str, str] = {}
        self._is_off = False
        self._pool: ThreadPoolExecutor | None = None

    def learn(self, family: str, device: str) -> None:
        """A model has worked, on this device."""
        self._devices[family] = device

    def is_of_use(self, families: Collection[str]) -> bool:
        """Whether these models should work at once."""
        are_known = all(self._devices.get(family) == "cpu" for family in families)
        return len(families) > 1 and are_known and not self._is_off and models_at_once() > 1

    def give_up(self) -> None:
        """From now on they work one after the other: something went wrong, perhaps for want of memory."""
        self._is_off = True

    def run(self, work: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each gives, in order; the first is done on the calling thread, as Ctrl+C ends that one at once.

        Raises: what the first one raised that failed, when all have ended.
        """
        self._pool = self._pool or ThreadPoolExecutor(max(1, models_at_once() - 1), "captioner-side-by-side")
        others = [self._pool.submit(one) for one in work[1:]]
        try:
            first = work[0]()
        except BaseException:
            for other in others:
                other.cancel()
            raise
        finally:
            for other in others:
                if not other.cancelled():
                    other.exception()
        return [first, *(other.result() for other in others)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
