"""benchmarks.serve: visitors ask as the page does, what goes wrong is told, figures are what they are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.mixed_work import BusyVisitor, act_at_once
from benchmarks.report import Row
from benchmarks.serve import measure_live, measure_memory, missed, percentile
from benchmarks.visitors import MOVES_A_PICTURE, JobBeside, Visitor

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


def _client(answer: Answer) -> httpx.Client:
    """Of an app whose page functions answer so."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/config":
            return httpx.Response(200, json={"components": [{"id": 3, "props": {"server_fns": ["preview"]}}]})
        if "component_server" not in request.url.path:  # a picture, or one that is added
            return httpx.Response(200, json={"row": {"id": "added"}})
        asked = json.loads(request.content)
        return httpx.Response(200, json=answer(asked["fn_name"], asked["data"]))

    return httpx.Client(base_url="http://app/", transport=httpx.MockTransport(handle))


def _well(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"caption": f"{asked.get('id')}", "cursor": 1, "job": None, "changes": [], "revision": 1}


def test_a_visitor_moves_one_slider_at_a_time_and_goes_on_to_the_next_picture() -> None:
    visitor = Visitor(_client(_well), 7, "set", ["a", "b"])
    for _ in range(2 * MOVES_A_PICTURE):
        visitor.move()
    assert visitor.troubles == []
    assert [move.picture for move in visitor.moves] == ["a"] * MOVES_A_PICTURE + ["b"] * MOVES_A_PICTURE
    for earlier, later in zip(visitor.moves, visitor.moves[1:], strict=False):
        assert later.before == earlier.settings
        assert sum(earlier.settings.get(name) != value for name, value in later.settings.items()) <= 1
        assert later.settings["prefix"] == "visitor 7"


def test_what_is_refused_is_a_trouble_and_no_move() -> None:
    visitor = Visitor(_client(lambda name, asked: {"error": {"message": "no such picture"}}), 7, "set", ["a"])
    visitor.move()
    assert visitor.moves == []
    assert visitor.troubles == ["visitor 7: RuntimeError('preview: no such picture')"]


def test_a_job_whose_pictures_fail_has_no_pace() -> None:
    failing = {"state": "running", "failed": 2, "message": "out of memory"}
    with JobBeside(_client(lambda name, asked: {"cursor": 1, "job": failing}), "set") as job:
        job._thread.join(20)
    with pytest.raises(RuntimeError, match="2 pictures failed: out of memory"):
        job.take_pace()


def test_so_many_actions_are_done_as_are_asked_for() -> None:
    asked: list[str] = []

    def note(name: str, data: dict[str, Any]) -> dict[str, Any]:
        asked.append(name)
        return _well(name, data)

    visitors = [BusyVisitor(_client(note), number, "set", list("abcdef")) for number in range(3)]
    act_at_once(visitors, 30)
    assert [visitor.troubles for visitor in visitors] == [[], [], []]
    assert asked.count("changes") == 30, "each ends with a look at what changed"


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([5.0, 1.0, 3.0, 2.0, 4.0], part) for part in (0.0, 0.5, 0.95, 1.0)] == [1.0, 3.0, 5.0, 5.0]


def test_each_promise_that_is_missed_is_named() -> None:
    rows = [
        Row("start_s", 6.5, "s", equal=True),
        Row("job_share", 0.5, "of alone"),
        Row("memory_growth", 0.05, "of the first tenth", equal=False),
        Row("live_p95_20", 9000.0, "ms", equal=True),
    ]
    assert missed(rows) == [
        "start_s is 6.5, at most 6.0 is promised",
        "job_share is 0.5, at least 0.6 is promised",
        "memory_growth: something went wrong, see above",
    ]
    assert missed([Row("start_s", 6.0, "s", equal=True), Row("job_share", 0.6, "of alone")]) == []


@pytest.mark.slow
def test_twenty_visitors_at_once_get_each_their_own_results_beside_a_job(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    rows = measure_live(tmp_path, visitors=20, seconds=20, few_s=3, alone_s=4, job_pictures=60)
    found = {row.name: row for row in rows}
    assert {*found} == {"live_p50_1", "live_p95_1", "live_p50_20", "live_p95_20", "job_alone", "job_share"}
    assert found["live_p95_1"].equal and found["live_p95_20"].equal


@pytest.mark.slow
def test_mixed_work_of_several_visitors_goes_without_an_error(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    rows = {row.name: row for row in measure_memory(tmp_path, visitors=4, actions=400)}
    assert rows["memory_growth"].equal
    assert rows["memory_mb"].value > 100
