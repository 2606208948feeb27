"""Models that several threads may ask at once say what each thread alone would be told."""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import Any

import pytest
from transformers.utils import logging as transformers_logging

from captioner import side_by_side
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.models import registry
from captioner.models.blip import loading
from captioner.models.byte_cache import ByteCache
from captioner.models.manager import ModelManager
from captioner.pipeline import make_layers
from tests.tiny_models import random_picture

SETTINGS = (
    {"num_beams": 4},
    {"method": "nucleus", "seed": 7},
    {"num_beams": 2, "mode": "fast", "fit_length": True},
)


@pytest.mark.parametrize("values", SETTINGS)
def test_answers_to_several_threads_are_those_to_one(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan.from_flat({"captioner": "blip-demo", "clip": "clip-demo", "wd14": "wd14-demo", **values}, "demo")
    assert {one.family for one in plan.running() if registry.family_class(one.family).may_be_shared} >= {"blip", "clip"}
    pictures = [(str(number), PictureInput(random_picture(number))) for number in range(12)]
    found = []
    for at_once in (1, 4):
        monkeypatch.setattr(side_by_side, "models_at_once", lambda at_once=at_once: at_once)
        manager = ModelManager(models="demo", device="cpu")
        [results] = make_layers(pictures, plan, manager, batch_size=12)
        found.append([(one.picture_id, one.error, [_said(layer) for layer in one.layers]) for one in results])
        manager.close()
    assert found[0] == found[1]


def _said(layer: Any) -> Any:
    if layer.sentence is not None:
        return layer.sentence.text, [one.text for one in layer.sentence.alternatives]
    return [(tag.name, round(tag.score, 3)) for tag in layer.tags]


def test_transformers_is_quiet_until_the_last_thread_has_ended() -> None:
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled(), [*warnings.filters]
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(loading.quiet())
    second.enter_context(loading.quiet())
    first.close()
    assert transformers_logging.get_verbosity() == transformers_logging.ERROR
    with warnings.catch_warnings(record=True) as heard:
        warnings.warn("for programmers", stacklevel=1)
    assert not heard
    second.close()
    after = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled(), [*warnings.filters]
    assert after == before


def test_a_cache_that_threads_share_knows_what_it_holds() -> None:
    cache: ByteCache[int] = ByteCache(limit_bytes=50)
    begin = threading.Barrier(4)

    def work(start: int) -> None:
        begin.wait()
        for number in range(3000):
            cache.put((start + number) % 17, number, 1 + number % 9)
            cache.get(number % 17)
            if number % 100 == 0:
                cache.clear()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while len(cache) > 1:
        cache.grow_at_most(-1)
        cache.put("last", 0, 0)
    assert cache.size_bytes == 0
