"""What the page asks, answered without a browser: rows, previews that run no more than they must, jobs, saves."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.errors import CaptionerError, SettingsError, UnknownSet
from captioner.manager import ModelManager
from captioner.ui.desk import Desk, Recent
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import POISON, FakeCaptioner, FakeClip, FakeModel, FakeWd14, fake_models

RED = (200, 30, 30)


def _png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with (
        fake_models(tmp_path / "models") as models,
        Workspace(tmp_path / "work") as workspace,
        Worker() as worker,
    ):
        yield Desk(workspace, worker, ModelManager(models=models, device="cpu"))


def _set_with(desk: Desk, *colours: tuple[int, int, int]) -> tuple[str, list[str]]:
    set_id = desk.new_set()["set"]
    ids = [desk.add_picture(set_id, f"{number}.png", _png(colour))["id"] for number, colour in enumerate(colours)]
    FakeModel.calls.clear()
    return set_id, ids


def _values(desk: Desk, **changes: Any) -> dict[str, Any]:
    """The page's values by name as it shows them at first, some of them changed."""
    values = dict(desk.default_flat)
    for key in desk.model_keys:
        values |= {f"{key}_on": key == "captioner", key: desk.model_name(key)}
    return values | changes


def _wait(desk: Desk, set_id: str) -> dict[str, Any]:
    assert desk.worker.jobs(set_id)[-1].wait(20)
    job = desk.job(set_id)
    assert job is not None
    return job


def test_a_new_set_is_empty_and_has_the_page_s_settings(desk: Desk) -> None:
    set_id = desk.new_set(_values(desk, num_beams=7))["set"]
    assert desk.stored_plan(set_id).to_flat()["num_beams"] == 7
    opened = desk.open_set(set_id)
    assert opened["whole"]
    assert opened["rows"] == []
    assert opened["job"] is None
    assert opened["undo"] is None, "no undo takes the first settings away"


def test_an_unknown_set_is_an_error_that_says_so(desk: Desk) -> None:
    with pytest.raises(UnknownSet, match="there is no caption set"):
        desk.open_set("nobody")


def test_a_preview_shows_a_caption_and_stores_nothing_but_the_settings(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    answer = desk.preview(set_id, picture, _values(desk, num_beams=5))
    assert answer["text"] == "a red picture 40 wide under beam 5"
    assert desk.workspace.layers(set_id, picture) == ()
    assert desk.row(set_id, picture)["caption"] == ""
    assert desk.workspace.settings(set_id)["num_beams"] == 5


def test_a_preview_runs_only_what_changed(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    desk.preview(set_id, picture, _values(desk, num_beams=5))
    assert FakeModel.calls == [1]
    desk.preview(set_id, picture, _values(desk, num_beams=5, wd14_on=True))
    assert FakeModel.calls == [1, 1]  # the tagger; the sentence is at hand
    answer = desk.preview(set_id, picture, _values(desk, num_beams=5, wd14_on=True, general_threshold=0.7))
    assert answer["text"] == "a red picture 40 wide under beam 5, nami (one piece), red background"
    assert answer["recomposed"]
    desk.preview(set_id, picture, _values(desk, num_beams=5, wd14_on=True, prefix="sks"))
    assert FakeModel.calls == [1, 1]


def test_a_chain_follows_the_sentence_that_it_goes_on_from(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    for beams in (5, 6, 5):
        said = f"a red picture 40 wide under beam {beams}"
        answer = desk.preview(set_id, picture, _values(desk, num_beams=beams, clip_on=True, mode="chain"))
        assert answer["text"] == f"{said}, after {said!r}"
    assert FakeModel.calls == [1, 1, 1, 1], "what was tried before is at hand"


def test_a_chain_that_is_tried_on_a_stored_sentence_asks_the_captioner_no_more(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    FakeModel.calls.clear()
    chain = _values(desk, clip_on=True, mode="chain")
    said = "a red picture 40 wide under beam 3"
    assert desk.preview(set_id, picture, chain)["text"] == f"{said}, after {said!r}"
    assert FakeModel.calls == [1]
    desk.start_job(set_id, None, chain)
    _wait(desk, set_id)
    assert FakeModel.calls == [1, 1]
    assert desk.row(set_id, picture)["caption"] == f"{said}, after {said!r}"


def test_a_stored_chain_is_not_put_behind_a_sentence_that_is_only_tried(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    desk.start_job(set_id, None, _values(desk, clip_on=True, mode="chain"))
    _wait(desk, set_id)
    said = "a red picture 40 wide under beam 7"
    answer = desk.preview(set_id, picture, _values(desk, num_beams=7, clip_on=True, mode="chain"))
    assert answer["text"] == f"{said}, after {said!r}"
    answer = desk.preview(set_id, picture, _values(desk, num_beams=7, clip_on=True, mode="chain", prefix="sks"))
    assert answer["text"] == f"sks, {said}, after {said!r}"


def test_a_threshold_changes_stored_captions_without_a_model(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, (20, 20, 220))
    desk.start_job(set_id, None, _values(desk, wd14_on=True))
    _wait(desk, set_id)
    before = desk.open_set(set_id)
    FakeModel.calls.clear()
    desk.preview(set_id, pictures[0], _values(desk, wd14_on=True, general_threshold=0.95, character_threshold=0.99))
    after = desk.changes(set_id, before["cursor"])
    assert FakeModel.calls == []
    assert {row["caption"] for row in after["rows"]} == {
        "a red picture 40 wide under beam 3",
        "a blue picture 40 wide under beam 3",
    }


def test_settings_that_are_not_allowed_are_told_and_not_stored(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    before = desk.workspace.settings(set_id)
    for wrong, message in (
        ({"num_beams": float("nan")}, "num_beams is nan"),
        ({"num_beams": 21}, "num_beams is 21; it must be a whole number between 1 and 20"),
        ({"min_length": 50, "max_length": 20}, "min_length is 50 and max_length is 20"),
        ({"captioner": "/etc"}, "captioner is '/etc'; it must be one of"),
        ({"flavour": 1}, "flavour is not a setting; did you mean"),
    ):
        with pytest.raises(SettingsError, match=message):
            desk.preview(set_id, picture, _values(desk, **wrong))
    with pytest.raises(SettingsError, match="settings are list"):
        desk.preview(set_id, picture, [1, 2])  # type: ignore[arg-type]
    assert desk.workspace.settings(set_id) == before


@pytest.mark.parametrize("models", ["auto", "hub"])
def test_an_open_clip_name_may_be_typed_where_models_come_from_the_hub_and_never_a_folder(
    tmp_path: Path, models: str
) -> None:
    with Workspace(tmp_path / "work") as workspace, Worker() as worker:
        desk = Desk(workspace, worker, ModelManager(models=models, device="cpu"))
        assert "ViT-B-32/laion2b_s34b_b79k" in desk.takes_other_names("clip")
        assert desk.takes_other_names("wd14") == desk.takes_other_names("captioner") == ""
        plan = desk.plan_of(_values(desk, clip_on=True, clip=" vit-b-32/LAION2B_s34b_b79k "))
        assert [choice.model for choice in plan.taggers] == ["ViT-B-32/laion2b_s34b_b79k"]
        assert desk.plan_of_flat({"clip": "ViT-B-32/laion2b_s34b_b79k"}).taggers == plan.taggers
        with pytest.raises(SettingsError, match="did you mean ViT-L-14/openai"):
            desk.plan_of(_values(desk, clip_on=True, clip="ViT-L-14/opanai"))
        for folder in (str(tmp_path), "./work", "../work", "ViT-B-32/../work", "a\\b", "x" * 300):
            with pytest.raises(SettingsError, match=r"clip is .*; it must be one of .*an open_clip name"):
                desk.plan_of(_values(desk, clip_on=True, clip=folder))


def test_where_models_are_a_folder_no_other_name_is_taken(desk: Desk) -> None:
    assert desk.takes_other_names("clip") == ""
    with pytest.raises(SettingsError, match="it must be one of fake-clip"):
        desk.plan_of(_values(desk, clip_on=True, clip="ViT-B-32/laion2b_s34b_b79k"))


def test_a_job_captions_all_and_tells_its_progress(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED, (20, 20, 220), (10, 120, 10))
    desk.start_job(set_id, None, _values(desk))
    job = _wait(desk, set_id)
    assert (job["state"], job["done"], job["total"], job["failed"]) == ("done", 3, 3, 0)
    assert job["rate"] > 0
    rows = desk.open_set(set_id)["rows"]
    assert [row["state"] for row in rows] == ["generated"] * 3
    assert rows[1]["caption"] == "a blue picture 40 wide under beam 3"


def test_a_job_passes_over_what_these_settings_made_already(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    assert desk.start_job(set_id, None, _values(desk)) == {"job": None}
    desk.add_picture(set_id, "more.png", _png((10, 120, 10)))
    assert desk.start_job(set_id, None, _values(desk))["job"]["total"] == 1
    _wait(desk, set_id)


def test_an_edit_survives_a_job_and_the_new_caption_stands_beside_it(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    saved = desk.save_caption(set_id, picture, "mine", 0)
    assert saved["ok"]
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    row = desk.row(set_id, picture)
    assert (row["caption"], row["state"], row["revision"]) == ("mine", "edited", saved["revision"])
    assert row["suggestion"] == "a red picture 40 wide under beam 3"


def test_a_picture_that_fails_says_why_and_the_others_are_done(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, POISON, RED)
    desk.start_job(set_id, None, _values(desk))
    job = _wait(desk, set_id)
    assert (job["state"], job["done"], job["failed"]) == ("done", 3, 1)
    rows = {row["id"]: row for row in desk.open_set(set_id)["rows"]}
    assert [rows[picture]["state"] for picture in pictures] == ["generated", "failed", "generated"]
    assert "no usable answer" in rows[pictures[1]]["error"]


def test_what_a_model_says_about_how_it_runs_is_told_where_it_is_used(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, [picture] = _set_with(desk, RED)
    other_set, _ = _set_with(desk, RED)
    assert desk.open_set(set_id)["warnings"] == []
    monkeypatch.setattr(FakeWd14, "warning", "runs on the CPU although there is a GPU.")
    desk.preview(set_id, picture, _values(desk, wd14_on=True))
    assert desk.open_set(set_id)["warnings"] == ["fake-wd14 runs on the CPU although there is a GPU."]
    assert desk.open_set(other_set)["warnings"] == []


# Models that must be prepared


def _gated_steps(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Each step of FakeClip's preparation waits for a release."""
    leave = threading.Semaphore(0)
    at_once = FakeClip.prepare_steps

    def waiting(self: FakeClip, settings: Any, *, published: bool = False) -> Iterator[Any]:
        for step in at_once(self, settings, published=published):
            assert leave.acquire(timeout=20)
            yield step

    monkeypatch.setattr(FakeClip, "prepare_steps", waiting)
    return leave


def test_a_preview_does_not_wait_for_a_long_preparation_and_says_what_is_missing(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    FakeClip.unprepared = 1000
    answer = desk.preview(set_id, picture, _values(desk, clip_on=True))
    assert answer["text"] == "a red picture 40 wide under beam 3"
    assert answer["unprepared"] == {
        "text": "fake-clip has 1,000 labels to embed once, about 17 min, and is left out until then.",
        "download_mb": 155,
    }
    assert FakeClip.unprepared == 1000
    FakeClip.unprepared = 3
    answer = desk.preview(set_id, picture, _values(desk, clip_on=True))
    assert answer["unprepared"] is None
    assert "cubism" in answer["text"], "what takes a moment is done without a word"


def test_a_job_prepares_first_in_steps_that_let_others_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, [first, second] = _set_with(desk, RED, (20, 20, 220))
    FakeClip.unprepared = 400
    leave = _gated_steps(monkeypatch)
    desk.start_job(set_id, None, _values(desk, clip_on=True))
    for _ in range(2):
        leave.release()
    job = desk.job(set_id)
    while job is None or job["aside"] is None or job["aside"]["done"] < 200:
        job = desk.job(set_id)
    assert (job["done"], job["total"], job["rate"]) == (0, 2, None)
    assert (job["aside"]["title"], job["aside"]["text"]) == ("Preparing fake-clip", "200 of 400 labels")
    assert job["aside"]["seconds_left"] > 0
    asked = desk.worker.ask(lambda: "let in")
    leave.release()
    assert asked.result(20) == "let in"
    leave.release()
    job = _wait(desk, set_id)
    assert (job["state"], job["done"], job["failed"], job["aside"]) == ("done", 2, 0, None)
    assert all("cubism" in desk.row(set_id, picture)["caption"] for picture in (first, second))


def test_stopping_a_preparation_keeps_what_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = _set_with(desk, RED)
    FakeClip.unprepared = 1000
    leave = _gated_steps(monkeypatch)
    started = desk.start_preparation(set_id, _values(desk, clip_on=True), published=False)["job"]
    assert (started["total"], started["done"]) == (0, 0)
    with pytest.raises(CaptionerError, match="this set is being prepared for already; wait for it or stop it"):
        desk.start_job(set_id, None, _values(desk))
    desk.stop_job(set_id)
    leave.release()
    assert _wait(desk, set_id)["state"] == "cancelled"
    assert FakeClip.unprepared in (900, 1000)


def test_published_labels_are_fetched_only_when_asked_for_and_a_hub_that_is_away_is_told(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    FakeClip.unprepared = 1000
    FakeClip.hub_is_away = True
    desk.start_preparation(set_id, _values(desk, clip_on=True), published=True)
    job = _wait(desk, set_id)
    assert (job["state"], job["message"]) == (
        "failed",
        "The file of label embeddings could not be downloaded from the hub.",
    )
    FakeClip.hub_is_away = False
    desk.start_preparation(set_id, _values(desk, clip_on=True), published=True)
    assert _wait(desk, set_id)["state"] == "done"
    assert FakeClip.unprepared == 0


def test_a_program_that_captions_one_picture_is_told_what_is_missing(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    FakeClip.unprepared = 1000
    with pytest.raises(CaptionerError, match=r"has 1,000 labels to embed .* Captioning the set prepares it") as raised:
        desk.caption_one(set_id, picture, desk.plan_of_flat({"clip": "default"}))
    assert raised.value.code == "not_prepared"


def test_a_picture_damaged_on_the_disk_costs_one_picture(desk: Desk, tmp_path: Path) -> None:
    set_id, pictures = _set_with(desk, RED, (30, 200, 30), (30, 30, 200))
    digest = desk.workspace.view(set_id, pictures[1]).digest
    stored = [
        path for path in (tmp_path / "work").rglob(f"*{digest}*") if path.stat().st_size == len(_png((30, 200, 30)))
    ]
    assert len(stored) == 1
    stored[0].write_bytes(b"no picture any more")
    desk._opened = Recent(2)  # forgets what the upload had opened
    desk.start_job(set_id, None, None)
    job = _wait(desk, set_id)
    assert (job["state"], job["done"], job["failed"]) == ("done", 3, 1)
    rows = {row["id"]: row for row in desk.open_set(set_id)["rows"]}
    assert [rows[picture]["state"] for picture in pictures] == ["generated", "failed", "generated"]
    assert rows[pictures[1]]["error"]


def test_one_job_a_set_at_a_time_and_it_can_be_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = _set_with(desk, RED, RED, RED, RED)
    may_go = threading.Event()
    at_once = FakeCaptioner.caption

    def wait_first(self: FakeCaptioner, pictures: Any, settings: Any) -> Any:
        assert may_go.wait(20)
        return at_once(self, pictures, settings)

    monkeypatch.setattr(FakeCaptioner, "caption", wait_first)
    desk.start_job(set_id, None, _values(desk))
    with pytest.raises(CaptionerError, match="this set is being captioned already"):
        desk.start_job(set_id, None, _values(desk))
    desk.stop_job(set_id)
    may_go.set()
    job = _wait(desk, set_id)
    assert job["state"] == "cancelled"
    assert [row["state"] for row in desk.open_set(set_id)["rows"]].count("generated") == job["done"] <= 1


def test_a_job_without_any_model_is_refused(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    with pytest.raises(SettingsError, match="every model is switched off"):
        desk.start_job(set_id, None, _values(desk, captioner_on=False))


def test_a_conflict_is_told_with_the_other_text(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    desk.save_caption(set_id, picture, "first tab", 0)
    answer = desk.save_caption(set_id, picture, "second tab", 0)
    assert not answer["ok"]
    assert answer["conflict"] == "first tab"
    assert desk.row(set_id, picture)["caption"] == "first tab"


def test_removing_the_edit_brings_the_composed_caption_back(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    revision = desk.save_caption(set_id, picture, "", 0)["revision"]
    assert desk.row(set_id, picture)["caption"] == ""
    row = desk.save_caption(set_id, picture, None, revision)["row"]
    assert (row["state"], row["caption"]) == ("generated", "a red picture 40 wide under beam 3")


def test_changes_are_only_what_changed(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, RED)
    cursor = desk.open_set(set_id)["cursor"]
    assert desk.changes(set_id, cursor)["rows"] == []
    desk.save_caption(set_id, pictures[1], "mine", 0)
    changed = desk.changes(set_id, cursor)
    assert [row["id"] for row in changed["rows"]] == [pictures[1]]
    assert not changed["whole"]
    for odd in (None, "7", True, 10**9, -5):
        assert desk.changes(set_id, odd)["whole"]


def test_an_existing_caption_is_kept_and_the_sentence_is_a_suggestion(desk: Desk) -> None:
    set_id = desk.new_set()["set"]
    picture = desk.add_picture(set_id, "a.png", _png(RED), "from a file")["id"]
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    row = desk.row(set_id, picture)
    assert row["caption"] == "from a file"
    assert row["suggestion"] == "a red picture 40 wide under beam 3"


def test_tokens_beyond_the_limit_are_named(desk: Desk) -> None:
    assert desk.count_tokens("a red cat") == {"tokens": 3, "limit": 75, "beyond": ""}
    counted = desk.count_tokens("cat " * 80)
    assert counted["tokens"] == 80
    assert counted["beyond"].split() == ["cat"] * 5


def test_settings_that_mean_nothing_any_more_do_not_keep_a_set_shut(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    desk.workspace.set_settings(set_id, {"num_beams": 500})
    opened = desk.open_set(set_id)
    assert len(opened["rows"]) == 1
    assert "num_beams is 500" in opened["notes"][0]


def test_recent_forgets_what_was_unused_for_longest() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_a_bulk_change_is_shown_first_then_done_as_one_step_and_undone(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, RED, (20, 20, 220))
    desk.start_job(set_id, None, _values(desk))
    _wait(desk, set_id)
    desk.save_caption(set_id, pictures[0], "a red thing", 0)
    shown = desk.preview_bulk(set_id, None, "replace", {"find": "red", "replacement": "crimson"})
    assert (shown["looked_at"], len(shown["changes"])) == (3, 2)
    assert [change["was_edited"] for change in shown["changes"]] == [True, False]
    assert desk.row(set_id, pictures[0])["caption"] == "a red thing"
    changes = {change["id"]: change for change in shown["changes"]}
    assert desk.apply_bulk(set_id, shown["label"], changes) == {"ok": True, "changed": 2}
    assert desk.row(set_id, pictures[1])["caption"] == "a crimson picture 40 wide under beam 3"
    assert desk.travel(set_id, is_undo=True) == {"label": "Replace 'red'", "has_settings": False}
    assert desk.row(set_id, pictures[0])["caption"] == "a red thing"
    assert desk.row(set_id, pictures[1])["state"] == "generated"
    desk.travel(set_id, is_undo=False)
    assert desk.row(set_id, pictures[0])["caption"] == "a crimson thing"


def test_a_bulk_change_over_a_newer_edit_changes_nothing_and_says_whose(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, RED)
    desk.save_caption(set_id, pictures[0], "one", 0)
    desk.save_caption(set_id, pictures[1], "two", 0)
    shown = desk.preview_bulk(set_id, None, "affix", {"text": "sks "})
    desk.save_caption(set_id, pictures[1], "two, newer", 1)
    answer = desk.apply_bulk(set_id, shown["label"], {change["id"]: change for change in shown["changes"]})
    assert answer == {"ok": False, "conflicts": ["1.png"]}
    assert desk.row(set_id, pictures[0])["caption"] == "one"


def test_undo_of_nothing_says_so(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    while desk.travel(set_id, is_undo=True)["label"]:
        pass
    assert desk.travel(set_id, is_undo=True) == {"label": None, "has_settings": False}


def test_removed_pictures_are_told_and_come_back_with_undo(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, RED, RED)
    cursor = desk.open_set(set_id)["cursor"]
    desk.remove_pictures(set_id, pictures[:2])
    assert desk.changes(set_id, cursor)["removed"] == pictures[:2]
    assert desk.travel(set_id, is_undo=True)["label"] == "Remove 2 pictures"
    assert len(desk.open_set(set_id)["rows"]) == 3


def test_sets_have_names_and_unknown_ones_are_left_out(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    desk.rename_set(set_id, "  Ada's <b>dogs</b>  ")
    [known] = desk.known_sets(["nobody", set_id, 7])["sets"]  # type: ignore[list-item]
    assert (known["name"], known["pictures"]) == ("Ada's <b>dogs</b>", 1)
    assert desk.open_set(set_id)["name"] == "Ada's <b>dogs</b>"


def test_token_counts_are_of_the_captions_as_exported(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, RED)
    desk.save_caption(set_id, pictures[0], "a red cat", 0)
    assert desk.token_counts(set_id) == {"limit": 75, "counts": {pictures[0]: 3, pictures[1]: 0}}


def _standings(details: dict[str, Any]) -> dict[str, str]:
    return {row[0]: row[3] for source in details["sources"] for group in source["categories"] for row in group["tags"]}


def test_details_are_of_the_stored_layers_under_the_set_s_settings(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    nothing = {"sources": [], "sentences": [], "can_draw": False}
    assert desk.details(set_id, picture) == nothing
    desk.start_job(set_id, None, _values(desk, wd14_on=True))
    _wait(desk, set_id)
    details = desk.details(set_id, picture)
    [wd14] = details["sources"]
    assert (wd14["source"], wd14["title"]) == ("wd14", "WD14")
    assert [group["category"] for group in wd14["categories"]] == ["character", "general", "rating"]
    assert wd14["categories"][1]["tags"] == [
        ["red_background", "red background", 0.9, "kept", True, []],
        ["long_hair", "long hair", 0.6, "kept", True, []],
        ["hair", "hair", 0.5, "kept", True, []],
        ["hat", "hat", 0.1, "out", True, []],
    ]
    assert [other["text"][-6:] for other in details["sentences"]] == ["beam 2", "beam 3"]
    assert details["sentences"][0]["caption"].endswith("its beam 2, nami (one piece), red background, long hair, hair")
    desk.preview(set_id, picture, _values(desk))
    assert desk.details(set_id, picture)["sources"] == [], "the tagger is off"


def test_a_preview_s_tags_follow_a_threshold_without_a_model(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    first = desk.preview(set_id, picture, _values(desk, wd14_on=True))
    FakeModel.calls.clear()
    second = desk.preview(set_id, picture, _values(desk, wd14_on=True, general_threshold=0.55))
    assert (_standings(first["details"])["hair"], _standings(second["details"])["hair"]) == ("kept", "out")
    assert FakeModel.calls == []
    assert desk.workspace.layers(set_id, picture) == ()


def test_an_ignored_tag_leaves_every_caption_and_undo_brings_it_back(desk: Desk) -> None:
    set_id, pictures = _set_with(desk, RED, (20, 20, 220))
    desk.start_job(set_id, None, _values(desk, wd14_on=True, ignore="cat"))
    _wait(desk, set_id)
    before = desk.open_set(set_id)
    answer = desk.ignore_tag(set_id, "long_hair", _values(desk, wd14_on=True, ignore="cat"), is_ignored=True)
    assert answer == {"ignore": "cat, long hair", "entries": ["long hair"]}
    changed = desk.changes(set_id, before["cursor"])
    assert len(changed["rows"]) == 2
    assert all("long hair" not in row["caption"] for row in changed["rows"])
    assert changed["undo"] == "Ignore long hair"
    assert _standings(desk.details(set_id, pictures[0]))["long_hair"] == "ignored"
    assert desk.travel(set_id, is_undo=True) == {"label": "Ignore long hair", "has_settings": True}
    assert desk.stored_plan(set_id).recipe.ignore == "cat"
    assert "long hair" in desk.row(set_id, pictures[1])["caption"]


def test_a_tag_is_taken_off_the_ignore_list_with_what_the_page_shows(desk: Desk) -> None:
    set_id, _ = _set_with(desk, RED)
    answer = desk.ignore_tag(set_id, "long_hair", _values(desk, ignore="*_hair, hat", num_beams=9), is_ignored=False)
    assert answer == {"ignore": "hat", "entries": ["*_hair"]}
    stored = desk.stored_plan(set_id).to_flat()
    assert (stored["ignore"], stored["num_beams"]) == ("hat", 9)
    assert desk.changes(set_id, -1)["undo"] == "Stop ignoring *_hair"
    assert desk.ignore_tag(set_id, "hat", None, is_ignored=False) == {"ignore": "", "entries": ["hat"]}
    assert desk.stored_plan(set_id).to_flat()["num_beams"] == 9
    with pytest.raises(SettingsError, match="the tag is int; it must be text"):
        desk.ignore_tag(set_id, 7, _values(desk), is_ignored=True)  # type: ignore[arg-type]


def test_further_draws_stand_beside_the_sentence_and_are_not_drawn_twice(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    values = _values(desk, method="nucleus", seed=5, suffix="end")
    assert desk.preview(set_id, picture, values)["details"]["can_draw"]
    answer = desk.draw_sentences(set_id, picture, values)
    assert answer["new"] == 4
    again = desk.draw_sentences(set_id, picture, values)
    start = "a red picture 40 wide under nucleus seed"
    drawn = [other["text"] for other in again["details"]["sentences"]]
    assert drawn == [f"{start} {seed}" for seed in range(6, 14)]
    assert all(other["caption"] == f"{other['text']}, end" for other in again["details"]["sentences"])
    threshold_moved = desk.preview(set_id, picture, {**values, "general_threshold": 0.2})
    assert len(threshold_moved["details"]["sentences"]) == 8
    assert desk.preview(set_id, picture, {**values, "seed": 6})["details"]["sentences"] == []
    assert desk.workspace.layers(set_id, picture) == ()


def test_beam_search_has_nothing_to_draw(desk: Desk) -> None:
    set_id, [picture] = _set_with(desk, RED)
    with pytest.raises(SettingsError, match="only nucleus sampling can draw again"):
        desk.draw_sentences(set_id, picture, _values(desk))
