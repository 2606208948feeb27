"""All checks of benchmarks.first_on_gpu on a card, on a tiny model: CLIP, ONNX and memory among them."""

from __future__ import annotations

import pytest

from benchmarks.first_on_gpu import PARTS, Bench, checks
from tests.tiny_models import save_tiny_blip

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny"), "cuda", pictures=4)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "leak"])
def test_no_check_fails(bench: Bench, part: str) -> None:
    found = list(checks(bench, [part]))
    assert found
    assert [one for one in found if one.verdict == "FAIL"] == []
