"""Memory that runs out: telling that it did, and asking for less at once. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from captioner.errors import OutOfMemory
from captioner.freed import give_back_freed

Item = TypeVar("Item")
Result = TypeVar("Result")

# As torch (on the CPU, in the driver, cuBLAS, cuDNN) and onnxruntime (its arena, cudaMalloc) say it.
_SAID = (
    "out of memory",
    "alloc_failed",
    "failed to allocate",
    "smaller than requested",
    "can't allocate memory",
    "not enough memory",
    "bad allocation",
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in whatever form a library says it."""
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # Errors of a person's making (a path of that name, say) are no RuntimeErrors; onnxruntime's share no base.
    is_of_a_library = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return is_of_a_library and any(words in str(error).lower() for words in _SAID)


def free_cached_memory() -> None:
    """Give back what torch keeps of a card's memory for later, where torch was used, and what the system can have."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    give_back_freed()


@dataclass(frozen=True, slots=True)
class Room:
    """How models that nobody uses make way. step_back: all of them. make: as many as so many more bytes need."""

    step_back: Callable[[], None]
    make: Callable[[int], None]


_room: ContextVar[Room | None] = ContextVar("room", default=None)


@contextlib.contextmanager
def room(step_back: Callable[[], None], make: Callable[[int], None]) -> Iterator[None]:
    """Within the block `in_halves` and `make_room` ask others to make way. Args: as `Room`."""
    before = _room.get()
    _room.set(Room(step_back, make))
    try:
        yield
    finally:
        _room.set(before)  # not by a token: a generator's end may come in another context than its beginning


def make_room(size_bytes: int) -> None:
    """Before a model at work makes something large that stays: others make way for so many bytes."""
    asked = _room.get()
    if asked is not None:
        asked.make(size_bytes)


def have_idle_step_back() -> None:
    """When a model at work has found no memory: all that nobody uses step back."""
    asked = _room.get()
    if asked is not None:
        asked.step_back()


def in_halves(
    function: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    *,
    at_once: int | None = None,
    forget: Callable[[], None] | None = None,
    otherwise: str = "use a smaller model or --device cpu",
) -> list[Result]:
    """The function's results for all items, in order; when memory runs out, for half as many at a time, down to one.

    Before that, the model lets go of what it remembers. Where one alone does not fit, other models step back (`room`),
    and it has another try.

    Args: at_once: how many to begin with, all where it is None. forget: lets go of what can be made again. otherwise:
        what to do where not even one fits.
    Raises: OutOfMemory: one item alone does not fit.
    """
    size = at_once or len(items)
    asked = _room.get()
    results: list[Result] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + size]
        is_single = len(part) == 1
        try:
            results += function(part)
            continue
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if is_single and asked is None and forget is None:
                raise OutOfMemory(f"there is not enough memory for even one picture: {otherwise}.") from error
        # Outside the except block, whose traceback would keep the failed batch's tensors alive.
        if forget is not None:
            forget()
            free_cached_memory()
            forget = None  # a second time there is nothing left; the same again now
            continue
        free_cached_memory()
        if is_single and asked is not None:
            asked.step_back()
            asked = None  # a second time it would find nothing
        size = (len(part) + 1) // 2
    return results
