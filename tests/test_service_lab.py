"""Settings compared through the page's functions: cells as they come, ratings, what goes wrong, what is kept."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from captioner.lab.grid import make_axis
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.ui.routes import add_routes
from captioner.ui.script_functions import script_functions
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import POISON, FakeCaptioner, FakeModel, fake_models
from tests.service_makers import RED, page_values, set_with, wait_for_job
from tests.workspace_makers import damage

BLUE, GREEN = (20, 20, 220), (10, 120, 10)
BEAMS = [{"name": "num_beams", "values": ["1", "3", "5"]}]


def call(service: Service, function_name: str, /, **asked: Any) -> dict[str, Any]:
    """What one of the page's functions answers."""
    function = next(one for one in script_functions(service) if one.__name__ == function_name)
    return function(asked)


def refusal(service: Service, function_name: str, /, **asked: Any) -> str:
    answer = call(service, function_name, **asked)
    assert set(answer) == {"error"}, answer
    return str(answer["error"]["message"])


def started(
    service: Service, set_id: str, ids: Sequence[str], axes: Sequence[dict[str, Any]] = BEAMS, **changes: Any
) -> str:
    answer = call(service, "start_sweep", set=set_id, ids=ids, axes=axes, settings=page_values(service, **changes))
    assert "sweep" in answer, answer
    return str(answer["sweep"])


def finished(service: Service, set_id: str, sweep: str) -> dict[str, Any]:
    """All of a sweep, once its job has ended."""
    wait_for_job(service, set_id, timeout_s=120)
    return call(service, "read_sweep", set=set_id, sweep=sweep, since=None)


def captions(read: dict[str, Any]) -> dict[tuple[str, int], str]:
    return {(cell["picture"], cell["cell"]): cell["caption"] for cell in read["cells"]}


def gated(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Each grid that the captioner is asked for waits for a release."""
    leave = threading.Semaphore(0)
    at_once = FakeCaptioner.caption_grid

    def waiting(self: FakeCaptioner, *values: Any) -> Any:
        assert leave.acquire(timeout=20)
        return at_once(self, *values)

    monkeypatch.setattr(FakeCaptioner, "caption_grid", waiting)
    return leave


# Cells


def test_a_sweep_fills_and_changes_no_caption(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids, [*BEAMS, {"name": "prefix", "values": ['""', "ohwx"]}])
    read = finished(service, set_id, sweep)
    about = read["sweep"]
    assert (about["state"], about["message"], about["done"], about["total"]) == ("done", "", 12, 12)
    assert about["name"] == "Num beams by Trigger word (prefix)"
    assert [(axis["name"], axis["values"]) for axis in about["axes"]] == [
        ("num_beams", ["1", "3", "5"]),
        ("prefix", ['""', "ohwx"]),
    ]
    assert [(one["id"], one["name"], one["is_gone"]) for one in about["pictures"]] == [
        (ids[0], "0.png", False),
        (ids[1], "1.png", False),
    ]
    said = captions(read)
    assert said[ids[0], 1] == "a red picture 40 wide under beam 3"
    assert said[ids[1], 5] == "ohwx, a blue picture 40 wide under beam 5"
    assert next(cell["text"] for cell in read["cells"] if cell["cell"] == 5) == "a red picture 40 wide under beam 5"
    assert about["base_cell"] == 1, "the set's own settings"
    assert [cell["cell"] for cell in read["cells"] if cell["is_base"]] == [1, 1]
    assert [row["state"] for row in service.open_set(set_id)["rows"]] == ["empty", "empty"]
    assert service.changes(set_id, -1)["undo"] is None


def test_words_that_differ_are_marked_and_equal_captions_have_a_letter_and_a_reason(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    sweep = started(
        service, set_id, ids, [{"name": "num_beams", "values": ["3", "5"]}, {"name": "top_k", "values": ["10", "20"]}]
    )
    read = finished(service, set_id, sweep)
    by_cell = {cell["cell"]: cell for cell in read["cells"]}
    base = by_cell[read["sweep"]["base_cell"]]
    other = next(cell for cell in read["cells"] if cell["caption"] != base["caption"])
    [[start, end]] = other["marks"]
    assert other["caption"][start:end] == other["caption"].split()[-1]
    assert base["marks"] == []
    assert by_cell[0]["group"] == by_cell[2]["group"] != ""
    assert "Top k has an effect only where Method is nucleus" in read["groups"][ids[0]][by_cell[0]["group"]]


def test_only_what_changed_since_the_cursor_is_sent(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids)
    cursor = finished(service, set_id, sweep)["cursor"]
    assert call(service, "read_sweep", set=set_id, sweep=sweep, since=cursor)["cells"] == []
    call(service, "rate", set=set_id, sweep=sweep, picture=ids[1], cell=2, rating="green")
    answer = call(service, "read_sweep", set=set_id, sweep=sweep, since=cursor)
    assert [(cell["picture"], cell["cell"], cell["rating"]) for cell in answer["cells"]] == [(ids[1], 2, "green")]
    assert call(service, "undo", set=set_id)["label"] == "Rate: green"
    answer = call(service, "read_sweep", set=set_id, sweep=sweep, since=answer["cursor"])
    assert [(cell["picture"], cell["cell"], cell["rating"]) for cell in answer["cells"]] == [(ids[1], 2, None)]


def test_cells_come_while_others_are_waited_for_and_questions_get_in_between(
    service: Service, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = gated(monkeypatch)
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids)
    leave.release()
    until = time.monotonic() + 20
    while (read := call(service, "read_sweep", set=set_id, sweep=sweep))["sweep"]["done"] < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (read["sweep"]["state"], {cell["picture"] for cell in read["cells"]}) == ("running", {ids[0]})
    job = service.jobs.newest(set_id)
    assert job is not None
    assert (job["kind"], job["total"]) == ("sweep", 6)
    asked = worker.ask(lambda: "let in")
    leave.release()
    assert asked.result(20) == "let in"
    assert finished(service, set_id, sweep)["sweep"]["state"] == "done"


def test_no_captioner_is_asked_for_what_the_set_knows_already(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    FakeModel.calls.clear()
    finished(service, set_id, started(service, set_id, ids, [{"name": "prefix", "values": ["a", "b"]}]))
    assert FakeModel.calls == []


# What goes wrong


def test_a_picture_that_fails_costs_its_cells_which_say_why(service: Service) -> None:
    set_id, ids = set_with(service, POISON, RED)
    read = finished(service, set_id, started(service, set_id, ids))
    assert read["sweep"]["state"] == "done"
    errors = {cell["picture"]: cell["error"] for cell in read["cells"]}
    assert errors == {ids[0]: "The model gave no usable answer for this picture; leave it out.", ids[1]: ""}
    job = service.jobs.newest(set_id)
    assert job is not None
    assert (job["done"], job["failed"]) == (6, 3)


def test_a_picture_that_is_removed_meanwhile_says_so_and_can_be_done_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = gated(monkeypatch)
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids)
    service.remove_pictures(set_id, ids[1:])
    leave.release(9)
    read = finished(service, set_id, sweep)
    assert [one["is_gone"] for one in read["sweep"]["pictures"]] == [False, True]
    assert {cell["error"] for cell in read["cells"] if cell["picture"] == ids[1]} == {
        "This picture was removed from the set; undo brings it back, and then continue the comparison."
    }
    call(service, "undo", set=set_id)
    assert call(service, "continue_sweep", set=set_id, sweep=sweep) == {"sweep": sweep}
    read = finished(service, set_id, sweep)
    assert {cell["error"] for cell in read["cells"]} == {""}


def test_who_cannot_judge_is_said(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    about = finished(service, set_id, started(service, set_id, ids))["sweep"]
    assert about["asked"] == []
    assert "fake-blip cannot read captions" in " ".join(about["notes"])
    assert [score["name"] for score in about["scores"]] == ["tokens", "repetition", "detail"]


def test_numbers_that_are_none_cost_the_likelihood_only(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = FakeCaptioner.decode

    def nan(self: FakeCaptioner, *values: Any, **named: Any) -> Any:
        return [dataclasses.replace(one, score=float("nan")) for one in decode(self, *values, **named)]

    monkeypatch.setattr(FakeCaptioner, "decode", nan)
    set_id, ids = set_with(service, RED)
    read = finished(service, set_id, started(service, set_id, ids))
    assert [cell["error"] for cell in read["cells"]] == [""] * 3


def test_a_job_that_fails_as_a_whole_says_so_and_can_go_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, ids = set_with(service, RED)
    with monkeypatch.context() as patched:
        patched.setattr("captioner.service.sweep_run.cell_steps", lambda *_, **__: 1 / 0)
        sweep = started(service, set_id, ids)
        about = finished(service, set_id, sweep)["sweep"]
    assert (about["state"], about["message"]) == ("failed", "Division by zero")
    call(service, "continue_sweep", set=set_id, sweep=sweep)
    assert finished(service, set_id, sweep)["sweep"]["state"] == "done"


def test_a_second_job_is_refused_and_leaves_no_sweep(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = gated(monkeypatch)
    set_id, ids = set_with(service, RED)
    sweep = started(service, set_id, ids)
    asked = {"set": set_id, "ids": ids, "axes": BEAMS, "settings": page_values(service)}
    assert "captioned with many settings already" in refusal(service, "start_sweep", **asked)
    assert "already" in refusal(service, "start_job", set=set_id, ids=None, settings=page_values(service))
    assert len(call(service, "sweeps", set=set_id)["sweeps"]) == 1
    leave.release(9)
    finished(service, set_id, sweep)


_MANY = [{"name": "seed", "values": [str(number) for number in range(401)]}]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([], "the grid has 0 axes; it may have one to 3"),
        (BEAMS * 4, "one to 3"),
        (_MANY, "the grid has 401 cells; it may have 400"),
        ([{"name": "num_beens", "values": ["1"]}], "'num_beens' is no setting that an axis can have; did you mean"),
        ([{"name": "num_beams", "values": []}], "needs values"),
        ([{"name": "num_beams", "values": ["1000"]}], "num_beams is 1000; it must be"),
        ([{"name": "num_beams", "values": ["nan"]}], "num_beams is 'nan'; it must be"),
        ([{"name": "num_beams", "values": ["3", "3"]}], "twice"),
        ([{"name": "num_beams", "values": [None]}], "must be text"),
        ([{"name": "num_beams", "values": [float("nan")]}], "num_beams is 'nan'; it must be"),
        ([{"name": "num_beams", "values": ["3" * 1001]}], "at most 1,000"),
        ([{"name": "captioner", "values": ["/etc"]}], "captioner is '/etc'; it must be one of"),
        ([{"name": "wd14", "values": ["off", "../secret"]}], "wd14 is '../secret'; it must be one of"),
        ("num_beams=1", "must be a list"),
        ([{"values": ["1"]}], "name is missing"),
    ],
)
def test_axes_that_cannot_be_are_refused_in_a_sentence(service: Service, axes: Any, message: str) -> None:
    set_id, ids = set_with(service, RED)
    said = refusal(service, "start_sweep", set=set_id, ids=ids, axes=axes, settings=page_values(service))
    assert message.lower() in said.lower()
    assert call(service, "sweeps", set=set_id) == {"sweeps": []}
    assert FakeModel.calls == []


def test_pictures_names_and_ratings_that_cannot_be_are_refused(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    asked = {"set": set_id, "axes": BEAMS, "settings": page_values(service)}
    assert "0 pictures are chosen" in refusal(service, "start_sweep", ids=[], **asked)
    assert "9 pictures are chosen" in refusal(service, "start_sweep", ids=[f"p{one}" for one in range(9)], **asked)
    assert "no picture" in refusal(service, "start_sweep", ids=["nobody"], **asked)
    assert "at most 1,000" in refusal(service, "start_sweep", ids=ids, name="x" * 1001, **asked)
    sweep = started(service, set_id, ids)
    finished(service, set_id, sweep)
    place = {"set": set_id, "sweep": sweep, "picture": ids[0]}
    assert "must be one of green, yellow, red" in refusal(service, "rate", **place, cell=0, rating="blue")
    assert "must be between 0 and 2" in refusal(service, "rate", **place, cell=3, rating="green")
    assert "no caption to rate" in refusal(service, "rate", **{**place, "picture": "nobody"}, cell=0, rating="red")
    assert "must be between" in refusal(service, "cell_settings", set=set_id, sweep=sweep, cell=-1)
    assert "no comparison" in refusal(service, "read_sweep", set=set_id, sweep="nothing")
    assert "whole number" in refusal(service, "read_sweep", set=set_id, sweep=sweep, since="now")
    assert "the name is empty" in refusal(service, "rename_sweep", set=set_id, sweep=sweep, name=" ").lower()
    assert "too few ratings" in refusal(service, "use_slope", set=set_id, is_used=True)


# Ratings and settings


def test_a_rating_paints_every_cell_with_the_same_words_also_of_another_sweep(service: Service) -> None:
    set_id, ids = set_with(service, RED, RED)
    axes = [{"name": "num_beams", "values": ["3", "5"]}, {"name": "top_k", "values": ["10", "20"]}]
    sweep = started(service, set_id, ids, axes)
    finished(service, set_id, sweep)
    answer = call(service, "rate", set=set_id, sweep=sweep, picture=ids[0], cell=0, rating="yellow")
    assert answer["cells"] == [{"picture": ids[0], "cell": cell, "rating": "yellow"} for cell in (0, 2)]
    other = started(service, set_id, ids)
    read = finished(service, set_id, other)
    assert {(cell["picture"], cell["cell"]): cell["rating"] for cell in read["cells"] if cell["rating"]} == {
        (ids[0], 1): "yellow"
    }
    [stored] = service.workspace.lab.ratings(set_id).whole
    assert (stored.made_by["model"], stored.made_by["settings"]["num_beams"]) == ("fake-blip", 3)
    listed = call(service, "sweeps", set=set_id)["sweeps"]
    assert [(one["id"], one["pictures"], one["cells"], one["rated"]) for one in listed] == [
        (other, 2, 3, 1),
        (sweep, 2, 4, 2),
    ]


def test_models_that_are_not_here_are_named_first_and_downloaded_when_that_is_asked_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, ids = set_with(service, RED)
    spec = dataclasses.replace(registry.MODELS[0], name="large-blip", download_mb=990)
    monkeypatch.setattr(ModelManager, "to_download", lambda self, name, family: spec if name == "fake-blip" else None)
    asked = {"set": set_id, "ids": ids, "axes": BEAMS, "settings": page_values(service)}
    assert call(service, "start_sweep", **asked) == {"missing": [{"name": "large-blip", "download_mb": 990}]}
    assert call(service, "sweeps", set=set_id) == {"sweeps": []}
    monkeypatch.undo()  # it is there by the time that the job looks
    sweep = call(service, "start_sweep", **asked, downloads=True)["sweep"]
    assert finished(service, set_id, sweep)["sweep"]["done"] == 3


def test_a_rating_stays_under_another_trigger_word_also_one_of_all_of_the_caption(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    first = started(service, set_id, ids, prefix="ohwx, ")
    whole = {place[1]: caption for place, caption in captions(finished(service, set_id, first)).items()}
    call(service, "rate", set=set_id, sweep=first, picture=ids[0], cell=0, rating="green")
    [stored] = service.workspace.lab.ratings(set_id).whole
    assert whole[0] == f"ohwx, {stored.caption}"
    service.workspace.lab.rate(set_id, ids[0], whole[1], "red", {})  # as earlier versions stored it
    service.workspace.lab.rate(set_id, ids[0], whole[2], "yellow", {})
    call(service, "rate", set=set_id, sweep=first, picture=ids[0], cell=2, rating=None)

    def ratings(sweep: str) -> list[str | None]:
        return [cell["rating"] for cell in call(service, "read_sweep", set=set_id, sweep=sweep, since=None)["cells"]]

    assert ratings(first) == ["green", "red", None]
    second = started(service, set_id, ids, prefix="sks")
    finished(service, set_id, second)
    assert ratings(second) == ["green", None, None]
    assert [one["rated"] for one in call(service, "sweeps", set=set_id)["sweeps"]] == [1, 2]


def test_a_summary_counts_over_all_pictures(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids, [*BEAMS, {"name": "prefix", "values": ["sks", "ohwx"]}])
    finished(service, set_id, sweep)
    for picture, cell, rating in [(ids[0], 0, "green"), (ids[1], 0, "red"), (ids[1], 3, "yellow"), (ids[0], 2, "red")]:
        call(service, "rate", set=set_id, sweep=sweep, picture=picture, cell=cell, rating=rating)
    summary = call(service, "sweep_summary", set=set_id, sweep=sweep)

    def counts(rows: list[dict[str, Any]]) -> list[tuple[int, ...]]:
        return [tuple(row[name] for name in ("green", "yellow", "red", "unrated")) for row in rows]

    # A rating is of the caption without its prefix, and the last one counts.
    assert counts(summary["columns"]) == [(2, 2, 0, 0), (0, 0, 0, 4), (0, 0, 2, 2)]
    assert [(row["axis"], row["value"]) for row in summary["rows"]] == [("prefix", "sks"), ("prefix", "ohwx")]
    assert counts(summary["rows"]) == [(1, 1, 1, 3), (1, 1, 1, 3)]
    assert counts(summary["cells"])[0] == (1, 1, 0, 0)
    assert summary["cells"][0]["scores"]["tokens"] > 5
    assert 0 < summary["columns"][0]["diversity"]["distinct_2"] < 1
    assert (summary["agreement"], summary["slope"]) == ([], None)
    [[phrase, share]] = summary["phrases"]["shared"]
    assert (phrase.endswith("40 wide under beam"), share) == (True, 1.0)


def test_the_settings_of_a_cell_make_its_caption(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    axes = [{"name": "num_beams", "values": ["1", "5"]}, {"name": "wd14", "values": ["off", "fake-wd14"]}]
    sweep = started(service, set_id, ids, axes)
    read = finished(service, set_id, sweep)
    for cell, caption in ((cell["cell"], cell["caption"]) for cell in read["cells"]):
        settings = call(service, "cell_settings", set=set_id, sweep=sweep, cell=cell)["settings"]
        assert settings["wd14_on"] == (cell >= 2)
        assert call(service, "preview", set=set_id, id=ids[0], settings=settings)["caption"] == caption
    assert "red background" in caption


def test_what_can_be_compared_is_offered_with_values_that_are_allowed(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    offer = call(service, "lab_offer", set=set_id, settings=page_values(service))
    axes = {axis["name"]: axis for axis in offer["axes"]}
    assert (axes["num_beams"]["kind"], axes["num_beams"]["min"], axes["num_beams"]["max"]) == ("whole", 1, 20)
    assert axes["wd14"]["choices"] == [["Off", "off"], ["fake-wd14", "fake-wd14"]]
    assert axes["prefix"]["kind"] == "text"
    assert {axis["kind"] for axis in offer["axes"]} <= {"range", "whole", "choice", "switch", "text", "model"}
    assert (offer["max_cells"], offer["max_pictures"], offer["asked"]) == (400, 8, [])
    plan = service.choices.plan_of(page_values(service))
    for axis in offer["axes"]:
        assert make_axis(axis["name"], axis["suggested"], plan).words, axis["name"]


@pytest.mark.parametrize(
    ("methods", "title"),
    [
        ({"method": "beam"}, "Repetition penalty (q_factor)"),
        ({"method": "nucleus"}, "Top p (q_factor)"),
    ],
)
def test_another_name_of_a_setting_is_titled_by_the_setting_it_stands_for(
    service: Service, methods: dict[str, str], title: str
) -> None:
    set_id, ids = set_with(service, RED)
    values = page_values(service, **methods)
    offer = call(service, "lab_offer", set=set_id, settings=values)
    assert next(axis["title"] for axis in offer["axes"] if axis["name"] == "q_factor") == title
    asked = {"set": set_id, "ids": ids, "axes": [{"name": "q_factor", "values": ["0.5", "1"]}], "settings": values}
    about = finished(service, set_id, call(service, "start_sweep", **asked, name="")["sweep"])["sweep"]
    assert (about["name"], about["axes"][0]["title"]) == (title, title)


def test_every_named_grid_that_is_offered_can_be_started_as_it_is_offered(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    values = page_values(service, num_beams=7, method="nucleus")
    presets = {one["name"]: one for one in call(service, "lab_offer", set=set_id, settings=values)["presets"]}
    assert set(presets) == {"everydream-beam", "everydream-nucleus", "beams", "lengths", "temperatures"}
    assert presets["everydream-beam"]["settings"]["num_beams"] == 16
    for name, preset in presets.items():
        settings = {**values, **preset["settings"]}
        asked = {"set": set_id, "ids": ids, "axes": preset["axes"], "settings": settings, "name": name}
        about = finished(service, set_id, call(service, "start_sweep", **asked)["sweep"])["sweep"]
        assert (about["state"], about["name"]) == ("done", name)
    nothing = call(service, "lab_offer", set=set_id, settings=page_values(service, captioner_on=False, wd14_on=True))
    assert nothing["presets"] == [], "a grid of a captioner that is off is none"


# Kept


def test_a_sweep_is_renamed_and_deleted_while_it_runs(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = gated(monkeypatch)
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids)
    assert call(service, "rename_sweep", set=set_id, sweep=sweep, name=" mine ") == {"name": "mine"}
    assert call(service, "sweeps", set=set_id)["sweeps"][0]["name"] == "mine"
    assert call(service, "delete_sweep", set=set_id, sweep=sweep) == {}
    leave.release(9)
    assert wait_for_job(service, set_id)["state"] in ("cancelled", "done")
    assert call(service, "sweeps", set=set_id) == {"sweeps": []}
    assert "no comparison" in refusal(service, "continue_sweep", set=set_id, sweep=sweep)


def test_a_deleted_set_ends_its_sweep(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = gated(monkeypatch)
    set_id, ids = set_with(service, RED, BLUE)
    started(service, set_id, ids)
    call(service, "delete_set", set=set_id)
    leave.release(9)
    assert wait_for_job(service, set_id)["state"] in ("cancelled", "done")


def test_a_sweep_leaves_as_files_with_ratings_and_gone_pictures(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    sweep = started(service, set_id, ids)
    finished(service, set_id, sweep)
    call(service, "rate", set=set_id, sweep=sweep, picture=ids[0], cell=1, rating="green")
    call(service, "rename_sweep", set=set_id, sweep=sweep, name="a/b 犬")
    service.remove_pictures(set_id, ids[1:])
    app = FastAPI()
    add_routes(app, service)
    with TestClient(app) as client:
        place = f"/sets/{set_id}/sweeps/{sweep}"
        answers = {kind: client.get(f"{place}.{kind}") for kind in ("html", "csv", "json", "png")}
        for kind, answer in answers.items():
            assert answer.status_code == 200
            assert f"filename*=utf-8''a_b%20%E7%8A%AC.{kind}" in answer.headers["content-disposition"]
            assert answer.headers["cache-control"] == "no-store"
        rows = list(csv.DictReader(io.StringIO(answers["csv"].text)))
        assert [(row["picture"], row["num_beams"], row["rating"]) for row in rows][:2] == [
            ("0.png", "1", ""),
            ("0.png", "3", "green"),
        ]
        assert json.loads(answers["json"].text)["pictures"][1]["cells"][2]["caption"].endswith("under beam 5")
        assert "a red picture" in answers["html"].text
        assert "sandbox" in answers["html"].headers["content-security-policy"]
        assert Image.open(io.BytesIO(answers["png"].content)).width > 600
        assert client.get(f"{place}.png?colour=tokens").content != answers["png"].content
        for path, status, message in [
            (f"{place}.exe", 400, "'exe' is no kind of file here"),
            (f"{place}.png?colour=mood", 400, "cells cannot be coloured by 'mood'"),
            (f"{place}.png?colour=doubt", 400, "no cell has this score"),
            (f"/sets/{set_id}/sweeps/nothing.png", 404, "no comparison"),
            (f"/sets/nothing/sweeps/{sweep}.png", 404, "no caption set"),
        ]:
            answer = client.get(path)
            assert answer.status_code == status
            assert message.lower() in answer.json()["error"]["message"].lower()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens the app's service on one workspace, as often as it is started; a context manager each."""

    @contextlib.contextmanager
    def start() -> Iterator[Service]:
        manager = ModelManager(models=str(tmp_path / "models"), device="cpu")
        with Workspace(tmp_path / "work") as workspace, contextlib.closing(manager), Worker() as worker:
            yield Service(workspace, worker, manager)

    with fake_models(tmp_path / "models"):
        yield start


def test_a_sweep_that_died_with_the_app_says_so_and_goes_on_with_what_is_not_done(
    opened: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as service:
        leave = gated(monkeypatch)
        set_id, ids = set_with(service, RED, BLUE)
        sweep = started(service, set_id, ids)
        leave.release()
        until = time.monotonic() + 20
        while call(service, "read_sweep", set=set_id, sweep=sweep)["sweep"]["done"] < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
        service.jobs.stop(set_id)
        leave.release(9)
    monkeypatch.undo()
    with opened() as service:
        FakeModel.calls.clear()
        read = call(service, "read_sweep", set=set_id, sweep=sweep)
        done = len(read["cells"])
        assert 3 <= done < 6
        assert (read["sweep"]["state"], read["sweep"]["message"]) == (
            "cancelled",
            f"Stopped: {done} of 6 cells are there.",
        )
        call(service, "rate", set=set_id, sweep=sweep, picture=ids[0], cell=0, rating="red")
        call(service, "continue_sweep", set=set_id, sweep=sweep)
        read = finished(service, set_id, sweep)
        assert (read["sweep"]["state"], len(read["cells"])) == ("done", 6)
        assert len(FakeModel.calls) <= 6 - done, "what was there is not made again"
        assert [cell["rating"] for cell in read["cells"] if cell["rating"]] == ["red"]


def test_a_damaged_cell_says_so_and_a_damaged_grid_costs_its_sweep(opened: Callable[[], Any], tmp_path: Path) -> None:
    with opened() as service:
        set_id, ids = set_with(service, RED)
        sweep = started(service, set_id, ids)
        finished(service, set_id, sweep)
        other = started(service, set_id, ids)
        finished(service, set_id, other)
        call(service, "rate", set=set_id, sweep=sweep, picture=ids[0], cell=0, rating="red")
    damage(tmp_path / "work", "UPDATE sweep_cells SET caption = 'a cat' WHERE sweep_key = 1 AND cell = 1")
    damage(tmp_path / "work", "UPDATE sweeps SET grid = '{}' WHERE key = 2")
    damage(tmp_path / "work", "UPDATE ratings SET rating = 'green'")
    with opened() as service:
        read = call(service, "read_sweep", set=set_id, sweep=sweep)
        assert [bool(cell["error"]) for cell in read["cells"]] == [False, True, False]
        assert "damaged on the disk; continue the comparison" in read["cells"][1]["error"]
        assert "1 rating of this set was damaged on the disk" in " ".join(read["sweep"]["notes"])
        assert "damaged on the disk" in refusal(service, "read_sweep", set=set_id, sweep=other)
        assert [one["is_damaged"] for one in call(service, "sweeps", set=set_id)["sweeps"]] == [True, False]
        call(service, "continue_sweep", set=set_id, sweep=sweep)
        assert [cell["error"] for cell in finished(service, set_id, sweep)["cells"]] == [""] * 3
        call(service, "delete_sweep", set=set_id, sweep=other)


def test_what_is_offered_can_be_done_with_the_settings_there_are(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    values = page_values(service, min_length=5, max_length=20)
    offer = call(service, "lab_offer", set=set_id, settings=values)
    [shortest] = [axis for axis in offer["axes"] if axis["name"] == "min_length"]
    assert shortest["suggested"] and all(int(word) <= 20 for word in shortest["suggested"])
    [captioner] = [axis for axis in offer["axes"] if axis["name"] == "captioner"] or [{"suggested": []}]
    assert set(captioner["suggested"]) <= service.choices.models_here("captioner")


def test_a_grid_of_models_that_are_not_here_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(tmp_path / "work") as workspace, Worker() as worker:
        service = Service(workspace, worker, ModelManager(models="auto", device="cpu"))
        set_id = str(service.new_set()["set"])
        for here in (False, True):
            monkeypatch.setattr("captioner.models.sources.is_cached", lambda spec, here=here: here or spec.is_demo)
            offer = call(service, "lab_offer", set=set_id, settings=page_values(service))
            assert any(preset["name"] == "blip-sizes" for preset in offer["presets"]) is here
