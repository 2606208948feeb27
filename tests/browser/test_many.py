"""Many pictures at once: selection, undo, filters, sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    count,
    names,
    open_page,
    select,
    states,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser

ALL = ["clear.png", "modern.webp", "plain.png", "turned.jpg", "twin.jpg", "twin.png"]


def _write(page: Any, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        select(page, name)
        page.locator("#cw-editor").fill(text)
    wait_saved(page)


def test_selected_pictures_are_captioned_and_removed_and_come_back(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    select(page, "clear.png")
    page.locator("#cw-grid").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.locator("#cw-caption-selected").click()
    wait_until(lambda: list(states(page).values()).count("generated") == 2, "two are captioned")
    page.locator("#cw-grid").focus()
    page.keyboard.press("Delete")
    wait_until(lambda: count(page) == 4, "two are gone")
    assert names(page) == ALL[2:]
    page.locator("#cw-grid").focus()
    page.keyboard.press("Control+z")
    wait_until(lambda: names(page) == ALL, "they are back")
    assert list(states(page).values()).count("generated") == 2


def test_only_the_empty_ones_are_captioned(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:3])
    button = page.locator("#cw-caption-empty")
    assert button.is_hidden(), "all are empty, and Caption all does it"
    _write(page, {"clear.png": "my own words"})
    wait_until(lambda: button.is_visible() and button.inner_text() == "Caption 2 empty", "it is offered")
    button.click()
    wait_until(lambda: sorted(states(page).values()) == ["edited", "generated", "generated"], "two are captioned")
    assert states(page)["clear.png"] == "edited"
    wait_until(button.is_hidden, "nothing is empty any more")


def test_undo_of_a_setting_moves_its_control_back(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    slider = page.locator("#setting-num_beams input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: (page.locator("#cw-undo").get_attribute("title") or "") == "Undo: Settings", "it can be undone")
    page.locator("#cw-undo").click()
    wait_until(lambda: slider.input_value() == "3", "the slider is back")


def test_the_grid_lists_by_state_and_sorts(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    _write(page, {"plain.png": "short", "twin.jpg": "very much longer"})
    page.locator("#cw-sort").select_option("longest")
    wait_until(lambda: names(page)[:2] == ["twin.jpg", "plain.png"], "the longest come first")
    page.locator("#cw-state").select_option("edited")
    wait_until(lambda: names(page) == ["twin.jpg", "plain.png"], "only edited ones are listed")
    page.locator("#cw-unfilter").click()
    wait_until(lambda: len(names(page)) == 6, "all are back")


def test_a_set_is_named_and_found_again_by_this_browser_only(
    server: AppServer, chromium: Any, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:2])
    page.locator("#cw-sets-open").click()
    page.locator("#cw-rename").fill("My <i>dogs</i>")
    wait_until(lambda: page.title() == "My <i>dogs</i> – Captioner", "it is named")
    page.goto(server.url)
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator("#cw-sets-open").click()
    page.locator(".cw-set", has_text="My <i>dogs</i>").click()
    wait_until(lambda: count(page) == 2, "the set is back")
    stranger = chromium.new_context()
    other = open_page(stranger, server.url)
    other.locator("#cw-sets-open").click()
    other.wait_for_timeout(500)
    assert other.locator(".cw-set").count() == 0
    stranger.close()


def test_a_set_is_deleted_only_when_the_person_says_so(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    page.locator("#cw-sets-open").click()
    assert page.locator("#cw-delete-set").is_hidden(), "there is no set yet"
    page.locator("#cw-sets-open").click()
    add_pictures(page, pictures[:2])
    address = page.url
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.message)
        if len(asked) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", answer)
    page.locator("#cw-sets-open").click()
    page.locator("#cw-delete-set").click()
    question = "Delete this set, 2 pictures with their captions? It waits in the bin of this menu for 30 days."
    assert asked == [question]
    assert count(page) == 2
    page.locator("#cw-delete-set").click()
    page.wait_for_function("location.search === ''")
    page.wait_for_selector(".cw[data-ready=true]")
    page.goto(address)
    page.locator(".cw-gone").wait_for()
    page.goto(address.partition("?")[0])
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator("#cw-sets-open").click()
    page.locator(".cw-binned", has_text="2 pictures, 30 days left").wait_for()
    assert page.locator(".cw-set").count() == 0
    page.locator("[data-bin=restore_set]").click()
    page.locator(".cw-set", has_text="2 pictures").click()
    page.wait_for_selector(".cw[data-ready=true]")
    assert count(page) == 2


def test_removed_pictures_are_deleted_for_good_and_undo_says_so(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:3])
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#cw-grid").focus()
    page.keyboard.press("Delete")
    wait_until(lambda: count(page) == 2, "one is gone")
    page.locator("#cw-sets-open").click()
    page.locator("#cw-set-use", has_text="1 removed picture waits 30 days for an undo").wait_for()
    page.locator("#cw-delete-removed").click()
    page.locator("#cw-delete-removed").wait_for(state="detached")
    page.keyboard.press("Escape")
    page.locator("#cw-undo").click()
    page.locator("#cw-brief", has_text="nothing came back, 1 picture deleted for good").wait_for()
    assert count(page) == 2


def test_the_help_opens_on_a_key_and_closes(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    page.locator("body").press("?")
    assert page.locator("#cw-help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#cw-help").is_hidden()
