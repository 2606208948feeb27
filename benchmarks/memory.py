"""Whether the app's memory levels off: captions of ever new pictures, each asked for by somebody new.

    python -m benchmarks.memory [--json] [--captions 3000] [--samples 12]

The real app runs with the demo models. Each caption is of another picture and under another session name, every other
one asked for as the page and gradio_client ask (`/queue/join` with a session name) and as a program does with curl
(`/call/caption_picture` without one, which Gradio takes for a new session each time). Captions are greedy, since the
search leaves nothing behind. Rows, in MB of 1,000,000 bytes of the server's resident memory:

    memory_at_N      after so many captions; the first one has loaded the model
    memory_growth    what the last third of the captions added, in MB a caption (a line through all its samples)

Growth has an end where everything that is kept has a bound: pictures that BLIP looked at by bytes and number
(`captioner.models.blip.cache`), sessions by Gradio's `state_session_capacity`, opened pictures, previews and layers by
number (`captioner.ui`), finished jobs by number (`captioner.worker`). Run it with OMP_NUM_THREADS=1 on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from benchmarks.report import Row, show
from benchmarks.served import served, small_picture
from captioner.workspace import Workspace
from captioner.workspace.records import Upload

LIMIT_MB = 0.05
"""What the last third may add a caption; a new session alone added 0.17 while Gradio kept 10,000 of them."""

ENDPOINT = "caption_picture"
SETTINGS = {"num_beams": 1, "min_length": 1, "max_length": 8}
REQUEST_LIMIT_S = 300.0


def fill(folder: Path, count: int) -> tuple[str, list[str]]:
    """A caption set of so many different pictures without captions, in a new workspace, and their ids."""
    with Workspace(folder) as workspace:
        set_id = workspace.create_set("memory")
        uploads = (Upload(f"{number:05d}.png", small_picture(0, number)) for number in range(count))
        return set_id, [picture.id for picture in workspace.add_pictures(set_id, uploads)]  # type: ignore[union-attr]


class Visitors:
    """Asks for captions, each time as somebody who was never here."""

    def __init__(self, client: httpx.Client) -> None:
        """Args: client: its base URL is the app's."""
        self._client = client
        endpoints = client.get("config").raise_for_status().json()["dependencies"]
        self._function = next(one["id"] for one in endpoints if one["api_name"] == ENDPOINT)

    def ask(self, data: Sequence[object], *, as_page: bool) -> str:
        """The caption that `ENDPOINT` answers to these values. Raises: RuntimeError: it refused."""
        return self._as_page(data) if as_page else self._as_program(data)

    def _as_page(self, data: Sequence[object]) -> str:
        session = uuid.uuid4().hex
        asked = {"data": data, "fn_index": self._function, "session_hash": session}
        self._client.post("gradio_api/queue/join", json=asked).raise_for_status()
        for message in self._events(f"gradio_api/queue/data?session_hash={session}"):
            if message["msg"] == "process_completed":
                if not message["success"]:
                    raise RuntimeError(f"no caption: {message['output']}")
                return str(message["output"]["data"][0])
        raise RuntimeError("the app ended the stream without a caption")

    def _as_program(self, data: Sequence[object]) -> str:
        path = f"gradio_api/call/{ENDPOINT}"
        event = self._client.post(path, json={"data": data}).raise_for_status().json()["event_id"]
        answers = [message for message in self._events(f"{path}/{event}") if message is not None]
        if len(answers) != 1 or not isinstance(answers[0], list):
            raise RuntimeError(f"no caption: {answers}")
        return str(answers[0][0])

    def _events(self, path: str) -> Iterator[object]:
        with self._client.stream("GET", path) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """What y grows by when x grows by one, by least squares."""
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope


def measure(root: Path, count: int, samples: int) -> Iterator[Row]:
    """All rows, each as soon as it is known. Args: root: an empty folder."""
    (root / "temporary").mkdir()
    set_id, pictures = fill(root / "workspace", count)
    wanted = {max(1, round(count * part / samples)) for part in range(samples + 1)}
    last_third: list[tuple[int, float]] = []
    with (
        served(root / "workspace", root / "temporary") as app,
        httpx.Client(base_url=app.url, timeout=REQUEST_LIMIT_S) as client,
    ):
        visitors = Visitors(client)
        for number, picture in enumerate(pictures, 1):
            if not visitors.ask([set_id, picture, SETTINGS], as_page=number % 2 == 0):
                raise RuntimeError(f"the caption of picture {number} is empty")
            memory_mb = app.memory_mb()
            if number > count * 2 / 3:
                last_third.append((number, memory_mb))
            if number in wanted:
                yield Row(f"memory_at_{number}", memory_mb, "MB")
    yield Row("memory_growth", slope(last_third), "MB/caption")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 1 when memory did not level off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Whether memory levels off.")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--captions", type=int, default=3000, help="how many (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=12, help="how many rows of the curve (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.captions < 6 or options.samples < 1:
        parser.error("--captions must be 6 or more and --samples 1 or more.")
    rows = []
    with tempfile.TemporaryDirectory(prefix="captioner-benchmark-") as folder:
        for row in measure(Path(folder), options.captions, options.samples):
            print(f"{row.name}: {row.value:,.4g} {row.unit}", file=sys.stderr, flush=True)
            rows.append(row)
    show(rows, as_json=options.json)
    grown_mb = rows[-1].value
    if grown_mb > LIMIT_MB:
        print(f"memory grows by {grown_mb:.3f} MB a caption; {LIMIT_MB} are promised.", file=sys.stderr)
    return 1 if grown_mb > LIMIT_MB else 0


if __name__ == "__main__":
    sys.exit(main())
