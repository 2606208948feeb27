"""One change to many captions: by keyboard alone, row by row, of the selection, and what cannot be done."""

from __future__ import annotations

import re
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
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser

TYPOS = 37
MOST_KEYS = 12
FOCUS = "document.activeElement.id || document.activeElement.name"


def _said(page: Any) -> str:
    return str(page.locator("#cw-bulk-message").text_content() or "")


def _texts(page: Any) -> list[str]:
    """The captions as they are exported, in order of their names."""
    return [text.strip() for _, text in sorted(downloaded(page).items())]


def _with_captions(page: Any, folder: Path, *texts: str) -> None:
    """Adds a picture a text, with the text beside it."""
    folder.mkdir(exist_ok=True)
    files = []
    for number, text in enumerate(texts, 1):
        files.append(picture(folder / f"{number:02}.png", (number, 90, 200 - number), size=(40, 30)))
        (folder / f"{number:02}.txt").write_text(text)
    page.set_input_files("#cw-files", [str(path) for path in sorted(folder.iterdir())])
    wait_until(lambda: page.locator("#cw-count").text_content() == f"{len(texts)} pictures", "all are listed", 60)


def test_a_typo_in_many_captions_is_mended_by_a_few_keys(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    _with_captions(page, tmp_path / "set", *["a hosue, sky"] * TYPOS, "a house", "a tree, Hosue", "sky")
    page.locator("#cw-grid").focus()
    keys: list[str] = []

    def press(key: str) -> None:
        keys.append(key)
        page.keyboard.press(key)

    press("Control+h")
    assert page.evaluate(FOCUS) == "find"
    page.keyboard.type("hosue")
    press("Enter")
    assert page.evaluate(FOCUS) == "replacement"
    page.keyboard.type("house")
    press("Enter")
    wait_until(lambda: page.evaluate(FOCUS) == "cw-bulk-apply", "Enter went on to the button")
    assert _said(page).startswith(f"{TYPOS + 1} of 40 captions would change; {TYPOS + 1} of them become edits.")
    press("Enter")
    wait_until(page.locator("#cw-bulk").is_hidden, "it is done")
    assert page.evaluate(FOCUS) == "cw-grid"
    assert len(keys) <= MOST_KEYS
    assert _texts(page) == ["a house, sky"] * TYPOS + ["a house", "a tree, house", "sky"]


def test_what_would_change_is_shown_row_by_row_and_what_is_not_ticked_stays(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    long = "a very long caption of a garden with a wall and a gate and a tree in it"
    _with_captions(page, tmp_path / "set", "a cat, sky", f"{long}, cat", "my cat", "a dog")
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=find]").fill("cat")
    page.locator("#cw-bulk [name=replacement]").fill("<b>fox</b>")
    rows = page.locator(".cw-change")
    wait_until(lambda: rows.count() == 3, "it is shown")
    assert rows.locator("ins").all_inner_texts() == ["<b>fox</b>"] * 3
    assert rows.nth(0).locator("span").inner_text() == "a cat <b>fox</b>, sky"
    assert rows.nth(1).locator("span").inner_text() == "… a wall and a gate and a tree in it, cat <b>fox</b>"
    wait_until(lambda: rows.nth(0).locator("img").evaluate("image => image.naturalWidth") > 0, "thumbnails are there")
    page.locator("#cw-bulk-all").focus()
    page.keyboard.press("Space")
    assert page.locator("#cw-bulk-apply").is_disabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert page.locator("#cw-bulk-apply").inner_text() == "Change 2"
    assert "2 are ticked" in _said(page)
    page.locator("#cw-bulk-apply").click()
    select(page, "01.png")
    wait_until(lambda: caption(page) == "a <b>fox</b>, sky", "the caption is changed")
    assert _texts(page)[1:3] == [f"{long}, cat", "my <b>fox</b>"]
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == "a cat, sky", "it is changed back")
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator("#cw-redo").click()
    select(page, "03.png")
    wait_until(lambda: caption(page) == "my <b>fox</b>", "it is done again, after a reload too")


def test_the_selection_is_changed_copied_to_and_cleared(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    _with_captions(page, tmp_path / "set", "one", "two", "three, red_sky, Red Sky, ^_^", "four")
    select(page, "02.png")
    for name in ("03.png", "04.png"):
        page.locator(f'.cw-cell[aria-label^="{name}"]').click(modifiers=["Control"])
    assert page.locator("#cw-unselect").inner_text() == "Unselect"

    def change(operation: str, button: str) -> None:
        page.locator("#cw-bulk-selected").click()
        page.locator("#cw-bulk [name=operation]").select_option(operation)
        assert page.locator("#cw-bulk [name=scope]").input_value() == "selected"
        wait_until(lambda: page.locator("#cw-bulk-apply").inner_text() == button, f"{operation} is shown")

    change("duplicates", "Change 1")
    page.locator("#cw-bulk-apply").click()
    change("underscores", "Change 1")
    assert page.locator(".cw-change span").inner_text() == "three, red_sky red sky, ^_^"
    page.keyboard.press("Escape")
    change("copy", "Replace 2")
    assert page.locator(".cw-bulk-source").inner_text().split() == ["02.png", "two"]
    page.locator("#cw-bulk-apply").click()
    wait_until(lambda: _texts(page) == ["one", "two", "two", "two"], "it is copied")
    change("clear", "Clear 2")
    red, green, blue = page.locator("#cw-bulk-apply").evaluate(
        "button => getComputedStyle(button).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert red > 2 * max(green, blue)
    page.locator("#cw-bulk-apply").click()
    wait_until(lambda: _texts(page) == ["one", "two", "", ""], "they are cleared")
    change("sort", "Change")
    page.locator("#cw-bulk [name=count]").wait_for(state="hidden")
    page.locator("#cw-bulk [name=front]").select_option("count")
    page.locator("#cw-bulk [name=count]").fill("1000")
    wait_until(lambda: "100" in _said(page), "what is out of range is told")


def test_what_changed_since_it_was_shown_is_shown_anew_before_anything_is_done(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    _with_captions(page, tmp_path / "set", "a cat", "a dog")
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=operation]").select_option("affix")
    page.locator("#cw-bulk [name=text]").fill("sks ")
    apply = page.locator("#cw-bulk-apply")
    wait_until(lambda: apply.inner_text() == "Change 2", "it is shown")

    other = open_page(context, page.url)
    select(other, "02.png")
    other.locator("#cw-editor").fill("a fox")
    wait_saved(other)
    other.close()
    apply.click()
    wait_until(lambda: "1 caption was edited meanwhile. Now 2 of 2 captions" in _said(page), "it is shown anew")
    wait_until(lambda: page.locator(".cw-change").nth(1).inner_text().endswith("sks a fox"), "with the newer text")

    def of_another_day(route: Any) -> None:
        asked = route.request.post_data or ""
        route.continue_(post_data=re.sub(r'("preview":\s*")[^"]+', r"\1gone", asked))

    page.route("**/component_server/**", of_another_day)
    apply.click()
    wait_until(lambda: "looked at too long ago. Now 2 of 2 captions" in _said(page), "it is shown anew")
    page.unroute("**/component_server/**")
    wait_until(lambda: apply.inner_text() == "Change 2", "it can be done")
    apply.click()
    wait_until(lambda: _texts(page) == ["sks a cat", "sks a fox"], "it is done")


def test_a_bad_pattern_is_told_in_the_dialog(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / "1.png", (1, 2, 3))])
    page.locator("#cw-editor").fill("a cat")
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=how]").select_option("pattern")
    page.locator("#cw-bulk [name=find]").fill("(")
    wait_until(lambda: "no regular expression" in _said(page), "it is told")
    wait_saved(page)
    assert page.locator("#cw-bulk-apply").is_disabled()
    page.keyboard.press("Escape")
    assert page.locator("#cw-bulk").is_hidden()
