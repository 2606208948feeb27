"""benchmarks.blip on tiny models: its rows are there, its figures are figures, and both sides say the same tokens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from benchmarks import blip
from tests.tiny_models import save_tiny_blip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny")


def test_each_row_compares_the_tokens_of_both_sides(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(blip, "SETTINGS", blip.SETTINGS.replaced(num_beams=3))
    monkeypatch.setattr(blip, "RETUNED", [blip.SETTINGS.replaced(repetition_penalty=1.2)])
    grid = [blip.SETTINGS.replaced(repetition_penalty=penalty) for penalty in (0.6, 1.0, 1.4)]
    monkeypatch.setattr(blip, "GRID", [grid[number % 3] for number in range(12)] + [blip.SETTINGS])
    bench = blip.Bench(tiny, "cpu", time.perf_counter)
    rows = blip.run(bench, {"retuned_picture", "sweep_25", "batch_8"}, rounds=1)
    assert [row.name for row in rows] == ["new_picture", "retuned_picture", "sweep_25", "batch_8"]
    for row in rows:
        assert row.compared
        assert all(row.compared), row.name
        shown = row.row()
        assert shown.equal is True
        assert shown.ratio is not None
        assert shown.ratio > 0


def test_a_peak_of_memory_is_measured_in_a_process_of_its_own(tiny: Path) -> None:
    shown = blip.memory(tiny, "cpu", threads=1, rounds=1).row()
    assert (shown.name, shown.unit) == ("memory", "MB")
    assert 50 < shown.value < 5000
