"""The real app killed with SIGKILL while a job goes on, and started again: the job goes on, and no edit is lost."""

from __future__ import annotations

import io
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.browser.conftest import AppServer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")

SOON_S = 60.0
PICTURES = 8


class Program:
    """What uses the HTTP API without gradio_client."""

    def __init__(self, url: str) -> None:
        self.base = f"{url}gradio_api/call/"
        self.url = url
        self.http = httpx.Client(timeout=SOON_S)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, name: str, *values: Any) -> Any:
        event = self.http.post(f"{self.base}{name}", json={"data": list(values)}).json()["event_id"]
        said = self.http.get(f"{self.base}{name}/{event}").text
        assert "event: complete" in said, said
        return json.loads(said.partition("data: ")[2])[0]

    def add(self, set_id: str, name: str, colour: tuple[int, int, int]) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (32, 24), colour).save(buffer, "PNG")
        sent = self.http.post(
            f"{self.url}sets/{set_id}/pictures", data={"name": name}, files={"file": (name, buffer.getvalue())}
        )
        assert sent.status_code == 200, sent.text


def cut_off(server: AppServer, rng: random.Random, set_id: str, beams: int, edits: dict[str, str]) -> str:
    """A job under settings that the set has not seen, killed on its way. Returns: its id.

    Args: edits: by id, those that were acknowledged; three more come.
    """
    with Program(server.url) as program:
        job_id = program.call("start_captioning", set_id, {"num_beams": beams})
        for row in rng.sample(program.call("captions", set_id), 3):
            text = f"by hand, round {beams}"
            assert program.call("save_caption", set_id, row["id"], text, row["revision"])["ok"]
            edits[row["id"]] = text
        time.sleep(rng.uniform(0, 0.2))
        server.kill()
    return str(job_id)


def one_round(server: AppServer, rng: random.Random, set_id: str, beams: int, edits: dict[str, str]) -> str:
    """Kill, start again, go on, and look at all captions. Returns: how the job was found."""
    job_id = cut_off(server, rng, set_id, beams, edits)
    server.start()
    with Program(server.url) as program:
        [found, *_] = program.call("jobs", set_id)
        assert (found["id"], found["state"] in ("interrupted", "done")) == (job_id, True)
        resumed = program.call("resume_job", job_id, False) if found["state"] == "interrupted" else ""
        until = time.monotonic() + SOON_S
        while resumed and (state := program.call("job", resumed)["state"]) != "done":
            assert state in ("waiting", "running") and time.monotonic() < until
        rows = program.call("captions", set_id)
        assert {row["id"]: row["text"] for row in rows if row["edited"]} == edits
        assert all(row["caption"].endswith(f"under beam {beams}") for row in rows if not row["edited"])
        assert program.call("start_captioning", set_id, {"num_beams": beams}) == "", "every picture has its layers"
    return str(found["state"])


def killed(folder: Path, rounds: int) -> list[str]:
    """Returns: how the job was found, by round."""
    rng = random.Random(5)
    server = AppServer(folder, delay_s=0.1)
    server.start()
    try:
        with Program(server.url) as program:
            set_id = program.call("new_set")
            for number in range(PICTURES):
                program.add(set_id, f"{number}.png", (number * 20, 10, 10))
        edits: dict[str, str] = {}
        found = [one_round(server, rng, set_id, 1 + number % 20, edits) for number in range(rounds)]
        assert ("captioning a set stopped" in server.log) == ("interrupted" in found)
        return found
    finally:
        server.stop()


def test_a_job_goes_on_after_a_kill_and_no_acknowledged_edit_is_lost(tmp_path: Path) -> None:
    assert killed(tmp_path, 1)


@pytest.mark.slow
def test_40_kills_lose_no_edit_and_no_job(tmp_path: Path) -> None:
    assert killed(tmp_path, 40).count("interrupted") >= 20
