"""CLIP's words as a person meets them: labels that must be embedded first, and vocabularies of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    open_page,
    select,
    states,
    wait_until,
)

pytestmark = pytest.mark.browser


def _switch_clip_on(page: Any) -> None:
    page.get_by_role("tab", name="CLIP").click()
    page.locator("#setting-clip_on input").check()


def _suggestion(page: Any) -> str:
    return str(page.locator("#cw-suggestion-text").text_content())


def test_missing_labels_are_told_prepared_with_progress_and_stopped(
    unprepared_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, unprepared_server.url)
    add_pictures(page, pictures[:2])
    select(page, "turned.jpg")
    _switch_clip_on(page)
    page.wait_for_selector("#cw-unprepared:not([hidden])")
    assert page.locator("#cw-unprepared-text").text_content() == (
        "fake-clip has 2,000 labels to embed once, about 33 min, and is left out until then."
    )
    assert page.locator("#cw-fetch").text_content() == "Download published ones (155 MB)"
    assert _suggestion(page) == "a red picture 240 wide under beam 3", "the rest of the preview is there"

    # It begins when asked to, shows how far it is, and others are let in between its steps.
    page.locator("#cw-prepare").click()
    wait_until(lambda: " left" in page.locator("#cw-progress-text").inner_text(), "the time left is shown")
    assert page.locator("#cw-progress-text").inner_text().startswith("fake-clip: ")
    assert "of 2,000 labels embedded · " in page.locator("#cw-progress-text").inner_text()
    assert page.locator("#cw-prepare").is_disabled()
    page.get_by_role("tab", name="Captioner").click()
    page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    wait_until(lambda: _suggestion(page).endswith("under beam 4"), "a moved slider is followed meanwhile")
    assert page.locator("#cw-stop").is_visible()

    # What is done when it is stopped stays done.
    page.locator("#cw-stop").click()
    wait_until(lambda: "what is prepared is kept" in page.locator("#cw-brief").inner_text(), "it has stopped")
    wait_until(lambda: "2,000" not in page.locator("#cw-unprepared-text").inner_text(), "fewer labels are missing")

    # Published ones are there at once here, and then the preview has CLIP's words.
    page.locator("#cw-fetch").click()
    page.wait_for_selector("#cw-unprepared", state="hidden")
    wait_until(lambda: "cubism" in _suggestion(page), "CLIP's words are in the preview")


def test_caption_all_prepares_first_and_says_so(
    unprepared_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, unprepared_server.url)
    add_pictures(page, pictures[:2])
    _switch_clip_on(page)
    page.locator("#cw-caption-all").click()
    wait_until(lambda: "labels embedded" in page.locator("#cw-progress-text").inner_text(), "the preparation is shown")
    wait_until(lambda: set(states(page).values()) == {"generated"}, "every picture has a caption")
    wait_until(lambda: "2 pictures captioned" in page.locator("#cw-brief").inner_text(), "the end is told")
