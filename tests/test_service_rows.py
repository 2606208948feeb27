"""Captions as the page shows them: composed anew where something changed, edits and suggestions side by side."""

from __future__ import annotations

from captioner.service.service import Service
from tests.fakes import FakeModel
from tests.service_makers import RED, added, moved, page_values, png, set_with, wait_for_job


def test_a_threshold_changes_stored_captions_without_a_model(service: Service) -> None:
    set_id, pictures = set_with(service, RED, (20, 20, 220))
    service.jobs.start(set_id, None, page_values(service, wd14_on=True))
    wait_for_job(service, set_id)
    before = service.open_set(set_id)
    FakeModel.calls.clear()
    moved(
        service,
        set_id,
        pictures[0],
        page_values(service, wd14_on=True, general_threshold=0.95, character_threshold=0.99),
    )
    after = service.changes(set_id, before["cursor"])
    assert FakeModel.calls == []
    assert {row["caption"] for row in after["rows"]} == {
        "a red picture 40 wide under beam 3",
        "a blue picture 40 wide under beam 3",
    }


def test_removing_the_edit_brings_the_composed_caption_back(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    revision = service.save_caption(set_id, picture, "", 0)["revision"]
    assert service.rows.of_picture(set_id, picture)["caption"] == ""
    row = service.save_caption(set_id, picture, None, revision)["row"]
    assert (row["state"], row["caption"]) == ("generated", "a red picture 40 wide under beam 3")


def test_an_existing_caption_is_kept_and_the_sentence_is_a_suggestion(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "a.png", png(RED), "from a file")
    service.jobs.start(set_id, None, page_values(service))
    wait_for_job(service, set_id)
    row = service.rows.of_picture(set_id, picture)
    assert row["caption"] == "from a file"
    assert row["suggestion"] == "a red picture 40 wide under beam 3"


def test_a_picture_that_nobody_described_is_empty_whatever_the_frame_says(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    moved(service, set_id, picture, page_values(service, prefix="ohwx", suffix="best"))
    row = service.rows.of_picture(set_id, picture)
    assert (row["state"], row["caption"], row["text"]) == ("empty", "", "")
    assert service.token_counts(set_id)["counts"] == {picture: 0}
    row = service.save_caption(set_id, picture, "a cat", 0)["row"]
    assert (row["state"], row["caption"], row["text"]) == ("edited", "ohwx, a cat, best", "a cat")
    assert service.count_tokens("a cat", set_id)["tokens"] == service.token_counts(set_id)["counts"][picture]
    row = service.save_caption(set_id, picture, "", 1)["row"]
    assert (row["state"], row["caption"]) == ("edited", "")


def test_an_edit_that_has_the_frame_already_does_not_get_it_twice(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "ohwx, a cat", 0)
    moved(service, set_id, picture, page_values(service, prefix="ohwx"))
    row = service.rows.of_picture(set_id, picture)
    assert (row["caption"], row["text"]) == ("ohwx, a cat", "ohwx, a cat")


def test_a_bulk_change_acts_on_the_person_s_text_and_not_on_the_frame(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "a cat", 0)
    moved(service, set_id, picture, page_values(service, prefix="cat"))
    shown = service.bulk.preview_bulk(set_id, None, "replace", {"find": "cat", "replacement": "dog"})
    assert [(one["before"], one["after"]) for one in shown["changes"]] == [("a cat", "a dog")]


def test_a_setting_about_existing_captions_acts_when_captioning_and_undo_takes_it_back(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "a.png", png(RED), "from a file")
    said = "a red picture 40 wide under beam 3"

    def stands(policy: str) -> tuple[str, str]:
        moved(service, set_id, picture, page_values(service, existing=policy))
        row = service.rows.of_picture(set_id, picture)
        return row["state"], row["caption"]

    def captioned(policy: str) -> tuple[str, str]:
        assert service.jobs.start(set_id, None, page_values(service, existing=policy))["job"]
        wait_for_job(service, set_id)
        return stands(policy)

    came = ("existing", "from a file")
    assert stands("ignore") == came, "no model saw it yet"
    assert captioned("keep") == came
    for policy in ("ignore", "prepend", "append"):
        assert stands(policy) == came, "it is at rest"
    FakeModel.calls.clear()
    assert captioned("ignore") == ("generated", said)
    assert FakeModel.calls == [], "what the model said is there"
    assert stands("keep") == ("generated", said)
    assert captioned("prepend") == ("generated", f"from a file, {said}")
    assert service.jobs.start(set_id, None, page_values(service, existing="prepend")) == {"job": None}
    service.travel(set_id, is_undo=True)
    assert service.rows.of_picture(set_id, picture)["caption"] == said
