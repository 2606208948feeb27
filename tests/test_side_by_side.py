"""captioner.side_by_side: models that do not read each other work at once where cores are idle, and so do parts of a
batch, with equal answers."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner import contract, plugin, side_by_side
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import BadModel, CaptionerError, OutOfMemory
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.pipeline import PictureLayers, make_layers
from tests.fakes import POISON, FakeCaptioner, FakeClip, FakeWd14

COLOURS: tuple[Any, ...] = ("red", "green", "blue", "black")
WAIT_S = 20


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 2)


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 1)


class Meeting:
    """Notes how many of the fakes are at work at once, and whether all are on this thread.

    expected: each work waits for so many, and not for ever.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, expected: Callable[[int], int]) -> None:
        self.most: list[int] = []
        self.takes_turns = True
        self._at_work = 0
        self._changed = threading.Condition()
        for fake, name in ((FakeCaptioner, "caption"), (FakeClip, "tag"), (FakeWd14, "tag")):
            monkeypatch.setattr(fake, name, self._meeting(getattr(fake, name), expected))

    def _meeting(self, work: Any, expected: Callable[[int], int]) -> Any:
        calls: list[None] = []

        def met(model: Any, inputs: Sequence[PictureInput], settings: Any) -> Any:
            calls.append(None)
            with self._changed:
                self._at_work += 1
                self.takes_turns &= threading.current_thread() is threading.main_thread()
                self.most.append(self._at_work)
                self._changed.notify_all()
                number = len(calls)
                assert self._changed.wait_for(lambda: max(self.most) >= expected(number), WAIT_S)
            try:
                return work(model, inputs, settings)
            finally:
                with self._changed:
                    self._at_work -= 1

        return met


def run(
    manager: contract.ModelUser, models: str, colours: Sequence[Any] = COLOURS, *, batch_size: int = 1, **values: Any
) -> list[PictureLayers]:
    settings = {"captioner": "fake-blip", "clip": "fake-clip", "wd14": "fake-wd14", **values}
    pictures = [(str(number), PictureInput(Image.new("RGB", (40, 20), one))) for number, one in enumerate(colours)]
    plan = Plan.from_flat(settings, models)
    batches = make_layers(pictures, plan, manager, batch_size=batch_size)
    return [without_times(one) for batch in batches for one in batch]


class WithBudget:
    """A manager whose models may take so much, as on a card."""

    budget_bytes = 1 << 33

    def __init__(self, manager: ModelManager) -> None:
        self.use, self.to_download, self.fetch_steps = manager.use, manager.to_download, manager.fetch_steps


def without_times(one: PictureLayers) -> PictureLayers:
    return PictureLayers(one.picture_id, tuple(replace(layer, created_at=0.0) for layer in one.layers), one.error)


def test_models_work_at_once_from_the_first_picture_on_and_say_the_same(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 1)
    one_by_one = run(manager, models)
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 3)
    meeting = Meeting(monkeypatch, lambda number: 3)
    assert run(manager, models) == one_by_one
    assert max(meeting.most) == 3


@pytest.mark.usefixtures("one_core")
def test_without_idle_cores_they_take_turns(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(monkeypatch, lambda number: 1)
    run(manager, models)
    assert meeting.takes_turns


@pytest.mark.usefixtures("two_cores")
def test_within_a_budget_as_on_a_card_they_take_turns(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Meeting(monkeypatch, lambda number: 1)
    run(WithBudget(manager), models)
    assert meeting.takes_turns


@pytest.mark.usefixtures("two_cores")
def test_somebody_s_own_model_works_alone_and_on_one_thread(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that opened a database does, or one of two that share what they opened."""
    threads = set()
    tag = FakeWd14.tag

    def tag_here(model: Any, inputs: Any, settings: Any) -> Any:
        threads.add(threading.current_thread())
        return tag(model, inputs, settings)

    monkeypatch.setattr(FakeWd14, "tag", tag_here)
    for own in (contract.Tagger, plugin.Tagger):
        monkeypatch.setattr(FakeWd14, "may_work_beside", own.may_work_beside)
        meeting = Meeting(monkeypatch, lambda number: 1)
        run(manager, models)
        assert threads == {threading.main_thread()}
        assert not meeting.takes_turns, "the others need not wait for each other"


def test_all_models_that_come_with_it_may_work_beside_others() -> None:
    assert all(registry.family_class(spec.family).may_work_beside for spec in registry.MODELS)


@pytest.mark.parametrize("colours", [COLOURS, ("red", "green", POISON, "blue", "black"), COLOURS[:1]])
def test_parts_of_a_batch_are_shown_to_a_model_at_once_with_the_same_answers(
    colours: Sequence[Any], manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 1)
    one_by_one = run(manager, models, colours)
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 2)
    monkeypatch.setattr(FakeCaptioner, "may_be_shared", True)
    FakeCaptioner.calls.clear()
    meeting = Meeting(monkeypatch, lambda number: 2)
    assert run(manager, models, colours, batch_size=5, clip="", wd14="fake-wd14") == [
        PictureLayers(one.picture_id, tuple(layer for layer in one.layers if layer.family != "clip"), one.error)
        for one in one_by_one
    ]
    assert max(meeting.most) == 2
    halves = {len(colours) // 2, -(-len(colours) // 2)} - {0}
    assert halves <= {*FakeCaptioner.calls}


@pytest.mark.usefixtures("two_cores")
def test_what_reads_the_sentence_waits_for_it(manager: ModelManager, models: str) -> None:
    for one in run(manager, models, mode="fast"):
        (said, clip, _) = one.layers
        assert said.sentence is not None
        assert clip.tags is not None and clip.tags[0].name == f"after {said.sentence.text!r}"


@pytest.mark.usefixtures("two_cores")
def test_a_picture_that_one_fails_on_costs_itself_with_the_layers_that_came_before(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = ["red", "green", POISON, "blue"]
    found = run(manager, models, colours)
    assert [one.error is not None for one in found] == [False, False, True, False]
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 1)
    again = run(manager, models, colours)
    assert [one.layers for one in found] == [one.layers for one in again]


@pytest.mark.usefixtures("one_core")
def test_where_no_picture_is_left_no_further_model_is_brought(manager: ModelManager, models: str) -> None:
    found = run(manager, models, [POISON])
    assert [one.error is not None for one in found] == [True]
    brought = {report.name for report in manager.report()}
    assert len(brought) == 1


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("error", [BadModel("it needs all there is"), OutOfMemory("none is left")])
def test_what_fails_at_once_is_asked_again_in_turns(
    error: CaptionerError, manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = run(manager, models, COLOURS[:1])
    tag, threads = FakeWd14.tag, set()

    def tag_on_the_main_thread(model: Any, inputs: Any, settings: Any) -> Any:
        threads.add(threading.current_thread() is threading.main_thread())
        if threading.current_thread() is not threading.main_thread():
            raise error
        return tag(model, inputs, settings)

    monkeypatch.setattr(FakeWd14, "tag", tag_on_the_main_thread)
    found = run(manager, models)
    assert threads == {True, False}
    assert found[0] == one_by_one[0]
    assert all(one.error is None and len(one.layers) == 3 for one in found)


@pytest.mark.usefixtures("two_cores")
def test_what_concerns_all_pictures_is_raised_when_all_have_ended(
    manager: ModelManager, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail_later(model: Any, inputs: Any, settings: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise BadModel("its file has gone")
        return FakeWd14Tag(model, inputs, settings)

    FakeWd14Tag = FakeWd14.tag
    monkeypatch.setattr(FakeWd14, "tag", fail_later)
    with pytest.raises(CaptionerError, match="its file has gone"):
        run(manager, models)
    assert not any(report.is_in_use for report in manager.report())


@pytest.mark.usefixtures("two_cores")
def test_more_work_than_places_gives_its_results_in_order() -> None:
    with side_by_side.SideBySide() as models:
        assert models.run([lambda number=number: number for number in range(9)]) == [*range(9)]


@pytest.mark.usefixtures("two_cores")
def test_a_piece_that_fails_on_another_thread_is_raised_and_nothing_more_is_begun() -> None:
    has_failed = threading.Event()

    def failing() -> None:
        has_failed.set()
        raise BadModel("damaged")

    def waits() -> None:
        assert has_failed.wait(WAIT_S)
        for thread in threading.enumerate():  # until it has told the others
            if thread.name.startswith("captioner-side-by-side"):
                thread.join(0.2)

    with side_by_side.SideBySide() as models, pytest.raises(BadModel, match="damaged"):
        models.run([waits, failing, lambda: pytest.fail("begun after that")])


@pytest.mark.usefixtures("two_cores")
def test_what_went_wrong_on_the_calling_thread_is_raised_when_the_others_have_ended() -> None:
    """Or what is asked again in turns would still be at work."""
    begun, ended = threading.Event(), threading.Event()

    def other() -> None:
        begun.set()
        time.sleep(0.3)  # longer than it takes to raise
        ended.set()

    def failing() -> None:
        assert begun.wait(WAIT_S)
        raise BadModel("damaged")

    with side_by_side.SideBySide() as models:
        with pytest.raises(BadModel, match="damaged"):
            models.run([failing, other])
        assert ended.is_set()


@pytest.mark.usefixtures("two_cores")
def test_work_ends_before_an_interruption_is_passed_on() -> None:
    begun, ended = threading.Event(), threading.Event()

    def other() -> None:
        begun.set()
        ended.wait(WAIT_S)

    def interrupted() -> None:
        assert begun.wait(WAIT_S)
        ended.set()
        raise KeyboardInterrupt

    with side_by_side.SideBySide() as models, pytest.raises(KeyboardInterrupt):
        models.run([interrupted, other, lambda: pytest.fail("begun after that")])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("captioner-side-by-side")]


def test_an_interruption_while_work_is_handed_out_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "models_at_once", lambda: 3)
    submit, wait = side_by_side.ThreadPoolExecutor.submit, side_by_side.wait
    has_begun, is_waited_for = threading.Event(), threading.Event()
    later: list[int] = []

    def hand_out_one(*arguments: Any) -> Any:
        if has_begun.is_set():
            raise KeyboardInterrupt
        found = submit(*arguments)
        assert has_begun.wait(WAIT_S)
        return found

    def wait_and_tell(at_work: Any) -> Any:
        is_waited_for.set()
        return wait(at_work)

    def other() -> None:
        has_begun.set()
        is_waited_for.wait(1)

    monkeypatch.setattr(side_by_side.ThreadPoolExecutor, "submit", hand_out_one)
    monkeypatch.setattr(side_by_side, "wait", wait_and_tell)
    with side_by_side.SideBySide() as models, pytest.raises(KeyboardInterrupt):
        models.run([lambda: later.append(0), other, *[lambda: later.append(1)] * 4])
    assert later == []


@pytest.mark.parametrize(("asked", "models"), [("1", 4), ("4,2", 2), ("16", 1), ("", 1), ("0", 1), ("many", 1)])
def test_before_torch_is_there_what_it_will_go_by_is_known(
    asked: str, models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert side_by_side.models_at_once() == models


@pytest.mark.parametrize(
    ("cores", "threads", "models"), [(2, 1, 2), (2, 2, 1), (8, 4, 2), (8, 8, 1), (4, 8, 1), (64, 1, 4)]
)
def test_as_many_work_at_once_as_their_threads_leave_cores_for(
    cores: int, threads: int, models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(side_by_side, "usable_cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert side_by_side.models_at_once() == models


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux says which hardware threads are of a core")
def test_two_hardware_threads_of_a_core_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch takes a thread a core by itself, so that none is idle there."""
    for cpu in range(8):
        (tmp_path / str(cpu)).write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    monkeypatch.setattr(side_by_side, "_CORE", f"{tmp_path}/{{}}")
    for usable, cores in ((range(8), 4), ({0, 4, 5}, 2), ({0, 9}, 2)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, usable=usable: set(usable))
        assert side_by_side.usable_cores() == cores


@pytest.mark.parametrize(("given", "cores"), [(0.25, 1), (1, 1), (2.9, 2), (16, 8)])
def test_a_process_that_was_given_some_cores_counts_on_no_others(
    given: float, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "_cores_here", lambda: 8)
    monkeypatch.setattr(side_by_side, "_given", [])
    assert side_by_side.usable_cores() == 8
    side_by_side.keep_to(given)
    assert side_by_side.usable_cores() == cores
