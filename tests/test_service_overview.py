"""A set at a glance: tags and words, what contradicts and what is implied, and near-equal pictures."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from captioner.service.service import Service
from demo.cache import training_scene
from demo.drawing import draw
from tests.service_makers import RED, added, moved, page_values, png, set_with, wait_for_job


def _found(answer: dict[str, Any], name: str) -> dict[Any, list[int]]:
    return {tuple(key) if isinstance(key, list) else key: places for key, places in answer[name]}


def test_sentences_are_counted_by_their_words_and_tags_as_they_are(service: Service) -> None:
    set_id, pictures = set_with(service, RED, (20, 20, 220))
    service.jobs.start(set_id, None, page_values(service, wd14_on=True))
    wait_for_job(service, set_id)
    answer = service.overview.of_set(set_id)
    assert answer["ids"] == pictures
    assert _found(answer, "words") == {"picture": [0, 1], "wide": [0, 1], "beam": [0, 1], "red": [0], "blue": [1]}
    tags = _found(answer, "tags")
    assert tags["long hair"] == [0, 1]
    assert tags["red background"] == [0]
    assert "a red picture 40 wide under beam 3" not in tags


def test_a_short_sentence_of_the_captioner_stays_one_in_an_edit(service: Service) -> None:
    set_id, [picture] = set_with(service, RED)
    service.jobs.start(
        set_id, None, page_values(service, replace_text="a red picture 40 wide under beam 3 -> red fish")
    )
    wait_for_job(service, set_id)
    row = service.rows.of_picture(set_id, picture)
    assert row["text"] == "red fish"
    assert _found(service.overview.of_set(set_id), "tags") == {}
    service.save_caption(set_id, picture, "red fish, Sky, sky", row["revision"])
    answer = service.overview.of_set(set_id)
    assert _found(answer, "tags") == {"Sky": [0]}
    assert _found(answer, "words") == {"fish": [0], "red": [0]}


def test_what_contradicts_and_what_is_implied_is_found_in_each_caption(service: Service) -> None:
    set_id = service.new_set()["set"]
    added(service, set_id, "a.png", png(RED), "1girl, 2girls, day")
    added(service, set_id, "b.png", png((20, 20, 220)), "night, Long_Hair, hair")
    added(service, set_id, "c.png", png((20, 220, 20)), "1girl, 2girls, long hair, hair")
    answer = service.overview.of_set(set_id)
    assert answer["contradictions"] == [[("1girl", "2girls"), [0, 2]]]
    assert answer["implied"] == [[("long hair", "hair"), [1, 2]]]
    found = service.bulk.preview_bulk(set_id, None, "implied", {})
    assert [change["after"] for change in found["changes"]] == ["night, Long_Hair", "1girl, 2girls, long hair"]


def test_pictures_without_the_trigger_word_are_those_whose_text_lacks_it(service: Service) -> None:
    set_id, pictures = set_with(service, RED, (20, 20, 220))
    service.save_caption(set_id, pictures[0], "a cat", 0)
    assert service.overview.of_set(set_id)["trigger"] == ""
    moved(service, set_id, pictures[0], page_values(service, prefix="ohwx, "))
    answer = service.overview.of_set(set_id)
    assert (answer["trigger"], answer["without_trigger"]) == ("ohwx", [1])


def test_near_equal_pictures_are_grouped_with_the_largest_first(service: Service) -> None:
    set_id = service.new_set()["set"]
    scene, other = draw(training_scene(5, 0)), draw(training_scene(5, 1))
    ids = [added(service, set_id, f"{place}.png", _png(image)) for place, image in enumerate([scene, other])]
    large = added(service, set_id, "large.png", _png(scene.resize((512, 512))))
    assert service.near_equal.of_set(set_id) == {"waiting": 0, "unreadable": 0, "groups": [[large, ids[0]]]}
    service.remove_pictures(set_id, [ids[0]])
    assert service.near_equal.of_set(set_id)["groups"] == []


def test_pictures_that_nobody_looked_at_yet_are_waited_for(service: Service, monkeypatch: Any) -> None:
    set_id, _ = set_with(service, RED, RED)
    with service.workspace._database.write() as db:
        db.execute("UPDATE pictures SET likeness = ''")
    monkeypatch.setattr("captioner.service.near_equal.WORK_S", 0.0)
    assert service.near_equal.of_set(set_id) == {"waiting": 2, "unreadable": 0, "groups": []}
    monkeypatch.undo()
    assert len(service.near_equal.of_set(set_id)["groups"][0]) == 2


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
