"""Finding settings: a search on the set's pictures, its chart and table, a proposal taken, the length fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.browser.conftest import AppServer, add_pictures, open_page, wait_until

pytestmark = pytest.mark.browser

COUNT = 12


def _add(page: Any, folder: Path) -> None:
    files = [folder / f"{number}.png" for number in range(COUNT)]
    for number, file in enumerate(files):
        draw(scene_from_seed(4, number)).save(file)
    add_pictures(page, files)


def _said(page: Any) -> str:
    return str(page.locator("#cw-suggest-said").inner_text())


def _found(page: Any) -> str:
    return str(page.locator("#cw-suggest-found").inner_text())


def test_settings_are_found_shown_and_taken_in_one_step(demo_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, demo_server.url)
    _add(page, tmp_path)
    page.locator("#cw-side .cw-suggest-open").click()
    assert page.locator("#cw-suggest [name=sample] option").first.inner_text() == f"all {COUNT} pictures"
    page.keyboard.press("Enter")  # the button has the focus
    page.locator("#cw-suggest-stop").wait_for()
    wait_until(
        lambda: "pictures tried with 22 settings" in _said(page), "its progress is told", 60
    )  # models come first
    sentence = page.locator(".cw-suggest-sentence")
    wait_until(lambda: not page.locator("#cw-suggest-stop").is_visible(), "it has ended", 120)
    wait_until(lambda: f"{COUNT} pictures tried" in _found(page), "it is shown what was found on all of them")
    assert "clearly better than yours" in sentence.inner_text()
    assert page.locator(".cw-chart [class^=cw-dot]").count() == 22
    assert page.locator(".cw-chart .cw-dot-base").count() == 1
    assert "at least so many" in (page.locator(".cw-chart").text_content() or "")
    page.locator(".cw-suggest-table summary").click()
    assert page.locator(".cw-suggest-table tbody tr").count() == 22
    assert page.locator(".cw-suggest-table tbody tr").first.inner_text().startswith("yours")

    card = page.locator(".cw-suggest-card").first
    title = card.locator("h4").inner_text()
    assert card.locator(".cw-suggest-examples ins, .cw-suggest-examples del").count() > 0
    card.get_by_role("button", name="Use").click()
    wait_until(lambda: not page.locator("#cw-suggest").is_visible(), "it closes")
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == f"Undo: Use {title}", "it is one step")
    beams = title.split(" ")[0]
    assert page.locator("#setting-num_beams input").first.input_value() == beams
    page.locator("#cw-brief-actions button", has_text="Undo").click()
    wait_until(lambda: page.locator("#setting-num_beams input").first.input_value() == "3", "undo takes it back")


def test_a_search_can_be_stopped_and_the_length_fitted(demo_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, demo_server.url)
    _add(page, tmp_path)
    page.locator("#cw-side .cw-suggest-open").click()
    page.locator("#cw-suggest [name=grid]").select_option("penalties")
    page.locator("#cw-suggest-start").click()
    page.locator("#cw-suggest-stop").click()
    wait_until(lambda: _said(page) == "Stopped.", "it is stopped", 60)
    page.locator("#cw-suggest-close").click()

    page.get_by_label("Fitted").check()
    page.locator("#cw-suggestion").wait_for()
    page.locator("#cw-caption-all").click()
    wait_until(lambda: page.locator('.cw-cell[data-state="generated"]').count() > 3, "pictures are captioned", 60)
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "all are", 60)
    page.get_by_label("Detailed").check()
    wait_until(lambda: "made with other settings" in page.locator("#cw-otherwise-text").inner_text(), "it is told")
    page.get_by_label("Fitted").check()
    wait_until(lambda: page.locator("#cw-otherwise").is_hidden(), "these made them")
