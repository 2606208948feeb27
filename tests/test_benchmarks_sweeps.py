"""benchmarks.sweeps: that its figures are what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.sweeps import LIMITS, sweep


class ScriptedPage:
    """Answers as the page's functions would, one reading after the other. called: their names."""

    def __init__(self, *readings: tuple[int, str]) -> None:
        """Args: readings: (cells that are done, state)."""
        self._readings = list(readings)
        self.called: list[str] = []

    def call(self, name: str, **asked: Any) -> dict[str, Any]:
        self.called.append(name)
        if name != "read_sweep":
            return {"sweep": "s"}
        done, state = self._readings.pop(0)
        asked_models = ["blip", "clip", "wd14"] if state == "done" else []
        about = {"done": done, "state": state, "asked": asked_models, "message": "why"}
        return {"sweep": about, "cursor": len(self._readings)}


def test_each_mark_is_taken_when_it_is_first_seen() -> None:
    page = ScriptedPage((0, "waiting"), (3, "running"), (25, "running"), (25, "running"), (25, "done"))
    found = sweep(page, "set", "picture", "other")  # type: ignore[arg-type]
    assert {*LIMITS} < {*found}
    assert 50 <= found["first_cell"] < found["all_cells"]
    assert found["scores"] >= 100, "two pauses lie between all cells and the end"
    assert page.called.count("preview") == 1


def test_a_sweep_that_fails_or_is_scored_by_fewer_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match=r"the sweep is failed, scored by .*why"):
        sweep(ScriptedPage((3, "running"), (3, "failed")), "set", "picture", "")  # type: ignore[arg-type]
