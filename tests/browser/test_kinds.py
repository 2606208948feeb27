"""Several kinds of captions on the page: adding one, choosing between them, their edits, and captioning all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    open_more,
    open_page,
    states,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser


def _front(page: Any) -> str:
    return str(page.locator("#cw-kind").input_value())


def _beams(page: Any, count: int) -> None:
    page.locator("#setting-num_beams input[type=number]").fill(str(count))
    page.locator("#setting-num_beams input[type=number]").blur()


def _choose(page: Any, kind: str) -> None:
    page.locator("#cw-kind").select_option(kind)
    wait_until(lambda: page.locator("#cw-side").get_attribute("inert") is None, "its settings are there")


def test_a_person_adds_a_kind_and_goes_between_both(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:2])
    page.locator("#cw-caption-all").click()
    wait_until(lambda: list(states(page).values()) == ["generated"] * 2, "both have a caption")
    assert caption(page).endswith("under beam 3")
    page.locator("#cw-kind-add").click()
    page.locator("#cw-kind-name").fill("short")
    page.get_by_role("button", name="Add", exact=True).click()
    wait_until(lambda: _front(page) == "short" and caption(page) == "", "the new kind is in front, and says nothing")
    wait_until(lambda: page.locator("#cw-side").get_attribute("inert") is None, "its settings are there")
    other = page.locator("#cw-other-kinds li")
    wait_until(lambda: other.count() == 1 and "main" in other.inner_text(), "the main caption stands below")
    _beams(page, 1)
    wait_until(
        lambda: page.locator("#cw-suggestion-text").inner_text().endswith("beam 1"), "the preview is of the new kind"
    )
    page.locator("#cw-caption-all").click()
    assert "the set has main, short" in page.locator("#cw-ask-text").inner_text()
    page.locator("#cw-ask-kinds").click()
    wait_until(lambda: caption(page).endswith("under beam 1"), "the short ones are made")
    page.locator("#cw-editor").fill("my short one")
    wait_saved(page)
    _choose(page, "")
    wait_until(lambda: caption(page).endswith("under beam 3"), "the main caption is as it was")
    assert page.locator("#setting-num_beams input[type=number]").input_value() == "3"
    wait_until(lambda: other.count() == 1 and "my short one" in other.inner_text(), "the short one stands below")
    other.get_by_role("button").click()
    wait_saved(page)
    assert caption(page) == "my short one"
    for _ in range(2):
        page.locator("#cw-undo").click()
    wait_until(lambda: _front(page) == "short" and caption(page) == "my short one", "undo goes back to the short ones")
    page.reload()
    wait_until(lambda: _front(page) == "short", "the kind in front stays")
    open_more(page, "blip")
    wait_until(
        lambda: page.locator("#setting-num_beams input[type=number]").input_value() == "1", "and so do its settings"
    )
    page.locator("#cw-kind-remove").click()
    wait_until(lambda: _front(page) == "" and page.locator("#cw-kind-remove").is_hidden(), "the main one is left")
