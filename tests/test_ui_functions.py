"""How the answers to the page's script leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from captioner.service.service import Service
from captioner.ui import page
from tests.gradio_blocks import in_loop


def test_an_answer_of_thousands_of_rows_is_not_looked_through_on_the_way(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """FastAPI copies a mapping value by value before it sends it, and answers nobody meanwhile."""

    async def looked_through(**named: object) -> object:
        raise AssertionError("copied value by value")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr("fastapi.routing.serialize_response", looked_through)
    with TestClient(in_loop(page.mount, FastAPI(openapi_url=None), service)) as client:
        components = client.get("/config").json()["components"]
        bench = next(one["id"] for one in components if one["props"].get("server_fns"))
        asked = {"component_id": bench, "session_hash": "a", "fn_name": "known_sets", "data": {"sets": []}}
        assert client.post("/gradio_api/component_server/", json=asked).json() == {"sets": [], "bin": []}
