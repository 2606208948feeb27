"""The reviewer's mark as the page sets it, and which new captions take it away."""

from __future__ import annotations

import pytest

from captioner.errors import UnknownPicture
from captioner.service.service import Service
from captioner.ui.script_functions import script_functions
from tests.service_makers import RED, added, moved, page_values, png, set_with, wait_for_job

BLUE = (20, 20, 220)


def _captioned(service: Service, set_id: str, **changes: object) -> None:
    assert service.jobs.start(set_id, None, page_values(service, **changes))["job"]
    wait_for_job(service, set_id)


def _marks(service: Service, set_id: str) -> list[bool]:
    return [row["is_reviewed"] for row in service.open_set(set_id)["rows"]]


def test_pictures_are_marked_and_undone_by_name(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    rows = service.reviews.mark(set_id, ids[:1], is_reviewed=True)["rows"]
    assert [(row["id"], row["is_reviewed"]) for row in rows] == [(ids[0], True)]
    assert len(service.reviews.mark(set_id, ids, is_reviewed=True)["rows"]) == 2
    assert service.changes(set_id, -1)["undo"] == "Reviewed: 2 pictures"
    service.travel(set_id, is_undo=True)
    assert _marks(service, set_id) == [True, False]
    with pytest.raises(UnknownPicture):
        service.reviews.mark(set_id, ["nobody"], is_reviewed=True)


def test_captioning_again_takes_the_mark_from_what_reads_otherwise_now(service: Service) -> None:
    set_id, ids = set_with(service, RED, BLUE)
    _captioned(service, set_id)
    service.save_caption(set_id, ids[1], "mine", 0)
    service.reviews.mark(set_id, ids, is_reviewed=True)
    _captioned(service, set_id, num_beams=5)
    assert _marks(service, set_id) == [False, True], "the edit is as it was"
    service.travel(set_id, is_undo=True)
    assert _marks(service, set_id) == [True, True]


def test_captioning_again_with_the_same_words_keeps_the_mark(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    _captioned(service, set_id)
    service.reviews.mark(set_id, ids, is_reviewed=True)
    _captioned(service, set_id, wd14_on=True, general_threshold=0.99, character_threshold=0.99)
    assert _marks(service, set_id) == [True]


def test_a_caption_that_came_along_stays_reviewed_while_it_stays(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "a.png", png(RED), "from a file")
    service.reviews.mark(set_id, [picture], is_reviewed=True)
    _captioned(service, set_id)
    assert _marks(service, set_id) == [True], "what the model says is a suggestion"
    _captioned(service, set_id, existing="ignore")
    assert _marks(service, set_id) == [False]


def test_settings_of_the_text_and_use_keep_the_mark(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    _captioned(service, set_id)
    service.reviews.mark(set_id, ids, is_reviewed=True)
    values = page_values(service, prefix="ohwx", num_beams=5)
    seen = moved(service, set_id, ids[0], values)["text"]
    assert service.use_preview(set_id, ids[0], values, seen, 0)["ok"]
    assert _marks(service, set_id) == [True]


def test_a_program_s_new_caption_takes_the_mark_away(service: Service) -> None:
    set_id, ids = set_with(service, RED)
    service.reviews.mark(set_id, ids, is_reviewed=True)
    service.live.caption_one(set_id, ids[0], service.choices.stored_plan(set_id))
    assert _marks(service, set_id) == [False]


def test_what_the_page_sends_is_checked(service: Service) -> None:
    function = next(one for one in script_functions(service) if one.__name__ == "mark_reviewed")
    set_id, ids = set_with(service, RED)
    assert "error" in function({"set": set_id, "ids": "all", "is_reviewed": True})
    assert "error" in function({"set": set_id, "ids": ids, "is_reviewed": "yes"})
    assert function({"set": set_id, "ids": ids, "is_reviewed": True})["rows"][0]["is_reviewed"]
