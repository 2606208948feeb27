"""benchmarks.memory: its line is the right one."""

from __future__ import annotations

import pytest

from benchmarks import memory


def test_growth_is_the_slope_of_a_line() -> None:
    assert memory.slope([(1, 10.0), (2, 12.0), (3, 14.0), (5, 18.0)]) == pytest.approx(2.0)
