"""Where a caption's words come from, the frame around it, and whether it follows the settings: what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    downloaded,
    open_page,
    picture,
    select,
    states,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser

SAID = "a red picture 240 wide under beam"


def _set_text(page: Any, **values: str) -> None:
    page.get_by_role("tab", name="Text").click()
    for name, value in values.items():
        box = page.locator(f"#setting-{name} textarea, #setting-{name} input").first
        box.fill(value)
        box.press("Tab")


def _with_notes(page: Any, pictures: list[Path], **notes: str) -> None:
    """Adds pictures with the captions that lie beside them, by stem."""
    files = [str(picture) for picture in pictures]
    for stem, text in notes.items():
        note = pictures[0].parent / f"{stem}.txt"
        note.write_text(text)
        files.append(str(note))
    page.set_input_files("#cw-files", files)
    wait_until(lambda: len(states(page)) == len(pictures), "all are there")


def test_the_frame_is_shown_beside_the_editor_and_never_alone(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:2])
    select(page, "turned.jpg")
    _set_text(page, prefix="ohwx", suffix="best")
    before, after = page.locator("#cw-frame-before"), page.locator("#cw-frame-after")
    wait_until(lambda: before.is_visible() and after.is_visible(), "both ends are shown")
    assert set(states(page).values()) == {"empty"}
    assert set(downloaded(page).values()) == {"\n"}
    page.locator("#cw-editor").fill("a cat")
    wait_saved(page)
    wait_until(lambda: (before.inner_text(), after.inner_text()) == ("ohwx,", ", best"), "with their commas")
    assert caption(page) == "a cat"
    assert downloaded(page) == {"turned.txt": "ohwx, a cat, best", "clear.txt": "\n"}
    page.locator("#cw-editor").fill("ohwx, a cat")
    wait_saved(page)
    wait_until(before.is_hidden, "the text brings it")
    assert downloaded(page)["turned.txt"] == "ohwx, a cat, best"
    assert "Trigger word" in (before.get_attribute("title") or "")


def test_captions_that_came_along_have_a_state_and_stay_until_captioned(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    _with_notes(page, [pictures[0], pictures[5]], turned="my own")
    assert states(page) == {"turned.jpg": "existing", "plain.png": "empty"}
    page.locator("#cw-state").select_option("existing")
    wait_until(lambda: list(states(page)) == ["turned.jpg"], "it can be listed")
    page.locator("#cw-unfilter").click()
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-existing").get_by_label("Ignore").check()
    wait_until(lambda: "stays until captioned again" in page.locator("#cw-brief").inner_text(), "it is said")
    assert states(page)["turned.jpg"] == "existing"
    assert downloaded(page)["turned.txt"] == "my own"
    page.locator("#cw-caption-all").click()
    assert "1 caption came along" in page.locator("#cw-ask-text").inner_text()
    assert "Undo brings them back" in page.locator("#cw-ask-text").inner_text()
    page.locator("#cw-ask-empty").click()
    wait_until(lambda: states(page)["plain.png"] == "generated", "the empty one is captioned")
    assert states(page)["turned.jpg"] == "existing"
    page.locator("#cw-caption-all").click()
    page.locator("#cw-ask-all").click()
    wait_until(lambda: states(page)["turned.jpg"] == "generated", "now it is replaced")
    page.locator("#cw-undo").click()
    wait_until(lambda: states(page)["turned.jpg"] == "existing", "undo brings it back")


def test_captions_of_other_settings_are_told_and_tried_when_selected(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [pictures[0], pictures[5]])
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    assert page.locator("#cw-otherwise").is_hidden()
    select(page, "plain.png")
    page.locator("#setting-num_beams input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    line = page.locator("#cw-otherwise-text")
    wait_until(lambda: line.inner_text() == "2 captions were made with other settings.", "it is said")
    select(page, "turned.jpg")
    suggested = page.locator("#cw-suggestion-text")
    wait_until(lambda: suggested.is_visible() and suggested.inner_text() == f"{SAID} 4", "it is tried")
    page.locator("#cw-use").click()
    wait_until(lambda: caption(page) == f"{SAID} 4", "it is used")
    wait_until(lambda: line.inner_text() == "1 caption was made with other settings.", "one is left")
    page.locator("#cw-otherwise-again").click()
    made = {"turned.txt": f"{SAID} 4", "plain.txt": "a blue picture 320 wide under beam 4"}
    wait_until(lambda: downloaded(page) == made, "the other one is captioned again")
    wait_until(page.locator("#cw-otherwise").is_hidden, "none is left")
    _set_text(page, prefix="ohwx")
    wait_until(lambda: page.locator("#cw-same").inner_text() == "Same caption with these settings", "it is said")


def test_an_edit_that_a_text_setting_does_not_reach_is_named_and_can_follow(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [pictures[0], pictures[5]])
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    select(page, "turned.jpg")
    page.locator("#cw-editor").fill("a picture")
    wait_saved(page)
    _set_text(page, class_name="picture", subject_name="zwx picture")
    wait_until(lambda: "1 caption follows, 1 edited one does not." in page.locator("#cw-notices").inner_text(), "said")
    page.get_by_role("button", name="Apply there too").click()
    wait_until(lambda: caption(page) == "zwx picture", "it follows")
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == "a picture", "undo takes it back")


def test_pictures_that_failed_are_named_and_listed(
    own_server: AppServer, context: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = open_page(context, own_server.url)
    broken = picture(tmp_path / "a.png", (123, 45, 67))
    content = broken.read_bytes()
    add_pictures(page, [broken, pictures[1], pictures[2], pictures[5]])
    own_server.stop()
    for file in (own_server.folder / "workspace").rglob("*"):
        if file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content:
            file.write_bytes(content[:100])
    own_server.start()  # it remembers no picture
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator("#cw-caption-all").click()
    notices = page.locator("#cw-notices")
    wait_until(lambda: "3 pictures captioned, 1 failed" in notices.inner_text(), "it is told")
    assert "a.png: " in notices.inner_text()
    assert states(page)["a.png"] == "failed"
    page.get_by_role("button", name="Show failed").click()
    wait_until(lambda: list(states(page)) == ["a.png"], "only that one is listed")
    assert page.locator("#cw-error").inner_text().startswith("Failed: ")
