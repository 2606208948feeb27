"""Previews that run no more than they must, tags and further sentences; one picture for a program."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from captioner.errors import CaptionerError, SettingsError, Superseded
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.service import live
from captioner.service.service import Service
from captioner.worker import LOCAL, Worker
from tests.fakes import FakeClip, FakeModel
from tests.service_makers import RED, added, moved, page_values, png, set_with, standings, wait_for_job


def test_a_preview_shows_a_caption_and_stores_nothing_but_the_settings(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    answer = moved(service, set_id, picture, page_values(service, num_beams=5))
    assert answer["text"] == "a red picture 40 wide under beam 5"
    assert service.workspace.layers(set_id, picture) == ()
    assert service.rows.of_picture(set_id, picture)["caption"] == ""
    assert service.workspace.settings(set_id)["num_beams"] == 5


def test_a_preview_runs_only_what_changed(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    moved(service, set_id, picture, page_values(service, num_beams=5))
    assert FakeModel.calls == [1]
    moved(service, set_id, picture, page_values(service, num_beams=5, wd14_on=True))
    assert FakeModel.calls == [1, 1]  # the tagger; the sentence is at hand
    answer = moved(service, set_id, picture, page_values(service, num_beams=5, wd14_on=True, general_threshold=0.7))
    assert answer["text"] == "a red picture 40 wide under beam 5, nami (one piece), red background"
    assert answer["recomposed"]
    moved(service, set_id, picture, page_values(service, num_beams=5, wd14_on=True, prefix="sks"))
    assert FakeModel.calls == [1, 1]


def test_how_a_cut_sentence_ends_is_a_matter_of_text_and_runs_no_model(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    moved(service, set_id, picture, page_values(service))
    FakeModel.calls.clear()
    answer = moved(service, set_id, picture, page_values(service, whole_phrases=False))
    assert answer["recomposed"]
    assert FakeModel.calls == []


def test_a_chain_follows_the_sentence_that_it_goes_on_from(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    for beams in (5, 6, 5):
        said = f"a red picture 40 wide under beam {beams}"
        answer = moved(service, set_id, picture, page_values(service, num_beams=beams, clip_on=True, mode="chain"))
        assert answer["text"] == f"{said}, after {said!r}"
    assert FakeModel.calls == [1, 1, 1, 1], "what was tried before is at hand"


def test_a_chain_that_is_tried_on_a_stored_sentence_asks_the_captioner_no_more(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    FakeModel.calls.clear()
    chain = page_values(service, clip_on=True, mode="chain")
    said = "a red picture 40 wide under beam 3"
    assert moved(service, set_id, picture, chain)["text"] == f"{said}, after {said!r}"
    assert FakeModel.calls == [1]
    service.jobs.start(set_id, None, chain)
    wait_for_job(service, set_id)
    assert FakeModel.calls == [1, 1]
    assert service.rows.of_picture(set_id, picture)["caption"] == f"{said}, after {said!r}"


def test_a_stored_chain_is_not_put_behind_a_sentence_that_is_only_tried(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service, clip_on=True, mode="chain"))
    wait_for_job(service, set_id)
    said = "a red picture 40 wide under beam 7"
    answer = moved(service, set_id, picture, page_values(service, num_beams=7, clip_on=True, mode="chain"))
    assert answer["text"] == f"{said}, after {said!r}"
    answer = moved(
        service, set_id, picture, page_values(service, num_beams=7, clip_on=True, mode="chain", prefix="sks")
    )
    text = f"{said}, after {said!r}"
    assert (answer["text"], answer["caption"]) == (text, f"sks, {text}")


def test_settings_that_are_not_allowed_are_told_and_not_stored(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    before = service.workspace.settings(set_id)
    for wrong, message in (
        ({"num_beams": float("nan")}, "num_beams is nan"),
        ({"num_beams": 21}, "num_beams is 21; it must be a whole number between 1 and 20"),
        ({"min_length": 50, "max_length": 20}, "min_length is 50 and max_length is 20"),
        ({"captioner": "/etc"}, "captioner is '/etc'; it must be one of"),
        ({"flavour": 1}, "flavour is not a setting; did you mean"),
    ):
        with pytest.raises(SettingsError, match=message):
            moved(service, set_id, picture, page_values(service, **wrong))
    with pytest.raises(SettingsError, match="settings are list"):
        moved(service, set_id, picture, [1, 2])  # type: ignore[arg-type]
    assert service.workspace.settings(set_id) == before


def test_a_preview_does_not_wait_for_a_long_preparation_and_says_what_is_missing(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    FakeClip.unprepared = 1000
    answer = moved(service, set_id, picture, page_values(service, clip_on=True))
    assert answer["text"] == "a red picture 40 wide under beam 3"
    assert answer["unprepared"] == {
        "text": "fake-clip has 1,000 labels to embed once, about 17 min, and is left out until then.",
        "action": "Prepare now",
        "download_mb": 155,
    }
    assert FakeClip.unprepared == 1000
    FakeClip.unprepared = 3
    answer = moved(service, set_id, picture, page_values(service, clip_on=True))
    assert answer["unprepared"] is None
    assert "cubism" in answer["text"], "what takes a moment is done without a word"


def test_a_model_that_is_not_here_is_told_with_its_size_and_left_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, [picture] = set_with(service, RED)
    wd14 = registry.find("wd-vit-tagger-v3")
    monkeypatch.setattr(ModelManager, "to_download", lambda _, name, family: wd14 if family == "wd14" else None)
    answer = moved(service, set_id, picture, page_values(service, wd14_on=True))
    assert answer["text"] == "a red picture 40 wide under beam 3"
    assert answer["unprepared"] == {
        "text": "fake-wd14 is not on this machine and must be downloaded once (379 MB), and is left out until then.",
        "action": "",
        "download_mb": 0,
    }


def test_a_program_that_captions_one_picture_is_told_what_is_missing(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    FakeClip.unprepared = 1000
    with pytest.raises(
        CaptionerError, match=r"has 1,000 labels to embed .* captioning the whole set does it"
    ) as raised:
        service.live.caption_one(set_id, picture, service.choices.plan_of_flat({"clip": "default"}))
    assert raised.value.code == "not_prepared"


def test_details_are_of_the_stored_layers_under_the_set_s_settings(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    nothing = {"sources": [], "said": "", "sentences": [], "asked": "", "redrawn": 0, "can_draw": False, "kinds": []}
    assert service.live.details(set_id, picture) == nothing
    service.jobs.start(set_id, None, page_values(service, wd14_on=True))
    wait_for_job(service, set_id)
    details = service.live.details(set_id, picture)
    [wd14] = details["sources"]
    assert (wd14["source"], wd14["title"]) == ("wd14", "WD14")
    assert [group["category"] for group in wd14["categories"]] == ["character", "general", "rating"]
    assert wd14["categories"][1]["tags"] == [
        ["red_background", "red background", 0.9, "kept", True, []],
        ["long_hair", "long hair", 0.6, "kept", True, []],
        ["hair", "hair", 0.5, "kept", True, []],
        ["hat", "hat", 0.1, "out", True, []],
    ]
    assert details["said"] == "a red picture 40 wide under beam 3"
    assert [other["text"][-6:] for other in details["sentences"]] == ["beam 2", "beam 3"]
    assert details["sentences"][0]["caption"].endswith("its beam 2, nami (one piece), red background, long hair, hair")
    moved(service, set_id, picture, page_values(service))
    assert service.live.details(set_id, picture)["sources"] == [], "the tagger is off"


def test_a_preview_s_tags_follow_a_threshold_without_a_model(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    first = moved(service, set_id, picture, page_values(service, wd14_on=True))
    FakeModel.calls.clear()
    second = moved(service, set_id, picture, page_values(service, wd14_on=True, general_threshold=0.55))
    assert (standings(first["details"])["hair"], standings(second["details"])["hair"]) == ("kept", "out")
    assert FakeModel.calls == []
    assert service.workspace.layers(set_id, picture) == ()


def test_further_draws_stand_beside_the_sentence_and_are_not_drawn_twice(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    values = page_values(service, method="nucleus", seed=5, suffix="end")
    assert moved(service, set_id, picture, values)["details"]["can_draw"]
    answer = service.live.draw_sentences(set_id, picture, values)
    assert answer["new"] == 4
    again = service.live.draw_sentences(set_id, picture, values)
    start = "a red picture 40 wide under nucleus seed"
    drawn = [other["text"] for other in again["details"]["sentences"]]
    assert drawn == [f"{start} {seed}" for seed in range(6, 14)]
    assert all(other["caption"] == other["text"] for other in again["details"]["sentences"])
    threshold_moved = moved(service, set_id, picture, {**values, "general_threshold": 0.2})
    assert len(threshold_moved["details"]["sentences"]) == 8
    assert moved(service, set_id, picture, {**values, "seed": 6})["details"]["sentences"] == []
    assert service.workspace.layers(set_id, picture) == ()


def test_beam_search_has_nothing_to_draw(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    with pytest.raises(SettingsError, match="only nucleus sampling can draw again"):
        service.live.draw_sentences(set_id, picture, page_values(service))


def test_a_used_preview_stays_generated_and_is_one_step(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "mine", 0)
    FakeModel.calls.clear()
    values = page_values(service, num_beams=7, prefix="ohwx")
    seen = moved(service, set_id, picture, values)["text"]
    assert not service.live.use_preview(set_id, picture, values, seen, 0), "the edit is a newer one"
    assert not service.live.use_preview(set_id, picture, values, "another text", 1)
    assert service.live.use_preview(set_id, picture, values, seen, 1)
    assert FakeModel.calls == [1], "the layers were at hand"
    row = service.rows.of_picture(set_id, picture)
    assert (row["state"], row["caption"]) == ("generated", "ohwx, a red picture 40 wide under beam 7")
    moved(service, set_id, picture, values | {"prefix": "zwx"})
    assert service.rows.of_picture(set_id, picture)["caption"].startswith("zwx, a red"), "it follows the settings"
    service.travel(set_id, is_undo=True)
    assert service.travel(set_id, is_undo=True)["label"] == "Use"
    row = service.rows.of_picture(set_id, picture)
    assert (row["state"], row["text"], row["caption"]) == ("edited", "mine", "ohwx, mine")


def test_a_used_preview_takes_the_place_of_a_caption_that_came_along(service: Service) -> None:
    set_id = service.new_set()["set"]
    [picture, twin] = [added(service, set_id, name, png(RED), "own") for name in ("a.png", "b.png")]
    values = page_values(service)
    seen = moved(service, set_id, picture, values)["text"]
    assert service.live.use_preview(set_id, twin, values, seen, 0), "an equal picture was asked"
    rows = {row["id"]: (row["state"], row["caption"]) for row in service.open_set(set_id)["rows"]}
    assert rows == {picture: ("existing", "own"), twin: ("generated", seen)}


def test_a_whole_preview_runs_what_other_settings_made_but_no_model_that_is_not_live(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    values = page_values(service, num_beams=7)
    service.settings_changed(set_id, values)
    assert service.live.preview(set_id, picture, values)["text"] == "a red picture 40 wide under beam 3"
    assert service.live.preview(set_id, picture, values, is_whole=True)["text"] == "a red picture 40 wide under beam 7"
    monkeypatch.setattr(registry.family_class("blip"), "is_live", False)
    FakeModel.calls.clear()
    values |= {"num_beams": 9}
    waiting = service.live.preview(set_id, picture, values, is_whole=True)
    assert waiting["text"] == "a red picture 40 wide under beam 3"
    assert FakeModel.calls == []
    text = "fake-blip is asked about this picture when you say so."
    assert waiting["untried"] == {"text": text, "is_quick": False}, "nobody knows yet how long it takes"
    asked = service.live.preview(set_id, picture, values, is_asked=True)
    assert (asked["text"], asked["untried"]) == ("a red picture 40 wide under beam 9", None)
    assert service.live.preview(set_id, picture, values)["text"] == asked["text"], "what it said serves"
    values |= {"num_beams": 10}
    assert service.live.preview(set_id, picture, values)["untried"]["is_quick"]
    with monkeypatch.context() as patched:
        patched.setattr(live, "_QUICK_S", 0.0)
        assert not service.live.preview(set_id, picture, values)["untried"]["is_quick"]
    monkeypatch.setattr(registry.family_class("blip"), "is_remote", True)
    assert not service.live.preview(set_id, picture, values)["untried"]["is_quick"], "it may cost something"


def test_of_a_tab_s_previews_in_line_only_the_newest_is_made(service: Service, worker: Worker) -> None:
    set_id, [picture] = set_with(service, RED)
    gate, is_held = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        gate.wait(20)

    worker.ask(hold)
    assert is_held.wait(20)  # else it is taken for the first preview below
    with ThreadPoolExecutor(2) as tab:

        def preview(beams: int) -> Future[dict[str, Any]]:
            values = page_values(service, num_beams=beams)
            return tab.submit(service.live.preview, set_id, picture, values, tab="one")

        first = preview(5)
        while not worker._lanes[LOCAL].asks:
            assert not first.done()
        second = preview(6)
        with pytest.raises(Superseded) as raised:
            first.result(20)
        assert raised.value.code == "superseded"
        gate.set()
        assert second.result(20)["text"] == "a red picture 40 wide under beam 6"
    assert FakeModel.calls == [1]
