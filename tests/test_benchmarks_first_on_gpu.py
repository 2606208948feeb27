"""benchmarks.first_on_gpu where there is no card: every part that a CPU can do runs to its end, on a tiny model."""

from __future__ import annotations

import pytest

from benchmarks import first_on_gpu
from benchmarks.first_on_gpu import PARTS, Bench, Check, checks
from captioner.models.blip import SamplingSettings
from tests.tiny_models import save_tiny_blip

SHORT = SamplingSettings(num_beams=3, min_length=5, max_length=12)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny"), "cpu", pictures=2)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("card", "kernels", "waits", "leak")])
def test_a_part_runs_without_a_card(bench: Bench, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(first_on_gpu, "BEAMS_16", SHORT.replaced(num_beams=5))
    monkeypatch.setattr(first_on_gpu, "NUCLEUS", SHORT.replaced(method="nucleus"))
    found = list(checks(bench, [part]))
    assert found
    assert [one for one in found if one.verdict == "FAIL"] == []


@pytest.mark.parametrize("part", ["card", "kernels", "waits"])
def test_what_only_a_card_shows_is_left_out_without_one(bench: Bench, part: str) -> None:
    assert list(checks(bench, [part])) == []


def test_a_part_that_fails_is_a_check_and_not_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench) -> list[Check]:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setitem(PARTS, "card", broken)
    first, *others = checks(bench, ["card", "clip"])
    assert (first.name, first.verdict, first.found) == (
        "part card",
        "FAIL",
        "RuntimeError: no kernel image is available",
    )
    assert others
