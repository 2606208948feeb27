"""A length for each picture, by the captioner's own wish to stop: a setting of BLIP's that every door has."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from captioner.captions.layers import due
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.models import sources
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.models.blip.settings import lengths_to_try
from captioner.records import Layer, Sentence
from captioner.settings import Effect
from demo.drawing import draw
from demo.scenes import scene_from_seed

LONG = SamplingSettings(num_beams=3, max_length=60)
FITTED = LONG.replaced(fit_length=True)
SEED = 9_917


@pytest.fixture(scope="module")
def blip() -> BlipCaptioner:
    return BlipCaptioner.load(sources.DEMO_FOLDER / "blip-demo", device="cpu")


def shown(count: int) -> list[PictureInput]:
    return [PictureInput(draw(scene_from_seed(SEED, index))) for index in range(count)]


def test_the_lengths_begin_at_the_minimum_and_end_at_the_maximum() -> None:
    def lengths(**values: Any) -> list[int]:
        return [one.min_length for one in lengths_to_try(FITTED.replaced(**values))]

    assert lengths() == [5, 10, 15, 22, 30, 40]
    assert lengths(min_length=12, max_length=30) == [12, 15, 22, 30]
    assert lengths(min_length=50) == [50]
    assert not any(one.fit_length for one in lengths_to_try(FITTED))


def test_a_fitted_sentence_is_that_of_one_of_the_lengths_whatever_the_batch(blip: BlipCaptioner) -> None:
    pictures = shown(6)
    fitted = blip.caption(pictures, FITTED)
    for picture, sentence in zip(pictures, fitted, strict=True):
        assert sentence in blip.caption_grid(picture, list(lengths_to_try(FITTED)))
        assert blip.caption([picture], FITTED) == [sentence]
        assert blip.caption_grid(picture, [LONG, FITTED, LONG.replaced(min_length=30)])[1] == sentence


def test_simple_pictures_get_short_captions_that_say_as_much(blip: BlipCaptioner) -> None:
    """At small scale what benchmarks/quality.py measures: as in `length_fewer_words`."""
    pictures = shown(40)
    words = {}
    for name, settings in (("fitted", FITTED), ("fixed", LONG.replaced(min_length=30))):
        texts = [sentence.text for sentence in blip.caption(pictures, settings)]
        words[name] = fmean(len(text.split()) for text in texts)
    assert words["fitted"] <= 0.85 * words["fixed"]
    lengths = {len(sentence.text.split()) for sentence in blip.caption(pictures, FITTED)}
    assert len(lengths) > 4, "each its own"


def test_under_nucleus_sampling_nothing_is_fitted(blip: BlipCaptioner) -> None:
    nucleus = LONG.replaced(method="nucleus", num_beams=1)
    assert "fit_length" not in nucleus.replaced(fit_length=True).in_effect()
    assert blip.caption(shown(1), nucleus.replaced(fit_length=True)) == blip.caption(shown(1), nucleus)


def _layer(settings: SamplingSettings, *, without: str = "") -> Layer:
    values = settings.to_mapping(Effect.RUN)
    values.pop(without, None)
    return Layer(
        picture_id="p",
        model="blip-demo",
        family="blip",
        model_revision="1",
        run_settings=values,
        seed=None,
        created_at=1.0,
        sentence=Sentence("a cat"),
    )


def test_a_layer_of_before_lengths_were_fitted_is_not_due_and_one_is_when_the_switch_moves() -> None:
    plain = Plan.from_flat({"captioner": "blip-demo"}, "demo")
    fitted = Plan.from_flat({"captioner": "blip-demo", "fit_length": True}, "demo")
    settings = plain.captioner.settings
    assert isinstance(settings, SamplingSettings)
    assert due([_layer(settings, without="fit_length")], plain) == ()
    assert due([_layer(settings)], plain) == ()
    assert due([_layer(settings)], fitted) == ("blip",)
    assert due([_layer(settings.replaced(fit_length=True))], fitted) == ()
    assert due([_layer(settings.replaced(fit_length=True))], plain) == ("blip",)
