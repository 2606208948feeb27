"""Captioning a set and preparing models: progress, failures, stopping, one job a set."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.ahead import MAX_PICTURES
from captioner.errors import CaptionerError, ModelFailed, SettingsError
from captioner.service.recent import Recent
from captioner.service.service import Service
from captioner.worker import Worker
from tests.fakes import POISON, FakeCaptioner, FakeClip, FakeModel
from tests.service_makers import RED, added, page_values, png, set_with, wait_for_job


def test_a_job_captions_all_and_tells_its_progress(service: Service) -> None:
    set_id, _ = set_with(service, RED, (20, 20, 220), (10, 120, 10))
    service.jobs.start(set_id, None, page_values(service))
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["total"], job["failed"]) == ("done", 3, 3, 0)
    assert job["rate"] > 0
    rows = service.open_set(set_id)["rows"]
    assert [row["state"] for row in rows] == ["generated"] * 3
    assert rows[1]["caption"] == "a blue picture 40 wide under beam 3"


def test_a_job_passes_over_what_these_settings_made_already(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    assert service.jobs.start(set_id, None, page_values(service)) == {"job": None}
    added(service, set_id, "more.png", png((10, 120, 10)))
    assert service.jobs.start(set_id, None, page_values(service))["job"]["total"] == 1
    wait_for_job(service, set_id)


def test_an_edit_survives_a_job_and_the_new_caption_stands_beside_it(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    saved = service.save_caption(set_id, picture, "mine", 0)
    assert saved["ok"]
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    row = service.rows.of_picture(set_id, picture)
    assert (row["caption"], row["state"], row["revision"]) == ("mine", "edited", saved["revision"])
    assert row["suggestion"] == "a red picture 40 wide under beam 3"


def test_a_picture_that_fails_says_why_and_the_others_are_done(service: Service) -> None:
    set_id, pictures = set_with(service, RED, POISON, RED)
    service.jobs.start(set_id, None, page_values(service))
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["failed"]) == ("done", 3, 1)
    rows = {row["id"]: row for row in service.open_set(set_id)["rows"]}
    assert [rows[picture]["state"] for picture in pictures] == ["generated", "failed", "generated"]
    assert "no usable answer" in rows[pictures[1]]["error"]


@pytest.mark.parametrize("poison", [MemoryError(), RuntimeError("boom"), ValueError("boom")], ids=repr)
def test_no_picture_ends_a_job_whatever_its_model_raises(service: Service, poison: Exception) -> None:
    FakeModel.poison = poison
    set_id, pictures = set_with(service, RED, POISON, RED)
    service.jobs.start(set_id, None, page_values(service))
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["failed"]) == ("done", 3, 1)
    rows = {row["id"]: row for row in service.open_set(set_id)["rows"]}
    assert [rows[picture]["state"] for picture in pictures] == ["generated", "failed", "generated"]
    assert "this picture" in rows[pictures[1]]["error"]


@pytest.mark.parametrize("poison", [MemoryError(), RuntimeError("boom")], ids=repr)
def test_one_picture_asked_for_alone_fails_in_words(service: Service, poison: Exception) -> None:
    FakeModel.poison = poison
    set_id, [picture] = set_with(service, POISON)
    with pytest.raises(ModelFailed, match="this picture"):
        service.live.preview(set_id, picture, page_values(service))


def _gated_steps(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Each step of FakeClip's preparation waits for a release."""
    leave = threading.Semaphore(0)
    at_once = FakeClip.prepare_steps

    def waiting(self: FakeClip, settings: Any, *, published: bool = False) -> Iterator[Any]:
        for step in at_once(self, settings, published=published):
            assert leave.acquire(timeout=20)
            yield step

    monkeypatch.setattr(FakeClip, "prepare_steps", waiting)
    return leave


def test_a_job_prepares_first_in_steps_that_let_others_in(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, [first, second] = set_with(service, RED, (20, 20, 220))
    FakeClip.unprepared = 400
    leave = _gated_steps(monkeypatch)
    service.jobs.start(set_id, None, page_values(service, clip_on=True))
    for _ in range(2):
        leave.release()
    job = service.jobs.newest(set_id)
    while job is None or job["aside"] is None or job["aside"]["done"] < 200:
        job = service.jobs.newest(set_id)
    assert (job["done"], job["total"], job["rate"]) == (0, 2, None)
    assert (job["aside"]["title"], job["aside"]["text"]) == ("Preparing fake-clip", "200 of 400 labels")
    assert job["aside"]["seconds_left"] > 0
    asked = worker.ask(lambda: "let in")
    leave.release()
    assert asked.result(20) == "let in"
    leave.release()
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["failed"], job["aside"]) == ("done", 2, 0, None)
    assert all("cubism" in service.rows.of_picture(set_id, picture)["caption"] for picture in (first, second))


def test_stopping_a_preparation_keeps_what_is_done(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = set_with(service, RED)
    FakeClip.unprepared = 1000
    leave = _gated_steps(monkeypatch)
    started = service.jobs.start_preparation(set_id, page_values(service, clip_on=True), published=False)["job"]
    assert (started["total"], started["done"]) == (0, 0)
    with pytest.raises(CaptionerError, match="this set is being prepared for already; wait for it or stop it"):
        service.jobs.start(set_id, None, page_values(service))
    service.jobs.stop(set_id)
    leave.release()
    assert wait_for_job(service, set_id)["state"] == "cancelled"
    assert FakeClip.unprepared in (900, 1000)


def test_a_long_preparation_stops_no_other_sets_job(service: Service) -> None:
    preparing, _ = set_with(service, RED)
    captioning, _ = set_with(service, RED, (20, 20, 220))
    FakeClip.unprepared = 10**12  # never done
    service.jobs.start_preparation(preparing, page_values(service, clip_on=True), published=False)
    service.jobs.start(captioning, None, page_values(service))
    job = wait_for_job(service, captioning)
    assert (job["state"], job["done"]) == ("done", 2)
    still = service.jobs.newest(preparing)
    assert still is not None
    assert still["state"] == "running"
    service.jobs.stop(preparing)
    assert wait_for_job(service, preparing)["state"] == "cancelled"


def _two_that_prepare_one_model(service: Service, worker: Worker, leave: threading.Semaphore) -> tuple[str, str]:
    """Two sets whose jobs prepare the same model; the second is waiting for the first, which has done some."""
    sets = set_with(service, RED)[0], set_with(service, RED)[0]
    may_go = threading.Event()
    worker.ask(lambda: may_go.wait(20))
    for set_id in sets:
        service.jobs.start_preparation(set_id, page_values(service, clip_on=True), published=False)
    leave.release(1)
    may_go.set()
    until = time.monotonic() + 20
    while (second := service.jobs.newest(sets[1])) is None or second["aside"] is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert second["aside"]["text"] == "fake-clip is being prepared for another set"
    return sets


def test_two_sets_prepare_a_model_once(service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeClip.unprepared = 1000
    leave = _gated_steps(monkeypatch)
    first, second = _two_that_prepare_one_model(service, worker, leave)
    leave.release(9)  # no more than one preparation of a thousand labels takes
    assert [wait_for_job(service, set_id)["state"] for set_id in (first, second)] == ["done", "done"]
    assert FakeClip.unprepared == 0


def test_who_waits_for_a_preparation_that_is_stopped_goes_on_with_it(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeClip.unprepared = 1000
    leave = _gated_steps(monkeypatch)
    first, second = _two_that_prepare_one_model(service, worker, leave)
    service.jobs.stop(first)
    leave.release(10)
    assert wait_for_job(service, first)["state"] == "cancelled"
    assert wait_for_job(service, second)["state"] == "done"
    assert FakeClip.unprepared == 0


def test_a_preparation_that_fails_for_one_set_does_not_fail_for_the_next(service: Service, worker: Worker) -> None:
    FakeClip.unprepared = 200
    FakeClip.hub_is_away = True
    may_go = threading.Event()
    worker.ask(lambda: may_go.wait(20))
    first, second = set_with(service, RED)[0], set_with(service, RED)[0]
    service.jobs.start_preparation(first, page_values(service, clip_on=True), published=True)
    service.jobs.start_preparation(second, page_values(service, clip_on=True), published=False)
    may_go.set()
    assert [wait_for_job(service, set_id)["state"] for set_id in (first, second)] == ["failed", "done"]


def test_published_labels_are_fetched_only_when_asked_for_and_a_hub_that_is_away_is_told(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    FakeClip.unprepared = 1000
    FakeClip.hub_is_away = True
    service.jobs.start_preparation(set_id, page_values(service, clip_on=True), published=True)
    job = wait_for_job(service, set_id)
    assert (job["state"], job["message"]) == (
        "failed",
        "The file of label embeddings could not be downloaded from the hub.",
    )
    FakeClip.hub_is_away = False
    service.jobs.start_preparation(set_id, page_values(service, clip_on=True), published=True)
    assert wait_for_job(service, set_id)["state"] == "done"
    assert FakeClip.unprepared == 0


def test_a_picture_damaged_on_the_disk_costs_one_picture(service: Service, tmp_path: Path) -> None:
    set_id, pictures = set_with(service, RED, (30, 200, 30), (30, 30, 200))
    digest = service.workspace.view(set_id, pictures[1]).digest
    stored = [
        path for path in (tmp_path / "work").rglob(f"*{digest}*") if path.stat().st_size == len(png((30, 200, 30)))
    ]
    assert len(stored) == 1
    stored[0].write_bytes(b"no picture any more")
    service.pictures._opened = Recent(2)  # forgets what the upload had opened
    service.jobs.start(set_id, None, None)
    job = wait_for_job(service, set_id)
    assert (job["state"], job["done"], job["failed"]) == ("done", 3, 1)
    rows = {row["id"]: row for row in service.open_set(set_id)["rows"]}
    assert [rows[picture]["state"] for picture in pictures] == ["generated", "failed", "generated"]
    assert rows[pictures[1]]["error"]


def test_one_job_a_set_at_a_time_and_it_can_be_stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = set_with(service, RED, RED, RED, RED)
    may_go = threading.Event()
    at_once = FakeCaptioner.caption

    def wait_first(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        assert may_go.wait(20)
        return at_once(self, pictures, settings)

    monkeypatch.setattr(FakeCaptioner, "caption", wait_first)
    service.jobs.start(set_id, None, page_values(service))
    with pytest.raises(CaptionerError, match="this set is being captioned already"):
        service.jobs.start(set_id, None, page_values(service))
    service.jobs.stop(set_id)
    may_go.set()
    job = wait_for_job(service, set_id)
    assert job["state"] == "cancelled"
    assert [row["state"] for row in service.open_set(set_id)["rows"]].count("generated") == job["done"] <= 1


def opening_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("captioner-ahead")]


def test_a_job_opens_the_next_pictures_while_a_model_looks_and_none_after_it_was_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, _ = set_with(service, *((number, 20, 20) for number in range(40)))
    opened: list[str] = []
    looking, may_go = threading.Event(), threading.Event()
    shown_once, at_once = service.pictures.shown_once, FakeCaptioner.caption

    def noting(set_id: str, view: Any) -> Any:
        opened.append(view.id)
        return shown_once(set_id, view)

    def look(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        looking.set()
        assert may_go.wait(20)
        return at_once(self, pictures, settings)

    monkeypatch.setattr(service.pictures, "shown_once", noting)
    monkeypatch.setattr(FakeCaptioner, "caption", look)
    service.jobs.start(set_id, None, page_values(service))
    assert looking.wait(20)
    service.jobs.stop(set_id)
    may_go.set()
    job = wait_for_job(service, set_id)
    assert job["state"] == "cancelled" and job["done"] <= 1
    assert opening_threads() == []
    assert 1 < len(opened) <= 2 + MAX_PICTURES


def test_a_job_leaves_at_hand_what_a_person_looks_at(service: Service) -> None:
    set_id, pictures = set_with(service, RED, (20, 20, 220), (10, 120, 10))
    view = service.workspace.view(set_id, pictures[0])
    image = service.pictures.open(set_id, view.id, view.digest)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    assert service.pictures.open(set_id, view.id, view.digest) is image


def test_a_job_without_any_model_is_refused(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    with pytest.raises(SettingsError, match="every model is switched off"):
        service.jobs.start(set_id, None, page_values(service, captioner_on=False))
