"""Finding settings as the page and programs ask for it: a job, what it found, and taking a proposal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError, SettingsError
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.service_makers import RED, set_with


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Service]:
    """A service with the demo models."""
    manager = ModelManager(models="demo", device="cpu")
    with Workspace(tmp_path / "workspace") as workspace, closing(manager), Worker() as worker:
        yield Service(workspace, worker, manager)


def _set(service: Service, count: int) -> str:
    set_id = str(service.new_set()["set"])
    for number in range(count):
        buffer = io.BytesIO()
        draw(scene_from_seed(4, number)).save(buffer, "PNG")
        service.intake.add_picture(set_id, Upload(f"{number}.png", buffer.getvalue()), [])
    return set_id


def _searched(service: Service, set_id: str, **flat: Any) -> dict[str, Any]:
    started = service.suggest.start(set_id, service.choices.plan_of_flat(flat))
    job = service.jobs.find(set_id, started["job"]["id"])
    assert job is not None
    assert job.wait(120)
    return service.suggest.read(set_id)


def test_a_search_says_what_each_settings_promise_and_a_proposal_is_used_as_one_step(demo: Service) -> None:
    set_id = _set(demo, 12)
    assert demo.suggest.read(set_id)["state"] == "none"
    answer = _searched(demo, set_id, preset="blip-paper")
    assert (answer["state"], answer["failed"], answer["job"]["kind"]) == ("done", [], "suggest")
    found = answer["found"]
    assert found["pictures"] == 12
    assert found["asked"] == ["blip-demo"]
    assert len(found["dots"]) == 22
    assert found["proposals"], "at EveryDream's beams there is more to say"
    proposal = found["proposals"][0]
    assert proposal["examples"][0]["name"] in [row["id"] for row in demo.open_set(set_id)["rows"]]
    assert all(row["state"] == "empty" for row in demo.open_set(set_id)["rows"]), "no caption was changed"

    again = Service(demo.workspace, demo.jobs._worker, demo.live._manager)  # as after a restart
    assert again.suggest.read(set_id) == {**answer, "job": None}
    assert again.lab.listed(set_id) == {"sweeps": []}
    dot = found["dots"][proposal["dot"]]
    assert again.suggest.use(set_id, proposal["dot"], None) == {"settings": dot["settings"]}
    assert demo.workspace.settings(set_id)["num_beams"] == dot["settings"]["num_beams"]
    assert demo.open_set(set_id)["undo"] == f"Use {dot['title']}"
    demo.travel(set_id, is_undo=True)
    assert demo.choices.stored_plan(set_id).captioner.settings.to_mapping()["min_length"] == 5


def test_a_sample_is_taken_of_a_larger_set_and_a_search_can_be_stopped(demo: Service) -> None:
    set_id = _set(demo, 33)
    started = demo.suggest.start(set_id, demo.choices.plan_of_flat({}))
    assert started["job"]["total"] == 30
    with pytest.raises(CaptionerError, match="being searched for better settings already"):
        demo.suggest.start(set_id, demo.choices.plan_of_flat({}))
    demo.jobs.stop(set_id)
    job = demo.jobs.find(set_id, started["job"]["id"])
    assert job is not None
    assert job.wait(60)
    assert demo.suggest.read(set_id)["state"] == "cancelled"


def test_what_cannot_be_searched_is_said_before_anything_runs(demo: Service, service: Service) -> None:
    empty = str(demo.new_set()["set"])
    with pytest.raises(SettingsError, match="the set has no pictures"):
        demo.suggest.start(empty, demo.choices.plan_of_flat({}))
    with pytest.raises(SettingsError, match="no captioner is on"):
        demo.suggest.start(empty, demo.choices.plan_of_flat({"captioner": "", "wd14": "default"}))
    with pytest.raises(SettingsError, match="search again"):
        demo.suggest.use(empty, 1, None)
    set_id, _ = set_with(service, RED)
    with pytest.raises(SettingsError, match="can read captions"):
        service.suggest.start(set_id, service.choices.plan_of_flat({}))


def test_a_picture_that_is_gone_costs_itself_and_a_set_that_is_deleted_ends_the_search(demo: Service) -> None:
    set_id = _set(demo, 3)
    path = demo.workspace.picture_path(set_id, demo.open_set(set_id)["rows"][1]["id"])
    path.unlink()
    answer = _searched(demo, set_id)
    assert answer["state"] == "done"
    assert answer["found"]["pictures"] == 2
    assert len(answer["failed"]) == 1
    assert answer["failed"][0].startswith("1.png: ")
    started = demo.suggest.start(set_id, demo.choices.plan_of_flat({}))
    job = demo.jobs.find(set_id, started["job"]["id"])
    demo.delete_set(set_id)
    assert job is not None
    assert job.wait(60)
    assert job.state in ("done", "cancelled")
