"""Compared captions scored by the demo models: figures, doubts, agreement with ratings, a slope fitted to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import ModelFailed
from captioner.lab.scores import Weights
from captioner.lab.voices import Voices
from captioner.models.blip import BlipCaptioner
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from taggers.wd14 import Wd14Tagger
from tests.service_makers import wait_for_job
from tests.test_service_lab import call, finished, refusal

SAMPLES = sorted((Path(__file__).resolve().parents[1] / "assets" / "samples").glob("*.png"))
AXES = [
    {"name": "repetition_penalty", "values": ["0.6", "1", "5"]},
    {"name": "min_length", "values": ["5", "30", "48"]},
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with the demo models."""
    manager = ModelManager(models="demo", device="cpu")
    with Workspace(tmp_path_factory.mktemp("lab") / "work") as workspace, closing(manager), Worker() as worker:
        yield Service(workspace, worker, manager)


@pytest.fixture(scope="module")
def scored(demo: Service) -> tuple[str, list[str], str]:
    """A finished sweep of two pictures, CLIP and the tagger asked too. Returns: ids of set, pictures, sweep."""
    set_id = demo.new_set()["set"]
    ids = [
        str(demo.intake.add_picture(set_id, Upload(path.name, path.read_bytes()), [])["row"]["id"])
        for path in SAMPLES[:4]
    ]
    values = _values(demo)
    answer = call(demo, "start_sweep", set=set_id, ids=ids[:2], axes=AXES, settings=values, name="penalties")
    wait_for_job(demo, set_id, timeout_s=120)
    return set_id, ids, str(answer["sweep"])


def _values(demo: Service, **changes: Any) -> dict[str, Any]:
    on = {"captioner_on": True, "clip_on": True, "clip": "clip-demo", "wd14_on": True, "wd14": "wd14-demo"}
    # No tag reaches the captions, so that a sentence is judged and rated alone.
    none = {"flavors": 0, "mediums": 0, "movements": 0, "artists": 0, "trendings": 0}
    return {
        **demo.choices.default_flat,
        **on,
        **none,
        "general_threshold": 1.0,
        "num_beams": 3,
        "max_length": 60,
    } | changes


def test_every_caption_has_figures_with_parts_and_its_doubts_lie_on_words(
    demo: Service, scored: tuple[str, list[str], str]
) -> None:
    set_id, _, sweep = scored
    read = call(demo, "read_sweep", set=set_id, sweep=sweep)
    about = read["sweep"]
    assert about["asked"] == ["blip-demo", "clip-demo", "wd14-demo"]
    assert (about["state"], about["has_percentages"], about["name"]) == ("done", True, "penalties")
    names = [score["name"] for score in about["scores"]]
    assert names[:3] == ["false_words", "true_words", "doubt"]
    assert {"agreement", "tokens", "repetition", "detail"} <= set(names)
    doubts = 0
    for cell in read["cells"]:
        assert cell["is_scored"]
        assert cell["note"] == ""
        assert 0 <= cell["scores"]["false_words"] < 30
        assert "words" in cell["parts"]["false_words"]
        for doubt in cell["doubts"]:
            assert (
                cell["caption"][doubt["start"] : doubt["end"]].strip() == cell["caption"][doubt["start"] : doubt["end"]]
            )
            assert 0.2 <= doubt["probability"] <= 1
            assert doubt["share"] is None
            doubts += 1
    assert doubts > 0
    worst = max(read["cells"], key=lambda cell: cell["scores"]["false_words"])
    assert worst["cell"] // 3 > 0, "long captions of the demo models say false things"


def test_ratings_agree_with_scores_and_move_the_slope_in_one_step(
    demo: Service, scored: tuple[str, list[str], str]
) -> None:
    set_id, ids, sweep = scored
    read = call(demo, "read_sweep", set=set_id, sweep=sweep)
    first = {(cell["picture"], cell["caption"]): cell for cell in reversed(read["cells"])}
    by_doubt = sorted(first.values(), key=lambda cell: cell["scores"]["false_words"])
    assert len(by_doubt) >= 12
    for place, cell in enumerate(by_doubt):
        assert call(demo, "sweep_summary", set=set_id, sweep=sweep)["agreement"] == [] or place >= 12
        colour = "green" if place < len(by_doubt) // 2 else "yellow" if place < len(by_doubt) - 3 else "red"
        call(demo, "rate", set=set_id, sweep=sweep, picture=cell["picture"], cell=cell["cell"], rating=colour)
    summary = call(demo, "sweep_summary", set=set_id, sweep=sweep)
    agreement = {one["score"]: one for one in summary["agreement"]}
    assert agreement["false_words"]["rho"] > 0.8
    assert agreement["false_words"]["count"] == len(by_doubt)
    assert agreement["false_words"]["low"] < agreement["false_words"]["rho"] <= agreement["false_words"]["high"] <= 1
    slope = summary["slope"]
    assert (slope["was"], slope["from_count"], slope["is_used"]) == (Weights().slope, len(by_doubt), False)
    assert slope["is"] != slope["was"]
    assert "By your" in slope["about"]

    demo.settings_changed(set_id, _values(demo))
    demo.save_caption(set_id, ids[0], "a small green house on a sandy beach", 0)
    demo.doubt.start(set_id, ids[:1])
    wait_for_job(demo, set_id, timeout_s=120)
    doubt = demo.doubt.of_set(set_id)["readings"][ids[0]]["score"]
    assert doubt > 0.2

    cursor = call(demo, "read_sweep", set=set_id, sweep=sweep)["cursor"]
    used = call(demo, "use_slope", set=set_id, is_used=True)
    assert used["slope"]["is_used"]
    assert used["slope"]["is"] == slope["is"]
    after = call(demo, "read_sweep", set=set_id, sweep=sweep, since=cursor)
    changed = {(cell["picture"], cell["cell"]): cell for cell in after["cells"]}
    before = {(cell["picture"], cell["cell"]): cell for cell in read["cells"]}
    assert changed
    assert all(changed[place]["scores"]["false_words"] != before[place]["scores"]["false_words"] for place in changed)
    assert demo.doubt.of_set(set_id)["readings"][ids[0]]["score"] != doubt, "the captions of the set follow too"
    assert demo.choices.stored_plan(set_id).notes == (), "it is no setting of a plan"
    demo.settings_changed(set_id, _values(demo, num_beams=5))
    call(demo, "undo", set=set_id)
    assert call(demo, "sweep_summary", set=set_id, sweep=sweep)["slope"]["is_used"], "settings keep it"
    assert call(demo, "undo", set=set_id)["label"] == f"Slope from {len(by_doubt)} ratings"
    again = call(demo, "read_sweep", set=set_id, sweep=sweep, since=after["cursor"])
    for cell in again["cells"]:
        assert cell["scores"] == before[cell["picture"], cell["cell"]]["scores"]
    assert not call(demo, "sweep_summary", set=set_id, sweep=sweep)["slope"]["is_used"]
    assert demo.doubt.of_set(set_id)["readings"][ids[0]]["score"] == doubt


def test_without_a_captioner_that_reads_the_tagger_remains(demo: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlipCaptioner, "can_read", False)
    set_id = demo.new_set()["set"]
    picture = demo.intake.add_picture(set_id, Upload("a.png", SAMPLES[0].read_bytes()), [])["row"]["id"]
    offered = call(demo, "lab_offer", set=set_id, settings=_values(demo))
    assert offered["asked"] == ["wd14-demo"]
    axes = [{"name": "min_length", "values": ["5", "30"]}]
    answer = call(demo, "start_sweep", set=set_id, ids=[picture], axes=axes, settings=_values(demo))
    read = finished(demo, set_id, answer["sweep"])
    assert read["sweep"]["asked"] == ["wd14-demo"]
    notes = " ".join(read["sweep"]["notes"])
    assert "blip-demo cannot read captions; the others are asked without it" in notes
    assert not read["sweep"]["has_percentages"]
    assert "their place among all words" in notes
    assert all(cell["is_scored"] and cell["scores"]["agreement"] is not None for cell in read["cells"])


def test_a_model_that_fails_on_scores_says_so_in_the_cells_and_the_captions_stay(
    demo: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ModelFailed("the model's scores are not numbers; leave this picture out.")

    set_id = demo.new_set()["set"]
    picture = demo.intake.add_picture(set_id, Upload("a.png", SAMPLES[0].read_bytes()), [])["row"]["id"]
    axes = [{"name": "min_length", "values": ["5", "30"]}]
    with monkeypatch.context() as patched:
        patched.setattr(Voices, "hear", fail)
        answer = call(demo, "start_sweep", set=set_id, ids=[picture], axes=axes, settings=_values(demo))
        read = finished(demo, set_id, answer["sweep"])
    assert read["sweep"]["state"] == "done"
    assert {(cell["note"], cell["error"], bool(cell["caption"])) for cell in read["cells"]} == {
        ("The model's scores are not numbers; leave this picture out.", "", True)
    }
    call(demo, "continue_sweep", set=set_id, sweep=answer["sweep"])
    read = finished(demo, set_id, answer["sweep"])
    assert {(cell["note"], cell["is_scored"]) for cell in read["cells"]} == {("", True)}


def test_a_tagger_that_breaks_costs_scores_and_a_stop_is_not_told_as_an_earlier_end(
    demo: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id = demo.new_set()["set"]
    picture = demo.intake.add_picture(set_id, Upload("a.png", SAMPLES[0].read_bytes()), [])["row"]["id"]
    axes = [{"name": "min_length", "values": ["5", "30"]}]
    with monkeypatch.context() as patched:
        with demo.live._manager.use("wd14-demo", "wd14"):
            pass  # in memory, so it is asked although it is switched off
        patched.setattr(Wd14Tagger, "tag", lambda *_, **__: 1 / 0)
        answer = call(demo, "start_sweep", set=set_id, ids=[picture], axes=axes, settings=_values(demo, wd14_on=False))
        read = finished(demo, set_id, answer["sweep"])
    assert read["sweep"]["state"] == "done"
    assert all("failed on this picture (ZeroDivisionError" in cell["note"] for cell in read["cells"])
    with monkeypatch.context() as patched:
        patched.setattr("captioner.service.sweep_run.SweepRun._scores", lambda self: iter(()))
        call(demo, "continue_sweep", set=set_id, sweep=answer["sweep"])
        about = finished(demo, set_id, answer["sweep"])["sweep"]
    assert (about["state"], about["message"]) == ("cancelled", "Stopped before the scores were there.")


def test_scores_that_are_no_numbers_are_none(demo: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    hear = Voices.hear

    def nan(self: Voices, *values: Any, **named: Any) -> Any:
        return [
            dataclasses.replace(one, tags=tuple(float("nan") for _ in one.reading.words))
            for one in hear(self, *values, **named)
        ]

    monkeypatch.setattr(Voices, "hear", nan)
    set_id = demo.new_set()["set"]
    picture = demo.intake.add_picture(set_id, Upload("a.png", SAMPLES[0].read_bytes()), [])["row"]["id"]
    axes = [{"name": "min_length", "values": ["5", "30"]}]
    answer = call(demo, "start_sweep", set=set_id, ids=[picture], axes=axes, settings=_values(demo))
    read = finished(demo, set_id, answer["sweep"])
    assert {cell["is_scored"] for cell in read["cells"]} == {False}
    assert "are no numbers" in read["cells"][0]["note"]


def test_too_few_ratings_move_no_slope(demo: Service) -> None:
    set_id = demo.new_set()["set"]
    assert "too few ratings" in refusal(demo, "use_slope", set=set_id, is_used=True)
    assert call(demo, "use_slope", set=set_id, is_used=False) == {"slope": None}
