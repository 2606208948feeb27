"""The set at a glance: what is counted, what a click lists, and what can be done with a tag everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.cache import training_scene
from demo.drawing import draw
from tests.browser.conftest import AppServer, count, downloaded, names, open_page, select, wait_saved, wait_until

pytestmark = pytest.mark.browser


def _add(page: Any, folder: Path, captions: dict[str, str]) -> None:
    """Adds a picture with its caption file for each name; scene-1-copy is scene-1, smaller and as a JPEG."""
    scenes = {f"scene-{number}": draw(training_scene(5, number)) for number in range(1, 6)}
    for stem, text in captions.items():
        if stem.endswith("-copy"):
            scenes[stem.removesuffix("-copy")].resize((200, 200)).save(folder / f"{stem}.jpg")
        else:
            scenes[stem].save(folder / f"{stem}.png")
        (folder / f"{stem}.txt").write_text(text)
    page.set_input_files("#cw-files", sorted(folder.iterdir()))
    wait_until(lambda: count(page) == len(captions), "all are here")


def _tags(page: Any) -> list[str]:
    return [text.split("\n")[0] for text in page.locator("#cw-tag-list .cw-bar-row").all_inner_texts()]


def _said(page: Any) -> str:
    return page.locator("#cw-overview-said").inner_text() or page.locator("#cw-overview-count").inner_text()


def test_a_misspelt_tag_is_found_renamed_everywhere_and_the_near_equal_are_listed(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    _add(
        page,
        tmp_path,
        {
            "scene-1": "a woman stands in front of a tree, portrait, day",
            "scene-1-copy": "a woman stands in front of a tree, portrait, day",
            "scene-2": "Potrait, <b>day</b>, night, day",
            "scene-3": "portrait, long hair, long blonde hair",
            "scene-4": "cat " * 80,
        },
    )
    page.locator("#cw-overview-open").click()
    page.wait_for_selector(".cw-figure")
    assert page.locator(".cw-figure").all_inner_texts()[:5] == [
        "5 pictures",
        "0 without a caption",
        "1 over 75 tokens",
        "2 with a caption that another has too",
        "5 brought along",
    ]
    assert _tags(page)[:2] == ["day", "portrait"], "the sentence is no tag"
    assert "woman" in page.locator("#cw-word-list").inner_text()
    assert page.locator("#cw-clash-list .cw-bar-name").all_inner_texts() == ["day – night"]
    assert page.locator("#cw-implied-list .cw-bar-name").all_inner_texts() == ["long blonde hair → long hair"]

    # By keyboard alone: the search has the focus.
    page.keyboard.type("rait")
    page.locator("#cw-overview-order").select_option("rare")
    wait_until(lambda: _tags(page) == ["Potrait", "portrait"], "rare ones come first")
    page.locator("#cw-overview-search").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("F2")
    page.keyboard.type("portrait")
    wait_until(lambda: _said(page) == "1 caption changes and becomes an edit.", "its count is said first")
    page.keyboard.press("Enter")
    wait_until(lambda: _said(page) == "1 caption changed.", "it is done")
    wait_until(lambda: _tags(page) == ["portrait"], "the list follows")
    assert downloaded(page)["scene-2.txt"] == "portrait, <b>day</b>, night, day"
    page.locator("#cw-overview-undo").click()
    wait_until(lambda: _tags(page) == ["Potrait", "portrait"], "it is taken back")

    page.locator("#cw-implied-remove").click()
    wait_until(lambda: _said(page) == "1 caption changes and becomes an edit.", "its count is said first")
    page.locator("#cw-overview-apply").click()
    wait_until(lambda: page.locator("#cw-implied-list").is_hidden(), "nothing is implied any more")
    assert downloaded(page)["scene-3.txt"] == "portrait, long blonde hair"

    group = page.locator(".cw-near-group")
    group.get_by_role("button", name="Compare captions").click()
    assert group.locator("figcaption b").all_inner_texts() == ["scene-1.png", "scene-1-copy.jpg"]
    group.get_by_role("button", name="Keep scene-1-copy.jpg").click()
    group.get_by_role("button", name="Remove the other, keep scene-1-copy.jpg").click()
    wait_until(lambda: count(page) == 4, "the other one is gone")
    page.locator("#cw-overview-undo").click()
    wait_until(lambda: count(page) == 5, "it is back")
    group.get_by_role("button", name="List these 2").click()
    wait_until(lambda: sorted(names(page)) == ["scene-1-copy.jpg", "scene-1.png"], "they are listed")
    assert "near-equal" in (page.locator("#cw-unfilter").text_content() or "")

    page.locator("#cw-overview-open").click()
    page.locator("rect.cw-over").click()
    wait_until(lambda: names(page) == ["scene-4.png"], "the long one is listed")


def test_a_tag_s_menu_ignores_it_in_the_set_and_a_long_list_scrolls(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    many = ", ".join(f"t{number}" for number in range(1_500))
    _add(page, tmp_path, {"scene-1": many, "scene-2": "t7, rare"})
    page.locator("#cw-overview-open").click()
    wait_until(lambda: _tags(page)[:1] == ["t7"], "the frequent one is first")
    assert len(_tags(page)) < 60, "only the rows in sight exist"
    page.locator("#cw-overview-search").press("ArrowDown")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.title") == "t1499"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Ignore in the whole set").click()
    wait_until(lambda: "0 generated captions leave it out" in _said(page), "its count is said first")
    page.locator("#cw-overview-apply").click()
    wait_until(lambda: "on the ignore list" in _said(page), "it is done")
    wait_until(lambda: "Ignore t7" in (page.locator("#cw-undo").get_attribute("title") or ""), "one undo takes it back")


def test_a_change_of_captions_that_were_edited_meanwhile_is_counted_anew(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    _add(page, tmp_path, {"scene-1": "potrait, day", "scene-2": "potrait, night"})
    page.locator("#cw-overview-open").click()
    wait_until(lambda: "potrait" in _tags(page), "the tags are listed")
    page.locator("#cw-overview-search").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("F2")
    page.keyboard.type("portrait")
    wait_until(lambda: _said(page) == "2 captions change, 2 become edits.", "its count is said first")

    other = open_page(context, page.url)
    select(other, "scene-2.png")
    other.locator("#cw-editor").fill("night")
    wait_saved(other)
    other.close()
    page.locator("#cw-overview-apply").click()
    again = "Nothing was changed. 1 caption was edited meanwhile. Now 1 caption changes and becomes an edit."
    wait_until(lambda: _said(page) == again, "it is counted anew")
    page.locator("#cw-overview-apply").click()
    wait_until(lambda: _said(page) == "1 caption changed.", "it is done")
    assert downloaded(page) == {"scene-1.txt": "portrait, day", "scene-2.txt": "night"}
