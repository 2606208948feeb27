"""BLIP on a CUDA device: its precision, its batches, and that it steps back to the CPU and returns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from captioner.contract import inputs
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings
from captioner.models.manager import ModelManager
from tests.tiny_models import random_picture, save_tiny_blip

pytestmark = pytest.mark.gpu

PICTURES = [random_picture(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> BlipCaptioner:
    return BlipCaptioner.load(folder, device="cuda")


def test_it_runs_in_half_precision_on_the_fast_path(captioner: BlipCaptioner) -> None:
    assert (captioner.device, captioner.precision) == ("cuda:0", "fp16")
    assert captioner._decoder.is_fast


def test_steps_run_as_graphs_and_say_what_they_say_without(captioner: BlipCaptioner) -> None:
    decoder = captioner._decoder._model.text_decoder
    graphs = decoder.graphs
    assert graphs is not None
    settings = [SamplingSettings(num_beams=16, min_length=22, max_length=48), PRESETS["everydream-nucleus"]]
    for batches in ([PICTURES], [[picture] for picture in PICTURES]):
        for chosen in settings:
            decoder.graphs = None
            expected = [one for batch in batches for one in captioner.caption(inputs(batch), chosen)]
            decoder.graphs = graphs
            found = [one for batch in batches for one in captioner.caption(inputs(batch), chosen)]
            same = [ours.text == theirs.text for ours, theirs in zip(found, expected, strict=True)]
            assert sum(same) >= len(PICTURES) - 1, "in half precision nearly equal words may trade places"


@pytest.mark.parametrize("name", PRESETS)
def test_its_scores_are_near_those_of_the_cpu(captioner: BlipCaptioner, folder: Path, name: str) -> None:
    """In half precision nearly equal words may trade places, so one caption of the six may differ."""
    start = PRESETS[name].replaced(method="beam", num_beams=1, min_length=1, max_length=6)
    on_cpu = BlipCaptioner.load(folder, device="cpu")
    both = list(zip(captioner.caption(inputs(PICTURES), start), on_cpu.caption(inputs(PICTURES), start), strict=True))
    same = [(ours, theirs) for ours, theirs in both if ours.text == theirs.text]
    assert len(same) >= len(PICTURES) - 1
    for ours, theirs in same:
        assert ours.score == pytest.approx(theirs.score, abs=0.05)


@pytest.mark.parametrize("settings", [SamplingSettings(num_beams=4), PRESETS["everydream-nucleus"]])
def test_the_same_seed_and_picture_give_the_same_sentence_again(
    captioner: BlipCaptioner, settings: SamplingSettings
) -> None:
    first = [sentence.text for sentence in captioner.caption(inputs(PICTURES), settings)]
    assert [sentence.text for sentence in captioner.caption(inputs(PICTURES), settings)] == first


def test_it_steps_back_to_the_cpu_and_returns(folder: Path, tmp_path: Path) -> None:
    other = save_tiny_blip(tmp_path / "other", seed=1)
    manager = ModelManager(device="cuda", budget_bytes=1)
    with manager.use(str(folder), "blip") as captioner:
        before = captioner.caption(inputs(PICTURES[:1]), SamplingSettings())
    with manager.use(str(other), "blip"):
        pass
    assert {report.name: (report.state, report.device) for report in manager.report()} == {
        str(other): ("loaded", "cuda:0"),
        str(folder): ("offloaded", "cpu"),
    }
    with manager.use(str(folder), "blip") as captioner:
        assert captioner.device == "cuda:0"
        assert captioner.caption(inputs(PICTURES[:1]), SamplingSettings()) == before
    manager.close()
    assert torch.cuda.is_available()
