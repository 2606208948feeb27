"""Memory that runs out is recognised in every form, and less is asked for at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from captioner.errors import OutOfMemory
from captioner.models.memory import in_halves, is_out_of_memory


class OutOfMemoryError(RuntimeError):
    """As torch's."""


class OnnxError(Exception):
    """As onnxruntime's, which share no base class."""

    __module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("not enough memory: you tried to allocate 9 bytes"),
        OnnxError("CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaMalloc(&p, size)"),
        OnnxError("Failed to allocate memory for requested buffer of size 9"),
        OnnxError("Available memory of 1 is smaller than requested bytes of 2"),
    ],
    ids=str,
)
def test_memory_that_ran_out_is_told_from_other_errors(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("shapes differ"), OnnxError("no such operator"), OSError(12)]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_halves_are_asked_for_until_they_fit_and_results_stay_in_order() -> None:
    asked = []

    def double(items: Sequence[int]) -> list[int]:
        asked.append(len(items))
        if len(items) > 2:
            raise MemoryError
        return [2 * item for item in items]

    assert in_halves(double, range(7)) == [0, 2, 4, 6, 8, 10, 12]
    assert asked == [7, 4, 2, 2, 2, 1]
    assert in_halves(double, []) == []
    asked.clear()
    in_halves(double, range(5), at_once=4)
    assert asked == [4, 2, 2, 1]


def test_one_that_does_not_fit_is_said_with_what_to_do() -> None:
    def never(items: Sequence[int]) -> list[int]:
        raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(OutOfMemory, match="not enough memory for even one picture: use fewer beams"):
        in_halves(never, [1, 2], otherwise="use fewer beams")


def test_a_bug_is_no_lack_of_memory() -> None:
    def bug(items: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves(bug, [1, 2])


def test_what_is_remembered_goes_before_less_is_asked_for_at_once_and_once_only() -> None:
    seen: list[str | int] = []

    def needs_two(items: Sequence[int]) -> list[int]:
        seen.append(len(items))
        if len(items) > 2:
            raise MemoryError
        return list(items)

    assert in_halves(needs_two, range(4), forget=lambda: seen.append("forgot")) == [0, 1, 2, 3]
    assert seen == [4, "forgot", 4, 2, 2]
    with pytest.raises(OutOfMemory, match="not enough memory for even one"):
        in_halves(lambda items: bytearray(2**62), [1], forget=lambda: seen.append("forgot"))
