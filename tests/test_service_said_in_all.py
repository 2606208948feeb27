"""What every caption of a set says, kinds that are left out, and contradictions, as the page asks for them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from captioner.errors import SettingsError
from captioner.service.service import Service
from demo.cache import training_scene
from demo.drawing import draw
from tests.service_makers import RED, added, page_values, png, set_with, wait_for_job

COLOURS = (RED, (20, 20, 220), (20, 220, 20))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _kind(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(kind for kind in answer["kinds"] if kind["kind"] == name)


def _captioned(service: Service, **changes: Any) -> tuple[str, list[str]]:
    set_id, pictures = set_with(service, *COLOURS)
    service.jobs.start(set_id, None, page_values(service, wd14_on=True, **changes))
    wait_for_job(service, set_id)
    return set_id, pictures


def test_an_empty_set_says_nothing(service: Service) -> None:
    answer = service.said_in_all.of_set(service.new_set()["set"])
    assert (answer["said"], answer["phrases"], answer["neighbours"], answer["tags"]) == (0, [], [], [])
    assert all(kind["places"] == [] and not kind["is_left_out"] for kind in answer["kinds"])


def test_phrases_and_kinds_are_told_with_their_pictures(service: Service) -> None:
    set_id, pictures = _captioned(service)
    answer = service.said_in_all.of_set(set_id)
    assert (answer["ids"], answer["said"]) == (pictures, 3)
    assert {"text": "long hair", "places": [0, 1, 2]} in answer["phrases"]
    assert _kind(answer, "hair")["phrases"] == [["long hair", 3], ["hair", 3]]
    assert _kind(answer, "background")["places"] == [0, 1, 2]


def test_a_kind_is_left_out_of_generated_captions_as_one_step_and_edits_stay(service: Service) -> None:
    set_id, pictures = _captioned(service)
    service.save_caption(set_id, pictures[0], "a woman with long hair", 0)
    preview = service.said_in_all.preview_left_out(set_id, ["hair"])
    assert (preview["changed"], preview["edits"]) == (2, [pictures[0]])
    assert "long hair" in preview["examples"][0]["before"]
    assert "long hair" not in preview["examples"][0]["after"]
    assert "long hair" in service.rows.of_picture(set_id, pictures[1])["text"], "a preview changes nothing"

    assert service.said_in_all.leave_out(set_id, ["hair"], None) == {"leave_out": "hair"}
    rows = [service.rows.of_picture(set_id, picture)["text"] for picture in pictures]
    assert rows[0] == "a woman with long hair"
    assert rows[1] == preview["examples"][0]["after"]
    assert _kind(service.said_in_all.of_set(set_id), "hair")["is_left_out"]
    assert service.apply_to_edits(set_id) == {"changed": 1}
    assert service.rows.of_picture(set_id, pictures[0])["text"] == "a woman"
    service.travel(set_id, is_undo=True)
    assert service.travel(set_id, is_undo=True) == {
        "label": "Leave out hair",
        "has_settings": True,
        "gone": 0,
        "is_changed": True,
    }
    assert "long hair" in service.rows.of_picture(set_id, pictures[1])["text"]


def test_a_kind_is_described_again(service: Service) -> None:
    set_id, pictures = _captioned(service, leave_out="hair, background")
    assert "hair" not in service.rows.of_picture(set_id, pictures[0])["text"]
    preview = service.said_in_all.preview_left_out(set_id, ["background"])
    assert (preview["changed"], preview["edits"]) == (3, [])
    service.said_in_all.leave_out(set_id, ["background"], None)
    assert "long hair" in service.rows.of_picture(set_id, pictures[0])["text"]
    assert service.open_set(set_id)["undo"] == "Describe hair"


def test_a_kind_that_nobody_knows_is_refused(service: Service) -> None:
    set_id, _ = set_with(service, RED)
    for ask in (
        service.said_in_all.preview_left_out,
        lambda one, kinds: service.said_in_all.leave_out(one, kinds, None),
    ):
        with pytest.raises(SettingsError, match="kinds has 'shoes'; the kinds are hair, eyes"):
            ask(set_id, ["shoes"])
    with pytest.raises(SettingsError, match="leave_out names 'shoes'"):
        service.choices.plan_of_flat({"leave_out": "hair, shoes"})


def test_captions_of_near_equal_pictures_that_contradict_each_other_are_found(service: Service) -> None:
    set_id = service.new_set()["set"]
    scene, other = draw(training_scene(5, 0)), draw(training_scene(5, 1))
    added(service, set_id, "a.png", _png(scene), "a red car on a street")
    added(service, set_id, "b.png", _png(other), "a green car on a street")
    added(service, set_id, "c.png", _png(scene.resize((512, 512))), "a blue car on a street")
    answer = service.said_in_all.of_set(set_id)
    assert answer["neighbours"] == [{"group": [2, 0], "pair": ["blue car", "red car"], "places": [[2], [0]]}]


def test_tags_that_contradict_the_sentence_are_found_and_left_out_in_one_step(service: Service) -> None:
    set_id = service.new_set()["set"]
    picture = added(service, set_id, "a.png", png(RED), "a woman with short black hair in a park, 1girl, long hair")
    answer = service.said_in_all.of_set(set_id)
    assert answer["tags"] == [{"pair": ["long hair", "short hair"], "places": [0]}]
    found = service.bulk.preview_bulk(set_id, [picture], "strip", {"phrase": "short black hair"})
    assert [change["after"] for change in found["changes"]] == ["a woman in a park, 1girl, long hair"]
    found = service.bulk.preview_bulk(set_id, [picture], "kinds", {"hair": True})
    assert [change["after"] for change in found["changes"]] == ["a woman in a park, 1girl"]
