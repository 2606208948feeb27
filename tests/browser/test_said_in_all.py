"""What every caption says: phrases left out, kinds described or left out, contradictions settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.cache import training_scene
from demo.drawing import draw
from tests.browser.conftest import AppServer, add_pictures, count, downloaded, open_page, states, switch_on, wait_until

pytestmark = pytest.mark.browser


def _add(page: Any, folder: Path, captions: dict[str, str]) -> None:
    """Adds a picture with its caption file for each name; scene-1-copy is scene-1, smaller."""
    scenes = {f"scene-{number}": draw(training_scene(5, number)) for number in range(1, 6)}
    for stem, text in captions.items():
        image = scenes[stem.removesuffix("-copy")]
        (image.resize((200, 200)) if stem.endswith("-copy") else image).save(folder / f"{stem}.png")
        (folder / f"{stem}.txt").write_text(text)
    page.set_input_files("#cw-files", sorted(folder.iterdir()))
    wait_until(lambda: count(page) == len(captions), "all are here")


def _open(page: Any) -> None:
    page.locator("#cw-overview-open").click()
    page.locator("#cw-said-open").click()
    page.locator(".cw-said-kind").first.wait_for()


def _told(page: Any) -> str:
    return page.locator("#cw-said-dialog-said").inner_text() or page.locator("#cw-said-dialog-count").inner_text()


def _phrases(page: Any) -> list[str]:
    return page.locator("#cw-said-list .cw-said-text").all_inner_texts()


def test_a_phrase_of_all_captions_is_left_out_in_one_step_and_contradictions_are_settled(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    _add(
        page,
        tmp_path,
        {
            "scene-1": "a woman with long red hair on a red car",
            "scene-1-copy": "a woman with long red hair on a blue car",
            "scene-2": "a woman with long red hair on grass, <b>solo</b>",
            "scene-3": "a woman with long red hair in a park with a hat, 1girl, short hair",
        },
    )
    _open(page)
    assert _phrases(page) == ["woman with long red hair"]
    assert page.locator("#cw-said-near .cw-said-text").all_inner_texts() == ["blue car or red car?"]
    assert page.locator("#cw-said-tags .cw-said-text").all_inner_texts() == ["short hair and in the sentence long hair"]

    page.get_by_role("button", name="Leave out “red car”").click()
    wait_until(lambda: _told(page) == "1 caption changes and becomes an edit.", "its count is said first")
    assert page.locator("#cw-said-dialog-examples del").inner_text() == "on a red car"
    page.locator("#cw-said-dialog-apply").click()
    wait_until(lambda: page.locator(".cw-said-card").count() == 0, "they agree")
    assert downloaded(page)["scene-1.txt"] == "a woman with long red hair"

    page.get_by_role("button", name="Remove “short hair”").click()
    page.locator("#cw-said-dialog-apply:enabled").click()
    wait_until(lambda: "No tag contradicts" in page.locator("#cw-said-tags").inner_text(), "the tag is gone")

    # A phrase of all captions by keyboard: Enter asks, Enter does.
    page.locator("#cw-said-list").get_by_role("button", name="Replace").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("ohwx")
    wait_until(lambda: "4 captions change" in _told(page), "its count is said first")
    page.keyboard.press("Enter")
    wait_until(lambda: _phrases(page) == ["ohwx"], "the list follows")
    assert downloaded(page)["scene-2.txt"] == "ohwx on grass, <b>solo</b>"
    page.locator("#cw-said-dialog-undo").click()
    wait_until(lambda: _phrases(page) == ["woman with long red hair"], "one undo takes it back")


def test_a_kind_is_left_out_by_its_switch_and_described_again(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[2:])
    switch_on(page, "wd14")
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all have captions")
    page.locator("#cw-editor").fill("a woman with long hair")
    wait_until(lambda: "edited" in states(page).values(), "one is an edit")
    _open(page)
    row = page.locator(".cw-said-kind", has_text="Hair")
    assert row.locator(".cw-said-count").inner_text() == "4 of 4"
    row.get_by_role("button", name="Leave out").click()
    wait_until(lambda: "3 generated captions read otherwise" in _told(page), "what it does is said first")
    assert "1 other stays as you have it" in _told(page)
    page.locator("#cw-said-dialog-apply").click()
    question = page.locator("#cw-said-dialog-what", has_text="Leave it out there too?")
    question.wait_for()
    wait_until(lambda: _told(page) == "1 caption changes.", "the edit is asked about")
    page.locator("#cw-said-dialog-apply").click()
    wait_until(lambda: "nothing is said of it" in row.inner_text(), "no caption says it")
    assert row.get_by_role("button", name="Leave out").get_attribute("aria-pressed") == "true"
    assert not any("hair" in text for text in downloaded(page).values())
    assert "a woman" in downloaded(page).values()

    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Text").click()
    page.locator("#more-recipe > button").click()
    wait_until(
        lambda: page.locator("#setting-leave_out textarea, #setting-leave_out input").first.input_value() == "hair",
        "the setting shows it",
    )
    _open(page)
    row.get_by_role("button", name="Describe").click()
    page.locator("#cw-said-dialog-apply:enabled").click()
    wait_until(lambda: row.locator(".cw-said-count").count() == 1, "it is described again")
    assert sum("long hair" in text for text in downloaded(page).values()) == 3
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == "Undo: Describe hair", "it is one step")
