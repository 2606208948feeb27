"""CUDA graphs imitated on the CPU: a step is recorded operation by operation and done again on the same memory.

As on a card, the memory of a recording is fixed, what lies in it between two replays means nothing (here: no numbers),
and what a recording cannot hold is refused: a look at a value, and a tensor that comes from Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_LOOKS = {
    "item",
    "_local_scalar_dense",
    "nonzero",
    "is_nonzero",
    "equal",
    "unique",
    "_unique2",
    "unique_dim",
    "bincount",
}
_FROM_PYTHON = {torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.tolist, torch.Tensor.cpu}


def tensors(values: Any) -> list[torch.Tensor]:
    """All tensors in nested arguments but weights that oneDNN has packed, which have no memory to speak of."""
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor) and value.layout == torch.strided]


def is_a_wait(function: Any, arguments: Iterable[Any]) -> bool:
    """Whether a card's host would wait for an operation's result, or for a copy to it."""
    name = function._schema.name.removeprefix("aten::")
    by_mask = name in {"index", "index_put", "index_put_"} and any(
        one.dtype in {torch.bool, torch.uint8} for one in tensors(list(arguments)[1:2])
    )
    return name in _LOOKS or by_mask


class HostWaits(TorchDispatchMode):
    """Notes, by name, what a card's host would wait for meanwhile: looks at values, and copies from Python."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._calls = _PythonCalls(self.found.append)

    def __enter__(self) -> HostWaits:
        self._calls.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._calls.__exit__(*error)

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        if is_a_wait(function, arguments):
            self.found.append(str(function))
        return function(*arguments, **(keywords or {}))


class _PythonCalls(TorchFunctionMode):
    """Tells of calls that move values between Python and a device, which no operation on the CPU shows."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        if function in _FROM_PYTHON:
            self._tell(getattr(function, "__name__", str(function)))
        return function(*arguments, **(keywords or {}))


class _Tape(TorchDispatchMode):
    """The operations of a step, in order, with the tensors they were done on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, dict[int, torch.Tensor]]] = []  # the last: what was made, by its place
        self.made: list[torch.Tensor] = []  # memory of the recording's own

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        if is_a_wait(function, arguments):
            raise RuntimeError(f"operation not permitted when stream is capturing: {function}")
        keywords = keywords or {}
        result = function(*arguments, **keywords)
        known = {one.untyped_storage().data_ptr() for one in tensors([arguments, keywords])}
        all_of_it = enumerate(tensors(result))
        new = {place: one for place, one in all_of_it if one.untyped_storage().data_ptr() not in known}
        self.made += new.values()
        if new or function._schema.is_mutable:  # a view is there for good
            self.calls.append((function, arguments, keywords, new))
        return result


class EmulatedRecorder:
    """As `CudaRecorder`, on the CPU."""

    def __init__(self, fails: Callable[[int], Exception | None] = lambda number: None) -> None:
        """Args: fails: what the recording of this number, from 1, raises."""
        self.count = 0
        self._fails = fails

    def record(self, run: Callable[[], torch.Tensor], device: torch.device) -> tuple[Callable[[], torch.Tensor], int]:
        self.count += 1
        error = self._fails(self.count)
        for _ in range(2):
            run()
        if error is not None:
            raise error
        tape = _Tape()

        def refuse(name: str) -> None:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")

        with _PythonCalls(refuse), tape:
            scores = run()
        between = [one for one in tape.made if one.untyped_storage().data_ptr() != scores.untyped_storage().data_ptr()]
        _spoil(tape.made)

        def replay() -> torch.Tensor:
            for function, arguments, keywords, new in tape.calls:
                again = tensors(function(*arguments, **keywords))
                for place, memory in new.items():
                    memory.copy_(again[place])
            _spoil(between)
            return scores

        return replay, sum(one.untyped_storage().nbytes() for one in tape.made)

    def forget(self) -> None:
        """Nothing is shared between recordings here."""


def _spoil(made: Iterable[torch.Tensor]) -> None:
    for one in made:
        if one.is_floating_point():
            one.fill_(torch.nan)
