"""Rows of a benchmark as a table, or as the one JSON line that programs read. Knows no benchmark."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """One measured thing.

    value, peer: ours and what people run today, in `unit`, lower is better; peer is None where there is none.
    equal: whether both gave the same result, None where nothing can be compared.
    """

    name: str
    value: float
    unit: str
    peer: float | None = None
    equal: bool | None = None

    @property
    def ratio(self) -> float | None:
        """peer / ours: how many times faster ours is."""
        return None if self.peer is None else self.peer / self.value


def timed(
    action: Callable[[], Result], repeats: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Result]:
    """The shortest of some runs in seconds, and the last result.

    Args: clock: wall-clock time; time.process_time counts what this process computed, whatever others do meanwhile.
    """
    shortest = float("inf")
    for _ in range(repeats):
        start = clock()
        result = action()
        shortest = min(shortest, clock() - start)
    return shortest, result


def machine() -> dict[str, object]:
    """What it was measured on, the load by others included, since it decides the figures."""
    import torch

    has_cuda = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if has_cuda else None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print the rows; as JSON it is one line, the last one on stdout."""
    if as_json:
        shown = [{**dataclasses.asdict(row), "ratio": row.ratio} for row in rows]
        print(json.dumps({"rows": shown, "machine": machine()}))
        return
    print(f"{'':24}{'ours':>12}{'peer':>12}  unit        ratio  equal")
    for row in rows:
        peer = "" if row.peer is None else f"{row.peer:.4g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}"
        equal = {True: "yes", False: "NO", None: ""}[row.equal]
        print(f"{row.name:24}{row.value:>12.4g}{peer:>12}  {row.unit:10}{ratio:>7}  {equal}")
    print(", ".join(f"{name} {value}" for name, value in machine().items() if value is not None))


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
