"""Bulk changes of a set: what they know of it beside the captions that they change."""

from __future__ import annotations

from typing import Any

import pytest

from captioner.errors import CaptionerError, SettingsError
from captioner.service.bulk_previews import BulkPreview, BulkPreviews, PreviewGone
from captioner.service.service import Service
from tests.service_makers import RED, added, moved, page_values, png, set_with, wait_for_job

BLUE = (20, 20, 220)


def _after(service: Service, set_id: str, operation: str, ids: list[str] | None = None, **values: Any) -> list[str]:
    changes = service.bulk.preview_bulk(set_id, ids, operation, values)["changes"]
    return [change["after"] for change in changes]


def test_tags_are_sorted_by_what_the_set_says_and_by_what_models_said(service: Service) -> None:
    set_id, [first, second] = set_with(service, RED, BLUE)
    service.jobs.start(set_id, None, page_values(service, wd14_on=True, general_threshold=0.1))
    wait_for_job(service, set_id)
    said = "a red picture 40 wide under beam 3"
    assert service.rows.of_picture(set_id, first)["text"].startswith(f"{said}, ")
    service.save_caption(set_id, first, f"mine, {said}, long hair, new, nami (one piece), red background", 0)
    service.save_caption(set_id, second, "new, new", 0)
    by_score = _after(service, set_id, "sort", [first], by="score")
    assert by_score == [f"mine, {said}, nami (one piece), red background, long hair, new"]
    by_frequency = _after(service, set_id, "sort", [first], by="frequency")
    assert by_frequency == [f"mine, {said}, new, long hair, nami (one piece), red background"]
    assert _after(service, set_id, "underscores", [first], to="underscores") == [
        f"mine, {said}, long_hair, new, nami_(one_piece), red_background"
    ]


def test_a_trimmed_caption_has_room_for_its_frame(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "cat, sky, sea", 0)
    assert _after(service, set_id, "trim", limit=5) == []
    moved(service, set_id, picture, page_values(service, prefix="cat on"))
    assert _after(service, set_id, "trim", limit=5) == ["cat"]


def test_a_caption_is_copied_from_a_picture_of_the_set(service: Service) -> None:
    set_id = service.new_set()["set"]
    source = added(service, set_id, "a.png", png(RED), "brought along")
    other = added(service, set_id, "b.png", png(BLUE))
    assert _after(service, set_id, "copy", source=source) == ["brought along"]
    with pytest.raises(SettingsError, match="the picture to copy from has no caption"):
        _after(service, set_id, "copy", source=other)
    with pytest.raises(CaptionerError):
        _after(service, set_id, "copy", source="nobody")


def test_word_diffs_are_plain_lists(service: Service) -> None:
    pairs = [{"before": "a cat", "after": "a dog"}]
    assert service.bulk.word_diffs(pairs) == {"diffs": [[("same", "a"), ("gone", " cat"), ("come", " dog")]]}


def test_what_was_shown_is_done_but_for_pictures_that_were_left_out(service: Service) -> None:
    set_id, pictures = set_with(service, RED, BLUE)
    for picture in pictures:
        service.save_caption(set_id, picture, "a cat", 0)
    shown = service.bulk.preview_bulk(set_id, None, "affix", {"text": "sks "})
    assert service.bulk.apply_bulk(set_id, shown["preview"], [pictures[0]]) == {"ok": True, "changed": 1}
    assert [service.rows.of_picture(set_id, picture)["text"] for picture in pictures] == ["a cat", "sks a cat"]


def test_a_preview_is_done_once_and_in_its_own_set_alone(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    other, _ = set_with(service, RED)
    service.save_caption(set_id, picture, "a cat", 0)
    name = service.bulk.preview_bulk(set_id, None, "affix", {"text": "sks "})["preview"]
    with pytest.raises(PreviewGone):
        service.bulk.apply_bulk(other, name)
    assert service.bulk.apply_bulk(set_id, name)["ok"]
    with pytest.raises(PreviewGone, match="looked at too long ago"):
        service.bulk.apply_bulk(set_id, name)
    assert service.rows.of_picture(set_id, picture)["text"] == "sks a cat"


def test_the_oldest_previews_go_where_all_take_more_than_their_room() -> None:
    previews = BulkPreviews(max_letters=100)
    names = [previews.keep("set", BulkPreview(f"{number}", {"id": "x" * 38}, {"id": 0})) for number in range(4)]
    for name in names[:2]:
        with pytest.raises(PreviewGone):
            previews.take("set", name)
    assert [previews.take("set", name).label for name in names[2:]] == ["2", "3"]
    alone = previews.keep("set", BulkPreview("long", {"id": "x" * 1_000}, {"id": 0}))
    assert previews.take("set", alone).label == "long"
    names = [previews.keep("set", BulkPreview(f"{number}", {"id": "x" * 38}, {"id": 0})) for number in range(2)]
    assert [previews.take("set", name).label for name in names] == ["0", "1"], "what was taken takes no room"
