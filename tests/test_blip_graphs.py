"""Steps in the rounded sizes and fixed memory of CUDA graphs, on the CPU: the captions of steps as they come.

Recording itself needs a CUDA device: tests/gpu/test_blip_cuda.py.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from captioner.contract import inputs
from captioner.errors import ModelFailed
from captioner.models.blip import BlipCaptioner, SamplingSettings, selfcheck
from captioner.models.blip.graphs import StepGraphs
from tests.tiny_models import random_picture, save_tiny_blip

PICTURES = [random_picture(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> BlipCaptioner:
    return BlipCaptioner.load(folder, device="cpu")


@pytest.fixture
def stepping(folder: Path) -> BlipCaptioner:
    """One whose steps have the rounded sizes and the fixed memory of CUDA graphs, run without recording."""
    captioner = BlipCaptioner.load(folder, device="cpu")
    decoder = captioner._decoder._model.text_decoder
    decoder.graphs = StepGraphs(decoder, is_recorded=False)
    return captioner


@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(num_beams=8, repetition_penalty=1.4, min_length=10, max_length=40),
        SamplingSettings(method="nucleus", min_length=5, max_length=30, seed=3),
        SamplingSettings(num_beams=20, min_length=75, max_length=75),
    ],
    ids=["beam", "nucleus", "long"],
)
def test_steps_of_rounded_sizes_give_the_same_captions(
    captioner: BlipCaptioner, stepping: BlipCaptioner, settings: SamplingSettings
) -> None:
    for pictures in (PICTURES[:1], PICTURES, PICTURES[1:3]):
        expected = captioner.caption(inputs(pictures), settings)
        found = stepping.caption(inputs(pictures), settings)
        assert [one.text for one in found] == [one.text for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)


def test_a_size_is_recorded_once_and_other_settings_of_a_picture_copy_nothing(
    stepping: BlipCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = []
    record = StepGraphs._record
    monkeypatch.setattr(StepGraphs, "_record", lambda self, *rest: recorded.append(rest[0]) or record(self, *rest))
    settings = SamplingSettings(num_beams=4, max_length=30, min_length=30)
    stepping.caption(inputs(PICTURES[:1]), settings)
    assert len(recorded) == len(set(recorded)) > 0
    graphs = stepping._decoder._model.text_decoder.graphs
    before, size_bytes = list(recorded), stepping.size_bytes
    kept = graphs._pictures[0].layers[0][0]
    with torch.inference_mode():
        kept[0, 0, 0, 0] += 1e-6
    changed = float(kept[0, 0, 0, 0])
    stepping.caption(inputs(PICTURES[:1]), settings.replaced(repetition_penalty=1.2))
    assert recorded == before
    assert float(kept[0, 0, 0, 0]) == changed
    assert stepping.size_bytes == size_bytes
    stepping.release_memory()
    assert stepping.size_bytes < size_bytes


def test_a_picture_without_numbers_spoils_no_later_search(captioner: BlipCaptioner, stepping: BlipCaptioner) -> None:
    """Memory that stays is read beyond the living nodes, with weight 0; 0 times what is no number is none either."""
    settings = SamplingSettings(num_beams=4)
    good, bad = stepping.encode(PICTURES[:2])
    bad = dataclasses.replace(bad, states=torch.full_like(bad.states, math.nan), digest="bad")
    expected = captioner.caption(inputs(PICTURES[:1]), settings)
    for _ in range(2):
        with pytest.raises(ModelFailed, match="picture 2 of 2"):
            stepping.decode([good, bad], settings)
        assert [one.text for one in stepping.decode([good], settings)] == [one.text for one in expected]


def test_memory_that_runs_out_while_it_grows_is_as_large_as_before(
    captioner: BlipCaptioner, stepping: BlipCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SamplingSettings(num_beams=20, min_length=60, max_length=60)
    expected = captioner.caption(inputs(PICTURES), settings)
    keys = stepping._decoder._keys_of(stepping.encode(PICTURES[:1])[0])
    store = stepping._decoder._model.text_decoder.graphs.store(keys)
    new_zeros, made = torch.Tensor.new_zeros, []

    def once_no_memory(tensor: torch.Tensor, *size: int) -> torch.Tensor:
        made.append(size)
        if len(made) == 7:  # the second layer's, when it grows for the second time
            raise torch.OutOfMemoryError("CUDA out of memory")
        return new_zeros(tensor, *size)

    monkeypatch.setattr(torch.Tensor, "new_zeros", once_no_memory)
    assert [one.text for one in stepping.caption(inputs(PICTURES), settings)] == [one.text for one in expected]
    assert len(made) > 7
    assert len({keys.shape for pair in store.layers for keys in pair}) == 1


def test_a_device_without_graphs_is_noticed_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    selfcheck.graphs_are_supported.cache_clear()
    assert [selfcheck.graphs_are_supported("cpu") for _ in range(3)] == [False] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "CUDA graphs are off" in caplog.text
