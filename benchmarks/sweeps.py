"""How quick compared settings are there: a 5 x 5 of one picture through the page's functions, with the demo models.

    python -m benchmarks.sweeps [--json] [--rounds 5]

The real app runs in a process of its own and is asked as the page asks it, every 50 ms. Each round has a picture that
no model has seen. Rows, medians of the rounds after a first one that loads the models:

    first_cell   from asking for the sweep until the first cell can be read
    all_cells    until all 25 can be
    scores       from then until the scores of all can be, BLIP, CLIP and the tagger asked
    preview      the longest that a preview of another picture took while a sweep went on

Run it with OMP_NUM_THREADS=1 on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.report import Row, show
from benchmarks.served import PageFunctions, drawn_set, served
from captioner.workspace import Workspace

LIMITS = {"first_cell": 500.0, "all_cells": 3000.0, "scores": 500.0}
"""Milliseconds that are promised."""

AXES = [
    {"name": "q_factor", "values": ["0.01", "0.6", "1", "1.4", "5"]},
    {"name": "min_length", "values": ["5", "15", "22", "30", "48"]},
]
_CELLS = 25
_SEED = 900_001
_PAUSE_S = 0.05
_SETTINGS = {
    "captioner": "blip-demo",
    "captioner_on": True,
    "num_beams": 16,
    "max_length": 48,
    "clip": "clip-demo",
    "clip_on": True,
    "wd14": "wd14-demo",
    "wd14_on": True,
    "general_threshold": 0.9,
}


def fill(folder: Path, count: int) -> tuple[str, list[str]]:
    """A set of drawn scenes in a new workspace. Returns: its id, the pictures' ids."""
    with Workspace(folder) as workspace:
        return drawn_set(workspace, "sweeps", _SEED, count)


def sweep(page: PageFunctions, set_id: str, picture_id: str, other_id: str) -> Mapping[str, float]:
    """One round. Returns: milliseconds by row."""
    start_s = time.perf_counter()
    asked = {"set": set_id, "ids": [picture_id], "axes": AXES, "settings": _SETTINGS}
    sweep_id = page.call("start_sweep", **asked)["sweep"]
    marks: dict[str, float] = {}
    previews = [0.0]
    cursor = None
    while True:
        read = page.call("read_sweep", set=set_id, sweep=sweep_id, since=cursor)
        cursor, about, now_s = read["cursor"], read["sweep"], time.perf_counter()
        if about["done"]:
            marks.setdefault("first_cell", now_s)
        if about["done"] == _CELLS:
            marks.setdefault("all_cells", now_s)
        if about["state"] not in ("waiting", "running"):
            break
        if other_id and about["done"] and len(previews) == 1:
            page.call("preview", set=set_id, id=other_id, settings={**_SETTINGS, "num_beams": 3}, is_whole=True)
            previews.append((time.perf_counter() - now_s) * 1000)
        time.sleep(_PAUSE_S)
    if about["state"] != "done" or len(about["asked"]) != 3:
        raise RuntimeError(f"the sweep is {about['state']}, scored by {about['asked']}: {about['message']}")
    return {
        "first_cell": (marks["first_cell"] - start_s) * 1000,
        "all_cells": (marks["all_cells"] - start_s) * 1000,
        "scores": (now_s - marks["all_cells"]) * 1000,
        "preview": max(previews),
    }


def measure(rounds: int) -> list[Row]:
    """The rows; in every second round a preview is asked for meanwhile."""
    with tempfile.TemporaryDirectory(prefix="captioner-benchmark-") as folder:
        root = Path(folder)
        (root / "temporary").mkdir()
        set_id, ids = fill(root / "workspace", 2 * rounds + 4)
        with (
            served(root / "workspace", root / "temporary") as app,
            httpx.Client(base_url=app.url, timeout=120) as client,
        ):
            page = PageFunctions(client)
            sweep(page, set_id, ids[0], ids[1])
            quiet = [sweep(page, set_id, ids[2 + number], "") for number in range(rounds)]
            disturbed = [sweep(page, set_id, ids[2 + number], ids[-1 - number]) for number in range(rounds)]
    rows = [Row(name, statistics.median(one[name] for one in quiet), "ms") for name in LIMITS]
    return [*rows, Row("preview", max(one["preview"] for one in disturbed), "ms")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 1 when a promised limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description="How quick compared settings are.")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it must be at least 1")
    rows = measure(options.rounds)
    show(rows, as_json=options.json)
    missed = [row.name for row in rows if row.value > LIMITS.get(row.name, float("inf"))]
    if missed:
        print(f"over the limit: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
