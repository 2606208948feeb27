"""Sets, edits, bulk changes, the ignore list, undo: what the service itself answers, without a browser."""

from __future__ import annotations

import json
import random
import string
import time
from pathlib import Path

import pytest

from captioner.captions.recipe_file import RECIPE_NAME
from captioner.errors import ExportError, SettingsError, UnknownSet
from captioner.service.service import Service
from tests.fakes import FakeWd14
from tests.service_makers import RED, export_zip, moved, page_values, set_with, standings, wait_for_job


def test_a_new_set_is_empty_and_has_the_page_s_settings(service: Service) -> None:
    set_id = service.new_set(page_values(service, num_beams=7))["set"]
    assert service.choices.stored_plan(set_id).to_flat()["num_beams"] == 7
    opened = service.open_set(set_id)
    assert opened["whole"]
    assert opened["rows"] == []
    assert opened["job"] is None
    assert opened["undo"] is None, "no undo takes the first settings away"


def test_an_unknown_set_is_an_error_that_says_so(service: Service) -> None:
    with pytest.raises(UnknownSet, match="there is no caption set"):
        service.open_set("nobody")


def test_what_a_model_says_about_how_it_runs_is_told_where_it_is_used(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, [picture] = set_with(service, RED)
    other_set, _ = set_with(service, RED)
    assert service.open_set(set_id)["warnings"] == []
    monkeypatch.setattr(FakeWd14, "warning", "runs on the CPU although there is a GPU.")
    moved(service, set_id, picture, page_values(service, wd14_on=True))
    assert service.open_set(set_id)["warnings"] == ["fake-wd14 runs on the CPU although there is a GPU."]
    assert service.open_set(other_set)["warnings"] == []


def test_a_conflict_is_told_with_the_other_text(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "first tab", 0)
    answer = service.save_caption(set_id, picture, "second tab", 0)
    assert not answer["ok"]
    assert answer["conflict"] == "first tab"
    assert service.rows.of_picture(set_id, picture)["caption"] == "first tab"


def test_changes_are_only_what_changed(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED)
    cursor = service.open_set(set_id)["cursor"]
    assert service.changes(set_id, cursor)["rows"] == []
    service.save_caption(set_id, pictures[1], "mine", 0)
    changed = service.changes(set_id, cursor)
    assert [row["id"] for row in changed["rows"]] == [pictures[1]]
    assert not changed["whole"]
    for odd in (10**9, -5, 2**70):
        assert service.changes(set_id, odd)["whole"]


def test_tokens_beyond_the_limit_are_named(service: Service) -> None:
    assert service.count_tokens("a red cat") == {"tokens": 3, "limit": 75, "beyond": ""}
    counted = service.count_tokens("cat " * 80)
    assert counted["tokens"] == 80
    assert counted["beyond"].split() == ["cat"] * 5


def test_a_bulk_change_is_shown_first_then_done_as_one_step_and_undone(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED, (20, 20, 220))
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    service.save_caption(set_id, pictures[0], "a red thing", 0)
    shown = service.bulk.preview_bulk(set_id, None, "replace", {"find": "red", "replacement": "crimson"})
    assert (shown["looked_at"], len(shown["changes"])) == (3, 2)
    assert [change["was_edited"] for change in shown["changes"]] == [True, False]
    assert service.rows.of_picture(set_id, pictures[0])["caption"] == "a red thing"
    assert service.bulk.apply_bulk(set_id, shown["preview"]) == {"ok": True, "changed": 2}
    assert service.rows.of_picture(set_id, pictures[1])["caption"] == "a crimson picture 40 wide under beam 3"
    assert service.travel(set_id, is_undo=True) == {
        "label": "Replace 'red'",
        "has_settings": False,
        "gone": 0,
        "is_changed": True,
    }
    assert service.rows.of_picture(set_id, pictures[0])["caption"] == "a red thing"
    assert service.rows.of_picture(set_id, pictures[1])["state"] == "generated"
    service.travel(set_id, is_undo=False)
    assert service.rows.of_picture(set_id, pictures[0])["caption"] == "a crimson thing"


def test_a_bulk_change_over_a_newer_edit_changes_nothing_and_says_whose(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED)
    service.save_caption(set_id, pictures[0], "one", 0)
    service.save_caption(set_id, pictures[1], "two", 0)
    shown = service.bulk.preview_bulk(set_id, None, "affix", {"text": "sks "})
    service.save_caption(set_id, pictures[1], "two, newer", 1)
    answer = service.bulk.apply_bulk(set_id, shown["preview"])
    assert answer == {"ok": False, "conflicts": ["1.png"]}
    assert service.rows.of_picture(set_id, pictures[0])["caption"] == "one"


def test_a_set_that_stores_half_a_character_opens(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service, num_beams=7))
    wait_for_job(service, set_id)
    stored = service.workspace.settings(set_id)
    service.workspace.set_settings(set_id, {**stored, "prefix": "half \ud83d "})
    opened = service.open_set(set_id)
    json.dumps(opened, ensure_ascii=False).encode()
    assert opened["rows"][0]["caption"] == "half \ufffd a red picture 40 wide under beam 7"
    assert opened["notes"] == []
    with pytest.raises(SettingsError, match="prefix holds half a character"):
        moved(service, set_id, picture, page_values(service, prefix="half \ud83d"))


def test_undo_of_nothing_says_so(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    while service.travel(set_id, is_undo=True)["label"]:
        pass
    assert service.travel(set_id, is_undo=True)["label"] is None


def test_removed_pictures_are_told_and_come_back_with_undo(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED, RED)
    cursor = service.open_set(set_id)["cursor"]
    service.remove_pictures(set_id, pictures[:2])
    assert service.changes(set_id, cursor)["removed"] == pictures[:2]
    assert service.travel(set_id, is_undo=True)["label"] == "Remove 2 pictures"
    assert len(service.open_set(set_id)["rows"]) == 3


def test_sets_have_names_and_unknown_ones_are_left_out(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    service.rename_set(set_id, "  Ada's <b>dogs</b>  ")
    [known] = service.known_sets(["nobody", set_id, 7])["sets"]  # type: ignore[list-item]
    assert (known["name"], known["pictures"]) == ("Ada's <b>dogs</b>", 1)
    assert service.open_set(set_id)["name"] == "Ada's <b>dogs</b>"


def test_token_counts_are_of_the_captions_as_exported(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED)
    service.save_caption(set_id, pictures[0], "a red cat", 0)
    assert service.token_counts(set_id) == {"limit": 75, "counts": {pictures[0]: 3, pictures[1]: 0}}


def test_tokens_of_captions_without_end_are_counted_once(service: Service) -> None:
    set_id, pictures = set_with(service, *[RED] * 10)
    numbers = random.Random(4)
    for picture in pictures:
        service.save_caption(set_id, picture, "".join(numbers.choices(string.ascii_lowercase, k=10_000)), 0)
    service.count_tokens("warm up")
    times_s = []
    for _ in range(2):
        start = time.process_time()
        counted = service.token_counts(set_id)
        times_s.append(time.process_time() - start)
    assert all(5_000 < count < 6_000 for count in counted["counts"].values())
    assert times_s[1] < times_s[0] / 3, "a fiftieth on a quiet core"


def test_an_ignored_tag_leaves_every_caption_and_undo_brings_it_back(service: Service) -> None:
    set_id, pictures = set_with(service, RED, (20, 20, 220))
    service.jobs.start(set_id, None, page_values(service, wd14_on=True, ignore="cat"))
    wait_for_job(service, set_id)
    before = service.open_set(set_id)
    answer = service.ignore_tag(set_id, "long_hair", page_values(service, wd14_on=True, ignore="cat"), is_ignored=True)
    assert answer == {"ignore": "cat, long hair", "entries": ["long hair"]}
    changed = service.changes(set_id, before["cursor"])
    assert len(changed["rows"]) == 2
    assert all("long hair" not in row["caption"] for row in changed["rows"])
    assert changed["undo"] == "Ignore long hair"
    assert standings(service.live.details(set_id, pictures[0]))["long_hair"] == "ignored"
    assert service.travel(set_id, is_undo=True) == {
        "label": "Ignore long hair",
        "has_settings": True,
        "gone": 0,
        "is_changed": True,
    }
    assert service.choices.stored_plan(set_id).recipe.ignore == "cat"
    assert "long hair" in service.rows.of_picture(set_id, pictures[1])["caption"]


def test_a_tag_is_taken_off_the_ignore_list_with_what_the_page_shows(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    answer = service.ignore_tag(
        set_id, "long_hair", page_values(service, ignore="*_hair, hat", num_beams=9), is_ignored=False
    )
    assert answer == {"ignore": "hat", "entries": ["*_hair"]}
    stored = service.choices.stored_plan(set_id).to_flat()
    assert (stored["ignore"], stored["num_beams"]) == ("hat", 9)
    assert service.changes(set_id, -1)["undo"] == "Stop ignoring *_hair"
    assert service.ignore_tag(set_id, "hat", None, is_ignored=False) == {"ignore": "", "entries": ["hat"]}
    assert service.choices.stored_plan(set_id).to_flat()["num_beams"] == 9


def damage_text(service: Service, picture: str) -> None:
    """Change what is stored as the disk would, without its checksum."""
    with service.workspace._database.write() as db:
        db.execute("UPDATE pictures SET text_checksum = text_checksum + 1 WHERE id = ?", (picture,))


def exported(service: Service, set_id: str, target: Path, *, with_pictures: bool) -> dict[str, bytes]:
    return export_zip(service, set_id, target, format="txt", with_pictures=with_pictures)


def test_a_damaged_caption_costs_its_picture_in_rows_bulk_changes_and_export(service: Service, tmp_path: Path) -> None:
    set_id, pictures = set_with(service, RED, RED, RED)
    for picture in pictures:
        service.save_caption(set_id, picture, f"words of {picture}", 0)
    damage_text(service, pictures[1])
    row = service.rows.of_picture(set_id, pictures[1])
    assert (row["state"], row["caption"], row["is_damaged"]) == ("failed", "", True)
    assert "was damaged on the disk" in row["error"]
    bulk = service.bulk.preview_bulk(set_id, None, "affix", {"text": "more"})
    assert [change["id"] for change in bulk["changes"]] == [pictures[0], pictures[2]]
    files = exported(service, set_id, tmp_path / "set.zip", with_pictures=False)
    assert sorted(files) == ["0.txt", "2.txt", RECIPE_NAME, "left out.log"]
    assert b"1.png: the caption of this picture was damaged" in files["left out.log"]
    assert service.save_caption(set_id, pictures[1], "again", row["revision"])["row"]["state"] == "edited"


def test_a_damaged_layer_costs_its_picture_until_it_is_captioned_again(service: Service, tmp_path: Path) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    whole = service.rows.of_picture(set_id, picture)["caption"]
    with service.workspace._database.write() as db:
        db.execute("UPDATE layers SET checksum = checksum + 1")
        db.execute("UPDATE pictures SET layers_version = layers_version + 100")
    row = service.rows.of_picture(set_id, picture)
    assert (row["state"], row["caption"], row["is_damaged"]) == ("failed", "", True)
    assert "caption it again" in row["error"]
    with pytest.raises(ExportError, match=r"nothing can be exported\. 0\.png: what a model said"):
        export_zip(service, set_id, tmp_path / "set.zip", format="txt", with_pictures=False)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    row = service.rows.of_picture(set_id, picture)
    assert (row["caption"], row["is_damaged"]) == (whole, False)


def test_a_missing_picture_file_costs_itself_in_an_export_by_its_name(service: Service, tmp_path: Path) -> None:
    set_id, pictures = set_with(service, RED, (0, 0, 200))
    service.workspace.picture_path(set_id, pictures[0]).unlink()
    files = exported(service, set_id, tmp_path / "set.zip", with_pictures=True)
    assert sorted(files) == ["1.png", "1.txt", RECIPE_NAME, "left out.log"]
    assert b"0.png: its picture file is missing; add the picture again" in files["left out.log"]
    assert sorted(exported(service, set_id, tmp_path / "captions.zip", with_pictures=False)) == [
        "0.txt",
        "1.txt",
        RECIPE_NAME,
    ]


def test_a_deleted_set_is_gone(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    assert service.delete_set(set_id) == {}
    with pytest.raises(UnknownSet):
        service.open_set(set_id)
    assert service.known_sets([set_id])["sets"] == []


def test_a_replaced_database_is_told_with_every_answer(service: Service, tmp_path: Path) -> None:
    set_id, [picture] = set_with(service, RED)
    cursor = service.open_set(set_id)["cursor"]
    assert service.changes(set_id, cursor)["notices"] == []
    (tmp_path / "work" / "captions.sqlite").unlink()
    service.save_caption(set_id, picture, "kept", 0)
    for _ in range(2):
        assert "another program deleted" in service.changes(set_id, cursor)["notices"][0]


def test_damaged_settings_are_told_when_the_set_is_opened(service: Service) -> None:
    set_id = service.new_set(page_values(service, num_beams=7))["set"]
    with service.workspace._database.write() as db:
        db.execute("UPDATE sets SET settings_checksum = settings_checksum + 1")
    assert "the settings of this set were damaged" in service.open_set(set_id)["notes"][0]


def test_edits_that_a_text_setting_does_not_reach_are_named_and_follow_in_one_step(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED, RED)
    texts = ["a cat, hat, Long_hair", "zwx cat on grass", "a dog"]
    for picture, text in zip(pictures, texts, strict=True):
        service.save_caption(set_id, picture, text, 0)
    values = page_values(service, prefix="ohwx", num_beams=4)
    assert service.settings_changed(set_id, values)["unfollowed"] == [], "the frame reaches all"
    values |= {"class_name": "cat", "subject_name": "zwx cat", "ignore": "long hair", "replace": "hat -> bonnet"}
    assert service.settings_changed(set_id, values)["unfollowed"] == pictures[:1]
    assert service.settings_changed(set_id, values)["unfollowed"] == [], "nothing changed"
    assert service.apply_to_edits(set_id) == {"changed": 1}
    rows = service.open_set(set_id)["rows"]
    assert [row["text"] for row in rows] == ["zwx cat, bonnet", *texts[1:]]
    assert service.travel(set_id, is_undo=True)["label"] == "Apply text settings to edits"
    assert [row["text"] for row in service.open_set(set_id)["rows"]] == texts


def test_captions_that_other_settings_made_are_told(service: Service) -> None:
    set_id, pictures = set_with(service, RED, RED, RED)
    values = page_values(service)
    assert service.made_otherwise.of_set(set_id) == [], "nothing was made yet"
    service.jobs.start(set_id, pictures[:2], values)
    wait_for_job(service, set_id)
    service.settings_changed(set_id, values | {"prefix": "ohwx"})
    assert service.made_otherwise.of_set(set_id) == [], "texts follow"
    service.settings_changed(set_id, values | {"num_beams": 7})
    assert service.made_otherwise.of_set(set_id) == pictures[:2]
    service.save_caption(set_id, pictures[0], "mine", 0)
    assert service.made_otherwise.of_set(set_id) == pictures[1:2]
    service.jobs.start(set_id, pictures[1:2], values | {"num_beams": 7})
    wait_for_job(service, set_id)
    assert service.made_otherwise.of_set(set_id) == []


def test_settings_that_another_tab_changed_come_with_what_changed(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    cursor = service.open_set(set_id)["cursor"]
    assert service.changes(set_id, cursor)["settings"] is None
    values = page_values(service, num_beams=7)
    service.settings_changed(set_id, values)
    told = service.changes(set_id, cursor)
    assert told["settings"]["num_beams"] == 7
    assert service.choices.plan_of(told["settings"]) == service.choices.plan_of(values)
    assert service.changes(set_id, told["cursor"])["settings"] is None
