"""A set on a phone: ten pictures looked through and corrected with thumbs alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, caption, downloaded, open_page, picture, states, wait_until

pytestmark = pytest.mark.browser

SMALL = """() => [...document.querySelectorAll('#cw-page :is(button, select, summary, a, input, textarea)')].filter(
    (element) => {
        if (!element.checkVisibility({ visibilityProperty: true }) || element.closest('.cw-offscreen')) return false;
        const held = element.closest('label') ?? element;
        let { left, top, right, bottom } = held.getBoundingClientRect();
        for (let at = held.parentElement; at; at = at.parentElement) {
            if (getComputedStyle(at).overflow !== 'hidden') continue;
            const edge = at.getBoundingClientRect();  // what lies beyond it is cut off
            [left, top] = [Math.max(left, edge.left), Math.max(top, edge.top)];
            [right, bottom] = [Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
        }
        const isSeen = right - left > 2 && bottom - top > 2;
        return isSeen && (right - left < 39.5 || bottom - top < 39.5);
    },
).map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def phone(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, accept_downloads=True
    )
    broken: list[str] = []
    context.on("page", lambda page: page.on("pageerror", lambda error: broken.append(str(error))))
    yield context
    context.close()
    assert not broken, "a script of the page failed"


class Finger:
    """A finger on the glass, for what is more than a tap."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x, "y": y} for x, y in points]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    def press(self, locator: Any) -> None:
        """Stays on an element until it is taken for a long press."""
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        self._send("touchStart", (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
        self.page.wait_for_timeout(700)
        self._send("touchEnd")

    def swipe(self, locator: Any, right: float) -> None:
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        x, y = box["x"] + box["width"] / 2 - right / 2, box["y"] + box["height"] / 2
        self._send("touchStart", (x, y))
        for step in range(1, 6):
            self._send("touchMove", (x + right * step / 5, y + 2))
        self._send("touchEnd")


def _place(page: Any) -> str:
    return str(page.locator("#cw-thumb-place").text_content())


def test_ten_pictures_are_worked_through_with_taps_alone(server: AppServer, phone: Any, tmp_path: Path) -> None:
    page = open_page(phone, server.url)
    assert "Choose the pictures" in page.locator("#cw-empty").inner_text()
    assert page.locator(".cw-left").is_hidden(), "no empty strip"
    assert page.locator(".cw-thumbs").is_hidden()
    add_pictures(page, [picture(tmp_path / f"{number}.png", (200, 20 * number, 20)) for number in range(10)])
    page.get_by_role("tab", name="Tags").tap()
    page.locator("#setting-wd14_on input").tap()
    assert page.evaluate(SMALL) == [], "too small for a thumb"
    page.locator("#cw-caption-all").tap()
    wait_until(lambda: "generated" in states(page).values() and page.locator("#cw-stop").is_hidden(), "captioned")
    page.locator("#cw-editor").wait_for()
    editor, bar = page.locator("#cw-editor").bounding_box(), page.locator(".cw-thumbs").bounding_box()
    assert editor["y"] + 40 < bar["y"], "the caption is in the first screen"
    before = downloaded(page)
    assert len(before) == 10

    for number in range(10):
        wait_until(lambda at=number: _place(page) == f"{at + 1}/10", "it is shown")
        tag = page.locator('.cw-found[data-in="true"] button[data-do="toggle"]').first
        tag.wait_for()
        was = caption(page)
        tag.tap()
        wait_until(lambda was=was: caption(page) != was, "the tag is taken out")
        good = page.locator(".cw-thumbs #cw-good")
        if number < 9:
            with page.expect_response(lambda answer: '"details"' in (answer.request.post_data or "")):
                good.tap()
    good.tap()
    assert page.locator("#cw-thumb-after").is_disabled()
    wait_until(lambda: page.locator("#cw-reviewed-count").inner_text() == "10 of 10 reviewed", "all have the mark")
    said, bar = page.locator("#cw-toast").bounding_box(), page.locator(".cw-thumbs").bounding_box()
    assert said["y"] + said["height"] <= bar["y"], "what is said does not lie over the bar"
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("#cw-side button:visible, #cw-side .cw-card:visible").last.bounding_box()
    assert last["y"] + last["height"] <= said["y"], "what stands last can be scrolled out of what is said"
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate(SMALL) == [], "too small for a thumb"
    wait_until(lambda: page.locator("#cw-save").get_attribute("data-state") == "saved", "all is saved")
    after = downloaded(page)
    assert all(len(after[name]) < len(before[name]) for name in before), "each is corrected"

    page.locator("#cw-tools-open").tap()
    assert page.locator("#cw-redo").is_visible()
    page.locator("#cw-download-open").tap()
    with page.expect_download() as waited:
        page.locator("#cw-download").tap()
    assert waited.value.suggested_filename.endswith(".zip")
    wait_until(page.locator("#cw-redo").is_hidden, "the menu is closed")


def test_fingers_swipe_through_pictures_select_many_and_use_what_is_suggested(
    server: AppServer, phone: Any, tmp_path: Path
) -> None:
    page = open_page(phone, server.url)
    add_pictures(page, [picture(tmp_path / f"{number}.png", (200, 20 * number, 20)) for number in range(5)])
    finger = Finger(page)
    frame = page.locator(".cw-preview")
    finger.swipe(frame, -160)
    wait_until(lambda: _place(page) == "2/5", "to the next one")
    finger.swipe(frame, 160)
    wait_until(lambda: _place(page) == "1/5", "and back")
    cells = page.locator(".cw-cell")
    finger.press(cells.nth(1))
    wait_until(lambda: page.locator("#cw-selected").inner_text() == "1 selected", "a long press selects")
    assert _place(page) == "1/5", "and shows no other picture"
    cells.nth(2).tap()
    wait_until(lambda: page.locator("#cw-selected").inner_text() == "2 selected", "then a tap adds")
    cells.nth(1).tap()
    cells.nth(2).tap()
    wait_until(page.locator("#cw-selection").is_hidden, "taps take them out again")

    def shows_the_third() -> bool:
        if page.locator("#cw-unselect").is_visible():
            page.locator("#cw-unselect").tap()  # on a machine so busy that a tap was a long press
        cells.nth(2).tap()
        return _place(page) == "3/5"

    wait_until(shows_the_third, "then a tap shows a picture")
    use = page.locator("#cw-thumb-use")
    assert use.is_disabled()
    page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    wait_until(use.is_enabled, "there is something to use")
    suggested = page.locator("#cw-suggestion-text").inner_text()
    use.tap()
    wait_until(lambda: caption(page) == suggested, "it is the caption")
    wait_until(use.is_disabled, "it is used")
    page.locator("#cw-tools-open").tap()
    page.locator("#cw-bulk-open").tap()
    page.locator("#cw-bulk-close").wait_for()
    assert page.evaluate(SMALL) == [], "too small for a thumb"
    end = page.locator("#cw-bulk-close").bounding_box()
    assert end["y"] + end["height"] <= 844, "what ends the dialog is in sight"


def test_what_ends_a_long_dialog_is_in_sight(server: AppServer, phone: Any, tmp_path: Path) -> None:
    page = open_page(phone, server.url)
    files = [picture(tmp_path / f"{number:02}.png", (number, 90, 20), size=(40, 30)) for number in range(30)]
    for file in files:
        file.with_suffix(".txt").write_text("a cat on a wall")
    page.set_input_files("#cw-files", [str(path) for path in sorted(tmp_path.iterdir())])
    wait_until(lambda: page.locator("#cw-count").text_content() == "30 pictures", "all are listed", 60)

    def is_in_sight(identifier: str) -> bool:
        box = page.locator(identifier).bounding_box()
        return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"])

    page.locator("#cw-tools-open").tap()
    page.locator("#cw-bulk-open").tap()
    page.locator("#cw-bulk [name=operation]").select_option("affix")
    page.locator("#cw-bulk [name=text]").fill("sks ")
    wait_until(lambda: page.locator(".cw-change").count() == 30, "it is shown")
    assert page.locator("#cw-bulk").evaluate("dialog => dialog.scrollHeight > dialog.clientHeight"), "it is long"
    assert is_in_sight("#cw-bulk-apply")
    page.locator("#cw-bulk-close").tap()
    page.locator("#cw-tools-open").tap()
    page.locator("#cw-download-open").tap()
    page.locator("#cw-download").wait_for()
    page.set_viewport_size({"width": 390, "height": 320})
    assert page.locator("#cw-download-dialog").evaluate("dialog => dialog.scrollHeight > dialog.clientHeight")
    assert is_in_sight("#cw-download")
