"""How much more memory a block took at its highest, as the system counts it: Pillow's own is no Python object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWN = Path("/proc/self")


@contextmanager
def memory_growth_mb() -> Iterator[list[float]]:
    """Yields: a list that holds the figure once the block has ended."""
    grown: list[float] = []
    (_OWN / "clear_refs").write_text("5", encoding="ascii")
    before = _status_mb("VmRSS")
    yield grown
    grown.append(_status_mb("VmHWM") - before)


def resident_mb() -> float:
    """What the process has in memory now."""
    return _status_mb("VmRSS")


def _status_mb(field: str) -> float:
    status = (_OWN / "status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1e3
