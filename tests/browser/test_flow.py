"""A first visit: samples, first steps, results with Undo, and a download that says what it gives."""

from __future__ import annotations

import zipfile
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
from tests.zips import own_names

pytestmark = pytest.mark.browser

HIDE = "(isHidden) => Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true })"


def _next_step(page: Any) -> str:
    return str(page.locator("#cw-steps li[aria-current] b").inner_text())


def _said(page: Any) -> str:
    return str(page.locator("#cw-brief").inner_text())


def test_a_first_visitor_is_led_from_samples_to_a_zip_of_some(server: AppServer, context: Any) -> None:
    page = open_page(context, server.url)
    assert _next_step(page) == "Add pictures"
    page.get_by_role("button", name="Try 12 sample pictures").click()
    wait_until(lambda: page.locator("#cw-count").inner_text() == "12 pictures", "they are added")
    wait_until(lambda: page.locator("#cw-set-name").inner_text() == "Samples", "the set says what it is")
    assert names(page)[0].startswith("sample-01-")
    assert _next_step(page) == "Look and tune"

    # The end of a job is said, stays until it is dismissed, and stands in the title while nobody looks.
    page.evaluate(HIDE, True)
    page.locator("#cw-caption-all").click()
    wait_until(lambda: _said(page) == "12 pictures captioned", "the end is told", 60)
    assert page.title() == "(done) Samples – Captioner"
    page.evaluate(HIDE, False)
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    assert page.title() == "Samples – Captioner"
    assert _next_step(page) == "Download"
    undo = page.locator("#cw-toast").get_by_role("button", name="Undo")
    undo.click()
    wait_until(lambda: set(states(page).values()) == {"empty"}, "the button takes it back")
    wait_until(lambda: _said(page).startswith("Undone: "), "that is said too")
    page.locator("#cw-redo").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "and it is done again")

    # What the zip will hold is said first; Show lists what is meant.
    first = names(page)[0]
    select(page, first)
    page.locator("#cw-editor").fill("")
    wait_saved(page)
    page.locator("#cw-download-open").click()
    summary = page.locator("#cw-download-summary")
    wait_until(lambda: "12 pictures: 11 captions" in summary.inner_text(), "captions are counted")
    assert "1 without a caption" in summary.inner_text()
    page.get_by_role("button", name="Show without a caption").click()
    wait_until(lambda: names(page) == [first], "it is listed")
    page.locator("#cw-download-open").click()
    page.locator("#cw-download-form [name=scope]").select_option("shown")
    wait_until(lambda: "1 picture: 0 captions" in summary.inner_text(), "of the one listed")
    page.get_by_label("Put the pictures in as well").check()
    with page.expect_download() as downloading:
        page.locator("#cw-download").click()
    with zipfile.ZipFile(downloading.value.path()) as archive:
        assert sorted(own_names(archive)) == [first, f"{Path(first).stem}.txt"]
    assert page.locator("#cw-steps").is_hidden(), "the last step is done"

    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    assert page.locator("#cw-steps").is_hidden()
    page.locator("#cw-download-open").click()
    assert page.get_by_label("Put the pictures in as well").is_checked(), "kept for this set"
    assert page.locator("#cw-download-form [name=scope]").input_value() == "all"


def test_edits_alone_are_told_before_captioning_and_another_s_set_has_no_first_steps(
    server: AppServer, context: Any, chromium: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:2])
    for name in names(page):
        select(page, name)
        page.locator("#cw-editor").fill(f"words of {name}")
        wait_saved(page)
    page.locator("#cw-caption-all").click()
    assert "All 2 captions are edits and stay" in page.locator("#cw-ask-text").inner_text()
    page.locator("#cw-ask-cancel").click()
    page.get_by_role("button", name="Close the first steps").click()
    assert page.locator("#cw-steps").is_hidden()

    elsewhere = chromium.new_context()
    other = elsewhere.new_page()
    other.goto(page.url)
    other.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: count(other) == 2, "the set is shown")
    assert other.locator("#cw-steps").is_hidden()
    elsewhere.close()
