"""Every size of window, among them a laptop's at 200 %: nothing is cut off, and what one works with is in sight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, drawn, open_page, picture, wait_until

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (1366, 768), (1280, 800), (1024, 768), (900, 768), (683, 384), (390, 844))

# What lies outside the window or is hidden by something else, of the toolbar; what is wider than it, of the page.
OUTSIDE = """() => [
    ...document.querySelectorAll("#cw-top :is(button, summary, #cw-progress-text)"),
].filter((element) => {
    if (!element.checkVisibility() || element.closest('.cw-menu-body')) return false;
    const box = element.getBoundingClientRect();
    const isCut = element.matches('span') && element.scrollWidth > element.clientWidth;
    const middle = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return box.left < 0 || box.right > innerWidth || isCut || !(element.contains(middle) || middle.contains(element));
}).map((element) => `outside: ${element.id || element.outerHTML.slice(0, 80)}`)"""
WIDER = """() => {
    const scrolls = (element) => {
        for (let at = element.parentElement; at && at.id !== 'cw-page'; at = at.parentElement)
            if (getComputedStyle(at).overflowX !== 'visible') return true;
        return false;
    };
    const wider = [...document.querySelectorAll('#cw-page *')].filter((element) => element.checkVisibility() &&
        (element.getBoundingClientRect().right > innerWidth + 1 || element.getBoundingClientRect().left < -1) &&
        !element.closest('.cw-offscreen') && !scrolls(element));
    const page = document.documentElement.scrollWidth > innerWidth ? [document.documentElement] : [];
    return [...page, ...wider].map((element) => `wider: ${element.outerHTML.slice(0, 120)}`);
}"""


def _in_every_size(page: Any) -> Iterator[str]:
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => scrollTo(0, 0)")
        drawn(page)
        yield f"{width}x{height}"


def _cut_off(page: Any) -> list[str]:
    return page.evaluate(OUTSIDE) + page.evaluate(WIDER)


def _tabs_out_of_sight(page: Any) -> list[str]:
    tabs = page.get_by_role("tab").all()
    width = page.viewport_size["width"]
    boxes = {tab.inner_text(): tab.bounding_box() for tab in tabs}
    assert list(boxes) == ["Sentence", "Tags", "Text"]
    return [name for name, box in boxes.items() if not box or box["x"] < 0 or box["x"] + box["width"] > width]


def test_in_every_size_nothing_is_cut_off_and_the_caption_is_in_the_first_screen(
    bare_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, bare_server.url)
    for size in _in_every_size(page):
        assert _cut_off(page) == [], f"an empty page, {size}"
    add_pictures(page, [picture(tmp_path / f"{number}.png", (200, 9 * number, 20)) for number in range(12)])
    page.locator("#cw-one").click()
    empty = page.locator("#cw-caption-empty")
    wait_until(lambda: empty.text_content() == "Caption 11 empty", "one is captioned, the model loaded", 90)
    for size in _in_every_size(page):
        assert _cut_off(page) == [], size
        assert _tabs_out_of_sight(page) == [], size
        editor = page.locator("#cw-editor").bounding_box()
        assert editor["y"] + 34 < page.viewport_size["height"], f"the caption's first line, {size}"
        tools = page.locator("#cw-tools-open")
        if tools.is_visible():
            tools.click()
            page.locator("#cw-redo").wait_for()
            assert _cut_off(page) == [], f"the rest of the toolbar, {size}"
        page.locator(".cw-pill summary").click()
        assert page.evaluate(WIDER) == [], f"the note on demo models, {size}"
        page.keyboard.press("Escape")
        page.mouse.click(5, page.viewport_size["height"] - 5)
        page.locator("#cw-overview-open").evaluate("button => button.click()")
        page.locator("#cw-overview .cw-figure").first.wait_for()
        assert page.evaluate(WIDER) == [], f"the overview, {size}"
        page.keyboard.press("Escape")


def test_in_every_size_a_job_is_told_in_full(slow_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, slow_server.url)
    add_pictures(page, [picture(tmp_path / f"{number}.png", (200, 5 * number, 20)) for number in range(40)])
    page.locator("#cw-caption-all").click()
    page.wait_for_function("document.getElementById('cw-progress-text').textContent.includes(' left')")
    for size in _in_every_size(page):
        assert _cut_off(page) == [], size
    assert page.locator("#cw-stop").is_visible(), "the job went on all the time"
    page.locator("#cw-stop").click()
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has ended")
