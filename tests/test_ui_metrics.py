"""/healthz, /metrics and logs for programs: what is counted, and that no caption and no name gets out."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.config
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from captioner import events
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.ui import logs, page
from captioner.ui.address import ServedNames
from captioner.ui.guard import Guard
from captioner.ui.login import Login
from captioner.ui.metrics import Metrics
from captioner.ui.visitors import Visitors
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import POISON, fake_models
from tests.gradio_blocks import in_loop
from tests.service_makers import RED, added, page_values, png

SECRET = "my-secret-name"
AUTH = ("ada", "a long word")


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Name and labels, these in the order of the alphabet -> value."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_job_a_failure_and_requests_are_counted_without_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.write_json()
    with (
        fake_models(tmp_path / "models") as models,
        Workspace(tmp_path / "work") as workspace,
        Worker() as worker,
        contextlib.ExitStack() as stack,
    ):
        manager = ModelManager(models=models, device="cpu")
        service = Service(workspace, worker, manager)
        metrics = Metrics(manager, worker)
        stack.enter_context(metrics.listening())
        guard = Guard(
            in_loop(page.mount, FastAPI(), service),
            names=ServedNames.of("127.0.0.1", []),
            visitors=Visitors(login=Login(AUTH), figures=metrics.text),
            upload_folder=tmp_path,
            is_well=lambda: worker.is_alive,
        )
        set_id = service.new_set()["set"]
        added(service, set_id, f"{SECRET}.png", png(RED))
        added(service, set_id, f"{SECRET}2.png", png(POISON))
        started: Any = service.jobs.start(set_id, None, page_values(service))["job"]
        job = service.jobs.find(set_id, started["id"])
        assert job is not None and job.wait(60)
        with TestClient(guard, base_url="http://127.0.0.1:7860") as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/metrics").status_code == 401
            client.get(f"/sets/{SECRET}/pictures/x/thumbnail", auth=AUTH)
            answer = client.get("/metrics", auth=AUTH)
            worker.close()
            assert client.get("/healthz").status_code == 503
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = figures(answer.text)
    assert found["captioner_jobs_ended_total", "caption", "done"] == 1
    assert found["captioner_caption_seconds_count",] == 2
    assert found["captioner_failures_total", "model_failed"] >= 1
    assert found["captioner_wait_seconds_count", "job"] == 1
    assert found["captioner_requests_total", "401", "door"] == 1
    assert found["captioner_requests_total", "200", "open"] == 1
    assert found["captioner_requests_total", "404", "other"] == 1
    assert found["captioner_model_bytes", "blip", "cpu", "loaded"] == 1000
    assert found["captioner_model_load_seconds_count", "blip"] == 1
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    told = {line["event"] for line in lines}
    assert {"request", "waited", "captioned", "job_ended", "failure", "model_brought"} <= told
    for hidden in (SECRET, set_id, "red picture", AUTH[1], str(tmp_path)):
        assert hidden not in written.getvalue() + answer.text


def test_what_other_loggers_quote_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.write_json()
    try:
        raise ValueError(f"{SECRET} is bad")
    except ValueError:
        logging.getLogger("somebody").exception("%s cannot be read", SECRET)
    [line] = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (line["level"], line["event"], line["error"]) == ("error", "%s cannot be read", "ValueError")
    assert line["at"][0].startswith("test_what_other_loggers")
    assert SECRET not in written.getvalue()


def test_of_a_text_that_a_library_has_put_together_only_the_place_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.write_json()
    logging.getLogger("somebody.else").warning(f"{SECRET} cannot be read")
    logging.getLogger("somebody").error(ValueError(SECRET))
    logging.getLogger("captioner.worker").warning("The worker ends.")
    first, second, ours = (json.loads(line) for line in written.getvalue().splitlines())
    for line in (first, second):
        assert set(line) == {"time", "level", "logger", "event", "where"}
        assert line["event"] == "message" and line["where"].startswith("test_ui_metrics:")
    assert (first["level"], first["logger"]) == ("warning", "somebody.else")
    assert ours["event"] == "The worker ends."
    assert SECRET not in written.getvalue()


def test_a_server_that_sets_up_its_own_logs_does_not_end_the_counting(service: Service, worker: Worker) -> None:
    metrics = Metrics(service.live._manager, worker)
    with metrics.listening():
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # closes handlers that are there
        events.tell("failure", code="too_big")
    events.tell("failure", code="too_big")
    assert figures(metrics.text().decode())["captioner_failures_total", "too_big"] == 1


def test_where_nobody_listens_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    events.tell("captioned", pictures=1, seconds=0.1)
    assert caplog.records == []
