"""The demo model's captions of drawn scenes, token by token the same as plain transformers'."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from captioner.models import sources
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.plain_blip import PlainBlip

FOLDER = sources.DEMO_FOLDER / "blip-demo"
SEED = 4_711
SCENES = 200
SETTINGS_EACH = 3

# A mismatch counts as a tie when plain transformers scores both sentences within this...
TIE = 1e-4
# ...and so many of a hundred may be.
MAX_TIES = 1.0

SETTINGS = [
    *PRESETS.values(),
    *[
        SamplingSettings(num_beams=beams, repetition_penalty=penalty, min_length=least, max_length=max(40, least))
        for beams, penalty, least in [
            (1, 1.0, 1),
            (1, 0.01, 22),
            (2, 5.0, 5),
            (3, 0.6, 22),
            (5, 1.4, 30),
            (8, 1.0, 48),
            (20, 1.1, 10),
            (16, 0.6, 75),
        ]
    ],
    SamplingSettings(num_beams=4, prompt=""),
    SamplingSettings(num_beams=4, prompt="a drawing of", max_length=30),
    SamplingSettings(num_beams=4, length_penalty=-0.5, no_repeat_ngram_size=3, max_length=40),
    SamplingSettings(method="nucleus", top_p=0.6, temperature=1.5, min_length=10, max_length=40, seed=11),
    SamplingSettings(method="nucleus", top_k=0, top_p=0.95, repetition_penalty=1.1, max_length=40, seed=12),
]


def mismatches(scenes: int, settings_each: int, folder: Path = FOLDER) -> tuple[int, list[str], list[str]]:
    """How many captions were compared; which were ties, which were different, in words."""
    torch.set_num_threads(1)
    plain, captioner = PlainBlip(folder), BlipCaptioner.load(folder, device="cpu")
    edge_px = plain.model.config.vision_config.image_size
    turns = itertools.cycle(SETTINGS)
    ties, differences = [], []
    for index in range(scenes):
        picture = draw(scene_from_seed(SEED, index), edge_px)
        chosen = [next(turns) for _ in range(settings_each)]
        (encoding,) = captioner.encode([picture])
        for settings, found in zip(chosen, captioner._decoder.find([(encoding, one) for one in chosen]), strict=True):
            ours, theirs = found[0].tokens, plain.token_ids(picture, settings)
            if ours == theirs:
                continue
            said = f"scene {index}, {settings}: ours {ours}, theirs {theirs}"
            is_tie = settings.method == "beam" and (
                abs(plain.score(picture, ours, settings) - plain.score(picture, theirs, settings)) <= TIE
            )
            (ties if is_tie else differences).append(said)
    return scenes * settings_each, ties, differences


@pytest.mark.slow
def test_captions_of_drawn_scenes_have_the_tokens_of_plain_transformers() -> None:
    compared, ties, differences = mismatches(SCENES, SETTINGS_EACH)
    print(*ties, *differences, sep="\n")
    assert differences == []
    assert 100 * len(ties) / compared <= MAX_TIES


def test_a_score_of_ours_is_what_plain_transformers_ranks_by() -> None:
    plain, captioner = PlainBlip(FOLDER), BlipCaptioner.load(FOLDER, device="cpu")
    picture = draw(scene_from_seed(SEED, 0), plain.model.config.vision_config.image_size)
    for settings in (SETTINGS[0], SETTINGS[7]):
        (found,) = captioner._decoder.find([(captioner.encode([picture])[0], settings)])
        assert found[0].score == pytest.approx(plain.score(picture, found[0].tokens, settings), abs=1e-4)
