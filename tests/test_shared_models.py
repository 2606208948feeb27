"""Models that several threads may ask at once say what each thread alone would be told."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging as transformers_logging

from captioner import side_by_side
from captioner.captions.plan import Plan
from captioner.contract import PictureInput, inputs
from captioner.models import registry
from captioner.models.blip import BlipCaptioner, SamplingSettings, fast, loading
from captioner.models.byte_cache import ByteCache
from captioner.models.manager import ModelManager
from captioner.pipeline import make_layers
from taggers.clip.settings import ClipSettings
from taggers.clip.tagger import ClipTagger
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture, save_tiny_blip

WAIT_S = 20

SETTINGS = (
    {"num_beams": 4},
    {"method": "nucleus", "seed": 7},
    {"num_beams": 2, "mode": "fast", "fit_length": True},
)


@pytest.fixture
def hurry() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


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


def test_transformers_is_quiet_within_and_as_before_behind_whatever_threads_do(monkeypatch: pytest.MonkeyPatch) -> None:
    before = transformers_logging.get_verbosity()
    set_verbosity = transformers_logging.set_verbosity

    def set_slowly(verbosity: int) -> None:
        time.sleep(0.001)  # the others come meanwhile
        set_verbosity(verbosity)

    def work() -> set[int]:
        found = set()
        for _ in range(20):
            with loading.quiet():
                found.add(transformers_logging.get_verbosity())
            time.sleep(0.001)
        return found

    monkeypatch.setattr(transformers_logging, "set_verbosity", set_slowly)
    assert _at_once([work] * 4) == [{transformers_logging.ERROR}] * 4
    assert transformers_logging.get_verbosity() == before


class SlowToTell(int):
    """A key that lets other threads go on whenever it is looked for."""

    def __hash__(self) -> int:
        time.sleep(0)
        return int(self)


def test_a_cache_that_threads_share_knows_what_it_holds(hurry: None) -> None:
    cache: ByteCache[int] = ByteCache(limit_bytes=50)

    def work(start: int) -> None:
        for number in range(500):
            cache.put(SlowToTell((start + number) % 17), number, 1 + number % 9)
            cache.get(SlowToTell(number % 17))
            if number % 100 == 0:
                cache.clear()

    assert _at_once([lambda start=start: work(start) for start in range(4)]) == [None] * 4
    while len(cache) > 1:
        cache.grow_at_most(-1)
        cache.put("last", 0, 0)
    assert cache.size_bytes == 0


def test_a_search_stops_no_sentence_of_another_thread_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blip = BlipCaptioner.load(save_tiny_blip(tmp_path / "blip"), device="cpu")
    settings = SamplingSettings(num_beams=3, min_length=1, max_length=30)
    batches = [inputs([random_picture(number) for number in numbers]) for numbers in (range(5), range(5, 8))]
    alone = [blip.caption(batch, settings) for batch in batches]
    forward, meeting = fast.FastTextDecoder.forward, threading.Barrier(2)

    def forward_and_wait(*arguments: Any, **keywords: Any) -> Any:
        found = forward(*arguments, **keywords)
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(WAIT_S)  # both are at their next step now, and neither has looked what ended
        return found

    def search(batch: Any) -> Any:
        try:
            return blip.caption(batch, settings)
        finally:
            meeting.abort()

    monkeypatch.setattr(fast.FastTextDecoder, "forward", forward_and_wait)
    assert _at_once([lambda batch=batch: search(batch) for batch in batches]) == alone


def test_labels_are_embedded_once_for_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_CACHE", str(tmp_path / "cache"))
    clip = ClipTagger.load(tiny_clip(tmp_path / "clip", {"mediums": ["a drawing", "a photo"]}), device="cpu")
    embed, begun = ClipTagger._embed, []

    def embed_slowly(*arguments: Any) -> Any:
        begun.append(arguments)
        time.sleep(0.1)  # the others come meanwhile
        return (yield from embed(*arguments))

    monkeypatch.setattr(ClipTagger, "_embed", embed_slowly)
    shown = inputs([random_picture(1)])
    first, *others = _at_once([lambda: clip.tag(shown, ClipSettings(mode="rank"))] * 4)
    assert len(begun) == 1
    assert others == [first] * 3


def _at_once(work: Any) -> list[Any]:
    """What each gives, each on a thread of its own; an error where it raised one."""
    found: list[Any] = [None] * len(work)
    begin = threading.Barrier(len(work))

    def do(number: int) -> None:
        begin.wait(WAIT_S)
        try:
            found[number] = work[number]()
        except Exception as error:  # noqa: BLE001 - the test's to tell
            found[number] = error

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
