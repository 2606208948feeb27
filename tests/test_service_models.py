"""captioner.service.models: what is told of models, and done with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError
from captioner.models import listing, registry
from captioner.models.manager import ModelManager
from captioner.models.plug_ins import RefusedPlugIn
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    """From a manager's arguments to a service with the fake models."""
    with fake_models(tmp_path / "models") as models, Workspace(tmp_path / "work") as workspace, Worker() as worker:

        def service(managed_by: Any = "all", **given: Any) -> Service:
            manager = ModelManager(**{"models": models, "device": "cpu", **given})
            return Service(workspace, worker, manager, managed_by=managed_by)

        yield service


def row(service: Service, name: str) -> dict[str, Any]:
    return next(row for row in service.models.report()["models"] if row["name"] == name)


def loaded(service: Service, name: str) -> dict[str, Any]:
    """The model's row once it was loaded or failed."""
    service.models.act("load", name)
    service.live._worker.ask(lambda: None).result(10)  # asks are answered in their order
    return row(service, name)


def test_nothing_is_in_memory_until_a_model_is_used(make: Any) -> None:
    report = make().models.report()
    assert report["memory"] is None
    assert report["may_manage"] is True
    assert {one["state"] for one in report["models"] if one["name"].startswith("fake-")} == {"downloaded"}


def test_a_model_is_loaded_unloaded_and_freed(make: Any) -> None:
    service = make()
    assert loaded(service, "fake-blip")["state"] == "resident"
    assert loaded(service, "fake-wd14")["state"] == "resident"
    memory = service.models.report()["memory"]
    assert memory["device"] == "cpu"
    assert memory["budget_bytes"] is None
    assert service.models.act("unload", "fake-blip") == {"said": "fake-blip is no longer in memory."}
    assert row(service, "fake-blip")["state"] == "downloaded"
    assert service.models.act("free") == {"said": "fake-wd14 left cpu."}
    assert service.models.act("free") == {"said": "No idle model was in memory."}
    with pytest.raises(CaptionerError, match=r"fake-blip is not in memory\."):
        service.models.act("unload", "fake-blip")


def test_what_would_step_back_is_said_before(make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("fake-blip", "fake-wd14"):
        (tmp_path / "models" / name / "weights.onnx").write_bytes(bytes(60))
    service = make(ram_bytes=100)
    monkeypatch.setattr("tests.fakes.FakeModel.size_bytes", 60)
    loaded(service, "fake-blip")
    assert row(service, "fake-wd14")["needs_bytes"] == 60
    assert row(service, "fake-wd14")["steps_back"] == ["fake-blip"]
    assert loaded(service, "fake-wd14")["state"] == "resident"
    assert row(service, "fake-blip")["state"] == "downloaded"
    set_id = service.new_set({"captioner": "fake-blip", "wd14": "fake-wd14"})["set"]
    [warning] = service.changes(set_id, -1)["warnings"]
    assert warning.startswith("The models that are on take 1.1e-07 GiB and may take 9.3e-08 GiB: they step back")


def test_who_must_not_look_after_models_may_look(make: Any) -> None:
    service = make(managed_by="none")
    assert service.models.report()["may_manage"] is False
    with pytest.raises(CaptionerError, match="models are looked after by who runs this app") as caught:
        service.models.act("free")
    assert caught.value.code == "not_allowed"


def test_who_is_no_operator_sees_no_folder_of_this_machine(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make(managed_by="operators")
    rows = service.models.report()["models"]
    told = [{**rows[0], "source": "/srv/models/my-blip", "failure": "/srv/models/my-blip lacks config.json."}]
    monkeypatch.setattr(listing, "rows", lambda manager: told)
    monkeypatch.setattr("captioner.service.models.refused_plug_ins", lambda: (RefusedPlugIn("mine.py", "/srv/mine"),))
    assert "/srv/" in str(service.models.report(is_operator=True))
    assert service.models.report(is_operator=True)["left_out"] == [{"name": "mine.py", "reason": "/srv/mine"}]
    others = service.models.report(is_operator=False)
    assert "/srv/" not in str(others) and others["models"][0]["source"] == "a folder"
    assert others["models"][0]["failure"] and others["left_out"] == []
    with pytest.raises(CaptionerError, match="operators; ask one") as caught:
        service.models.act("verify", rows[0]["name"], is_operator=False)
    assert caught.value.code == "not_allowed"


def test_what_cannot_be_done_is_said(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make(models="demo")
    with pytest.raises(CaptionerError, match="no model is called 'nobody'"):
        service.models.act("load", "nobody")
    with pytest.raises(CaptionerError, match="blip-demo is here already, or cannot be downloaded"):
        service.models.act("download", "blip-demo")
    with pytest.raises(CaptionerError, match="blip-demo is not being downloaded"):
        service.models.act("stop", "blip-demo")
    with pytest.raises(CaptionerError, match="blip-demo is on no hub, so there is nothing to compare it with"):
        service.models.act("verify", "blip-demo")


def test_a_download_is_begun_shown_and_stopped(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def steps(spec: Any, **_: Any) -> Iterator[tuple[int, int]]:
        while True:
            yield 5, 10
            go_on.wait(0.01)

    monkeypatch.setattr("captioner.models.downloads.download_steps", steps)
    service = make(models="auto")
    monkeypatch.setattr("captioner.models.sources.is_cached", lambda spec: False)
    assert row(service, "blip-base")["can_download"] is True
    assert service.models.act("download", "blip-base") == {"said": "blip-base is being downloaded."}
    download = service.models._manager.downloads._going["blip", "blip-base"]
    assert row(service, "blip-base")["state"] == "downloading"
    assert row(service, "blip-base")["can_download"] is False
    service.models.act("stop", "blip-base")
    assert service.models.act("download", "blip-base") == {"said": "blip-base is being downloaded."}
    again = service.models._manager.downloads._going["blip", "blip-base"]
    assert again is not download and row(service, "blip-base")["state"] == "downloading", "it does not join what ends"
    service.models.act("stop", "blip-base")
    assert download.wait(10) and again.wait(10)
    assert row(service, "blip-base")["state"] == "absent"
    assert registry.find("blip-base").repo
