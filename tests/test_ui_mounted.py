"""The mounted page behind the door: it asks nobody for what a visitor names, and keeps only so much of visitors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from captioner.service.service import Service
from captioner.ui import page
from captioner.ui.address import ServedNames
from captioner.ui.guard import Guard
from tests.gradio_blocks import in_loop

FAR = "far.example"
FILE = {"meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
SPELLINGS = (f"http://{FAR}/a.png", f"HTTPS://{FAR}/a.png", f"http:%2F%2F{FAR}/a.png", f"//{FAR}/a.png")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up, and the addresses that were connected to."""
    seen: list[str] = []

    def look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        seen.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "nobody is here")

    def connect(self: socket.socket, address: Any) -> None:
        seen.append(str(address))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


@pytest.fixture
def mounted(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return in_loop(page.mount, FastAPI(openapi_url=None), service)


@pytest.fixture
def guarded(mounted: FastAPI, tmp_path: Path) -> Iterator[TestClient]:
    door = Guard(
        mounted,
        names=ServedNames.of("localhost", []),
        login=None,
        upload_folder=tmp_path / "uploads",
        callables=mounted.state.callables,
    )
    with TestClient(door, base_url="http://localhost") as client:
        yield client


def _ask(client: TestClient) -> None:
    for spelling in SPELLINGS:
        client.get(f"/gradio_api/file={spelling}")
        client.get(f"/gradio_api/proxy={spelling}")
        for file in ({"path": spelling}, {"path": spelling, "url": spelling}, {"path": "a.png", "url": spelling}):
            value = {"data": ["set", [{**FILE, **file}]], "session_hash": "a"}
            client.post("/gradio_api/call/add_pictures", json=value)
            client.post("/gradio_api/run/add_pictures", json=value)
            client.post("/gradio_api/run/predict", json={**value, "fn_index": 0})


def _workbench(client: TestClient) -> int:
    """The number of the component whose functions the page's script calls."""
    components = client.get("/config").json()["components"]
    return next(int(one["id"]) for one in components if one["props"].get("server_fns"))


INFINITE = "1e400"  # JSON's spelling of what no JSON can say again


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("run/predict", '{"data": [], "fn_index": 99999}'),
        ("run/predict", '{"data": [], "fn_index": 0}'),
        ("run/predict", '{"data": {}, "fn_index": 0}'),
        ("run/predict", '{"data": []}'),
        *(("run/predict", f'{{"data": ["", "", ""], "fn_index": {number}}}') for number in range(1, 16)),
        *((path, f'{{"data": [], "fn_index": {INFINITE}}}') for path in ("run/predict", "queue/join", "cancel")),
        ("run/predict", f'{{"data": {INFINITE}, "fn_index": 0}}'),
        ("run/predict", '{"data": [], "fn_index": 0, "session_hash": "half \\ud83d"}'),
        ("run/predict", '{"data": [], "fn_index": 0, "trigger_id": [1e400]}'),
        ("run/predict", f'{{"data": [], "fn_index": {"9" * 400}}}'),
        ("queue/join", '{"data": [], "fn_index": 0, "session_hash": "a"}'),
        ("queue/join", '{"data": [], "fn_index": true, "session_hash": "a"}'),
        ("queue/join", "[1e400]"),
        ("call/nothing", '{"data": []}'),
        ("call/load_settings", '{"data": [""]}'),
        ("call/new_set", '{"data": 1e400}'),
        ("component_server/", '{"component_id": 99999, "fn_name": "open_set", "data": {}}'),
        ("component_server/", '{"component_id": [], "fn_name": "open_set", "data": {}}'),
        ("component_server/", '{"component_id": BENCH, "fn_name": "__init__", "data": {}}'),
        ("component_server/", '{"component_id": BENCH, "fn_name": ["open_set"], "data": {}}'),
        ("component_server/", '{"component_id": BENCH, "data": {}}'),
    ],
)
def test_a_call_that_names_nothing_here_is_refused_with_a_code(guarded: TestClient, path: str, call: str) -> None:
    body = call.replace("BENCH", str(_workbench(guarded)))
    answer = guarded.post(f"/gradio_api/{path}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["code"] in ("bad_request", "unknown_function")


@pytest.mark.parametrize("path", ["queue/data?session_hash=nobody", "call/new_set/nothing"])
def test_a_stream_of_a_forgotten_session_ends_in_order(guarded: TestClient, path: str) -> None:
    answer = guarded.get(f"/gradio_api/{path}")  # the client raises what the app raises
    assert answer.status_code == 200
    assert "error" in answer.text


def test_without_the_door_gradio_looks_up_what_a_visitor_names(mounted: FastAPI, asked: list[str]) -> None:
    with TestClient(mounted, base_url="http://localhost", raise_server_exceptions=False) as client:
        _ask(client)
    assert FAR in " ".join(asked)  # else the next test would see nothing either


def test_no_name_is_looked_up_for_a_visitor(guarded: TestClient, asked: list[str]) -> None:
    _ask(guarded)
    assert asked == []


def test_only_so_many_session_names_are_kept(mounted: FastAPI, guarded: TestClient) -> None:
    gradio_app = next(route.app for route in mounted.routes if hasattr(getattr(route, "app", None), "state_holder"))
    call = {"data": {"sets": []}, "component_id": _workbench(guarded), "fn_name": "known_sets"}
    for number in range(70):
        answer = guarded.post("/gradio_api/component_server/", json={**call, "session_hash": f"session {number}"})
        assert answer.status_code == 200
    assert len(gradio_app.state_holder.session_data) == 64
