"""BLIP base at its real widths, vocabulary and 577 image tokens, but few layers: the tokens of plain transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.full_size import picture, save_full_size_blip
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings
from tests.plain_blip import PlainBlip

GRID = [
    PRESETS["blip-paper"],
    PRESETS["everydream-nucleus"].replaced(seed=3),
    SamplingSettings(num_beams=1, repetition_penalty=1.2, min_length=10, max_length=30),
    SamplingSettings(num_beams=16, repetition_penalty=1.4, min_length=12, max_length=24),
]


@pytest.mark.slow
def test_a_model_of_real_widths_has_the_tokens_of_plain_transformers(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = save_full_size_blip(tmp_path / "base", layers=2)
    plain, captioner = PlainBlip(folder), BlipCaptioner.load(folder, device="cpu")
    images = [picture(seed) for seed in range(2)]
    encodings = captioner.encode(images)
    found = captioner._decoder.find([(encoding, settings) for encoding in encodings for settings in GRID])
    expected = [plain.token_ids(image, settings) for image in images for settings in GRID]
    assert [one[0].tokens for one in found] == expected
    assert len({tuple(tokens) for tokens in expected}) == len(expected), "the captions must differ to prove anything"
