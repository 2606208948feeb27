"""Threads of their own for what may wait or take long, so that it keeps nobody else waiting.

All requests share 40 threads. What stands in one of them before a pattern's turn, a model or a decoder takes it from
everybody's thumbnails and saves; in a lane it waits in none. Knows what the page's functions wait for, and no set.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread

Values = ParamSpec("Values")
Result = TypeVar("Result")


class Lane:
    """So many threads; who finds none free waits, first come, first served."""

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, function: Callable[..., Result], *values: Any) -> Result:
        """What the function returns or raises, called in one of the lane's threads."""
        return await anyio.to_thread.run_sync(function, *values, limiter=self._limiter)

    def along(self, function: Callable[Values, Result]) -> Callable[Values, Awaitable[Result]]:
        """The function as one to be awaited that runs in the lane."""

        @functools.wraps(function)
        async def run(*values: Values.args, **named: Values.kwargs) -> Result:
            return await self.run(functools.partial(function, *values, **named))

        return run


_THREADS: Mapping[str, int] = {"patterns": 4, "models": 16, "words": 4, "looks": 2, "imports": 2, "checks": 2}

_LANES: Mapping[str, str] = {
    "preview_bulk": "patterns",
    "preview": "models",
    "draw_sentences": "models",
    "reading": "models",
    "readings": "words",
    "start_reading": "words",
    "count_tokens": "words",
    "token_counts": "words",
    "word_diffs": "words",
    "overview": "words",
    "export_look": "words",
    "export_start": "words",
    "lab_offer": "words",
    "start_sweep": "words",
    "continue_sweep": "words",
    "read_sweep": "words",
    "sweep_summary": "words",
    "use_slope": "words",
    "near_equal": "looks",
    "import_look": "imports",
    "import_take": "imports",
    "import_drop": "imports",
    "set_use": "looks",
    "delete_removed": "checks",
    "list_models": "looks",
    "act_on_model": "checks",
    "said_in_all": "looks",
    "preview_left_out": "words",
}
"""What the page's functions may wait for, by name; the others answer at once."""


def in_lanes(functions: Sequence[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """The page's functions, those that may wait in a lane."""
    lanes = {name: Lane(threads) for name, threads in _THREADS.items()}
    return [
        lanes[_LANES[function.__name__]].along(function) if function.__name__ in _LANES else function
        for function in functions
    ]
