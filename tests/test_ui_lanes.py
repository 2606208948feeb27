"""What waits for a pattern, a model or a decoder keeps nobody else waiting, however many wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from captioner.service.service import Service
from captioner.ui import page
from tests.gradio_blocks import in_loop

WAITING = 60  # more than the threads that all requests share
PATIENCE_S = 20.0  # of the test, should they keep others waiting after all


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def _wait(gate: threading.Event) -> Any:
    def wait(*values: Any, **named: Any) -> Any:
        gate.wait(PATIENCE_S)
        return {}

    return wait


@pytest.mark.parametrize(
    "name", ["bulk.preview_bulk", "live.preview", "live.draw_sentences", "count_tokens", "intake.add_picture"]
)
def test_others_are_answered_while_dozens_wait(
    service: Service, gate: threading.Event, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    part, _, method = name.rpartition(".")
    monkeypatch.setattr(getattr(service, part) if part else service, method, _wait(gate))
    with TestClient(in_loop(page.mount, FastAPI(openapi_url=None), service)) as client:
        components = client.get("/config").json()["components"]
        bench = next(one["id"] for one in components if one["props"].get("server_fns"))

        def call(function: str, data: dict[str, Any]) -> int:
            asked = {"component_id": bench, "session_hash": "a", "fn_name": function, "data": data}
            return client.post("/gradio_api/component_server/", json=asked).status_code

        def wait_for_it() -> int:
            if method == "add_picture":
                return client.post("/sets/a/pictures", data={"name": "a"}, files={"file": b"x"}).status_code
            values = {"set": "a", "id": "b", "text": "c", "operation": "d", "values": {}, "settings": {}}
            return call(method, values)

        with ThreadPoolExecutor(WAITING + 1) as pool:
            waiting = [pool.submit(wait_for_it) for _ in range(WAITING)]
            answered = pool.submit(call, "known_sets", {"sets": []})
            assert answered.result(timeout=PATIENCE_S / 2) == 200
            assert not any(one.done() for one in waiting)
            gate.set()
            assert {one.result() for one in waiting} == {200}
