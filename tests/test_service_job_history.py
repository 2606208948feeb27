"""Jobs that outlive the app: offered again, gone on with, told of; and the failed ones once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError
from captioner.models.manager import ModelManager
from captioner.service.lab import AskedAxis
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import POISON, FakeCaptioner, FakeModel, fake_models
from tests.service_makers import RED, page_values, set_with, wait_for_job

Started = Callable[[], Any]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    """Starts the service on one workspace, as often as is wanted."""
    with fake_models(tmp_path / "models") as models:

        @contextmanager
        def started() -> Iterator[Service]:
            with Workspace(tmp_path / "work") as workspace, Worker() as worker:
                yield Service(workspace, worker, ModelManager(models=models, device="cpu"))

        yield started


@pytest.fixture
def cut_off(start: Started, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of four pictures of which two were captioned with five beams when the app ended."""
    at_once, begun = FakeCaptioner.caption, threading.Semaphore(0)
    may_go = threading.Semaphore(2)

    def wait(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        begun.release()
        assert may_go.acquire(timeout=20)
        return at_once(self, pictures, settings)

    with start() as service:
        set_id, _ = set_with(service, RED, RED, RED, RED)
        with monkeypatch.context() as patched:
            patched.setattr(FakeCaptioner, "caption", wait)
            service.jobs.start(set_id, None, page_values(service, num_beams=5))
            for _ in range(3):
                assert begun.acquire(timeout=20)
            ending = threading.Thread(target=service.jobs._worker.close)
            ending.start()
            while not service.jobs._worker._is_closing:
                ending.join(0.01)
            may_go.release()
            ending.join(20)
    return str(set_id)


def test_what_the_end_of_the_app_cut_off_is_offered_and_gone_on_with(start: Started, cut_off: str) -> None:
    with start() as service:
        offered = service.changes(cut_off, -1)["interrupted"]
        assert (offered["kind"], offered["state"], offered["done"], offered["total"]) == (
            "caption",
            "interrupted",
            3,
            4,
        )
        assert service.jobs.history.sentences == (
            "captioning a set stopped at 3 of 4 when Captioner ended; its set offers to go on.",
        )
        FakeModel.calls.clear()
        begun = service.jobs.resume(cut_off, offered["id"])["job"]
        assert begun["total"] == 1
        assert wait_for_job(service, cut_off)["state"] == "done"
        assert FakeModel.calls == [1], "what is done is not done again"
        captions = [row["caption"] for row in service.open_set(cut_off)["rows"]]
        assert captions == ["a red picture 40 wide under beam 5"] * 4
        assert service.changes(cut_off, -1)["interrupted"] is None
        told = service.jobs.told(cut_off)["jobs"]
        assert [(row["state"], row["done"], row["total"]) for row in told] == [("done", 1, 1), ("resumed", 3, 4)]
        assert (told[0]["models"], told[0]["settings"]) == (["fake-blip"], {"num_beams": 5})
        with pytest.raises(CaptionerError, match="no such job to go on with"):
            service.jobs.resume(cut_off, offered["id"])
    with start() as service:
        assert service.changes(cut_off, -1)["interrupted"] is None


@pytest.mark.parametrize("how", ["left", "another"])
def test_what_was_cut_off_is_offered_until_a_person_decides(start: Started, cut_off: str, how: str) -> None:
    with start() as service:
        if how == "left":
            service.jobs.leave(cut_off)
        else:
            service.jobs.start(cut_off, None, page_values(service))
            wait_for_job(service, cut_off)
        assert service.changes(cut_off, -1)["interrupted"] is None
        assert service.jobs.told(cut_off)["jobs"][-1]["state"] == "left"


def test_every_kind_of_job_is_gone_on_with_by_whoever_began_it(start: Started) -> None:
    with start() as service:
        set_id, [picture] = set_with(service, RED)
        plan = service.choices.plan_of(page_values(service))
        jobs = service.jobs
        for kind, asked in {
            "caption": {"settings": plan.to_flat(), "pictures": None, "downloads": False, "all_kinds": False},
            "prepare": {"settings": plan.to_flat(), "published": False},
        }.items():
            jobs.resumes[kind](set_id, asked)
            assert wait_for_job(service, set_id)["kind"] == kind
        assert set(jobs.resumes) == {"caption", "prepare", "read", "sweep", "suggest"}
        sweep = service.lab.start(set_id, [picture], [AskedAxis("num_beams", ["1", "2"])], plan)["sweep"]
        wait_for_job(service, set_id)
        jobs.resumes["sweep"](set_id, {"sweep": sweep})
        assert wait_for_job(service, set_id)["kind"] == "sweep"


def test_the_failed_ones_are_tried_once_more(start: Started) -> None:
    with start() as service:
        set_id, _ = set_with(service, RED, POISON, POISON)
        assert service.jobs.retry_failed(set_id) == {"job": None}
        service.jobs.start(set_id, None, page_values(service))
        wait_for_job(service, set_id)
        told = service.jobs.told(set_id)
        assert (told["failed"], told["jobs"][0]["failed"], told["jobs"][0]["state"]) == (2, 2, "done")
        begun = service.jobs.retry_failed(set_id)["job"]
        assert begun["total"] == 2
        wait_for_job(service, set_id)
        assert service.jobs.stop(set_id)["job"]["state"] == "done"


def test_a_job_that_a_person_stops_is_not_offered_again(start: Started) -> None:
    with start() as service:
        set_id, _ = set_with(service, RED)
        may_go = threading.Event()
        service.jobs._worker.ask(lambda: may_go.wait(20))
        service.jobs.start(set_id, None, page_values(service))
        service.jobs.stop(set_id)
        may_go.set()
        assert wait_for_job(service, set_id)["state"] == "cancelled"
    with start() as service:
        assert service.changes(set_id, -1)["interrupted"] is None
        assert [row["state"] for row in service.jobs.told(set_id)["jobs"]] == ["cancelled"]
