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
