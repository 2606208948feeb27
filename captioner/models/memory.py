"""Memory that runs out: telling that it did, and asking for less at once. Imports nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from captioner.errors import OutOfMemory

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
    """Give back what torch keeps of a card's memory for later, where torch was used."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_halves(
    function: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    *,
    at_once: int | None = None,
    otherwise: str = "use a smaller model or --device cpu",
) -> list[Result]:
    """The function's results for all items, in order; when memory runs out, for half as many at a time, down to one.

    Args: at_once: how many to begin with, all where it is None. otherwise: what to do where not even one fits.
    Raises: OutOfMemory: one item alone does not fit.
    """
    size = at_once or len(items)
    results: list[Result] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + size]
        try:
            results += function(part)
            continue
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise OutOfMemory(f"there is not enough memory for even one picture: {otherwise}.") from error
        # Outside the except block, whose traceback would keep the failed batch's tensors alive.
        free_cached_memory()
        size = (len(part) + 1) // 2
    return results
