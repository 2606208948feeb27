"""benchmarks.vlm on a tiny model: all rows are there, and their tokens are equal."""

from pathlib import Path

import pytest
import torch

from benchmarks import vlm
from tests.tiny_models import random_picture
from tests.tiny_vlm import qwen3_vl_at_size, save

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own


def test_both_sides_of_the_benchmark_of_vision_language_models_agree(tmp_path: Path) -> None:
    rows = list(vlm.compare(save("qwen3_vl", tmp_path), random_picture(1, 48, 32)))
    assert [(row.name, row.equal) for row in rows] == [
        ("new_picture", True),
        ("asked_again", True),
        ("retuned_picture", True),
        ("draws_8", True),
    ]
    assert all(row.peer is not None and row.value > 0 for row in rows)


def test_its_model_has_the_size_that_it_says() -> None:
    with torch.device("meta"):
        model, _ = qwen3_vl_at_size()
    assert sum(weights.numel() for weights in model.parameters()) == pytest.approx(195e6, rel=0.005)
