"""The selected picture: how much room it has, how it is looked at closely, and the way round it by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    open_page,
    picture,
    select,
    states,
    switch_on,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser

FOCUSED = "document.activeElement.id"


def test_the_picture_has_its_share_and_nothing_jumps_while_a_slider_is_dragged(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    page.set_viewport_size({"width": 1366, "height": 768})
    add_pictures(page, pictures[:2])
    for key in ("wd14", "clip"):
        switch_on(page, key)
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    select(page, "turned.jpg")
    page.wait_for_selector("#cw-tags-found .cw-found")
    page.locator("#cw-others summary").click()
    places = """() => ['cw-image', 'cw-editor', 'cw-others', 'cw-tags-panel'].map((id) => {
        const box = document.getElementById(id).getBoundingClientRect();
        return [id, Math.round(box.top), id === 'cw-image' ? Math.round(box.height) : 0];
    })"""
    before = page.evaluate(places)
    assert before[0][2] >= 300
    page.get_by_role("tab", name="Sentence").click()
    slider = page.locator("#setting-num_beams input[type=range]")
    for _ in range(4):
        slider.press("ArrowRight")
    page.wait_for_selector("#cw-suggestion:not([hidden])[data-busy=false]")
    assert page.evaluate(places)[:2] == before[:2], "picture and caption stand still"
    with_preview = page.evaluate(places)
    for _ in range(4):
        slider.press("ArrowLeft")
    wait_until(page.locator("#cw-suggestion").is_hidden, "it is as it was")
    assert page.locator("#cw-same").inner_text() == "Same caption with these settings"
    assert page.evaluate(places)[:3] == with_preview[:3], "its place is kept"
    page.set_viewport_size({"width": 1920, "height": 1080})
    image, editor = page.locator("#cw-image").bounding_box(), page.locator("#cw-editor").bounding_box()
    assert image["height"] > 800
    assert editor["x"] > image["x"] + image["width"], "they stand side by side"


def test_a_picture_is_looked_at_closely(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / f"{name}.png", (200, 60, 60), (3000, 2000)) for name in "abc"])
    page.locator("#cw-editor").fill("a <b>red</b> field")
    wait_saved(page)
    assert page.locator("#cw-image").get_attribute("alt") == "a <b>red</b> field"
    loupe, image, stage = page.locator("#cw-loupe"), page.locator("#cw-loupe-image"), page.locator("#cw-stage")
    scrolled = "[document.getElementById('cw-stage').scrollLeft, document.getElementById('cw-stage').scrollTop]"

    page.locator("#cw-image").click()
    assert loupe.is_visible()
    assert page.locator("#cw-loupe-name").inner_text() == "a.png"
    assert page.locator("#cw-loupe-caption").inner_text() == "a <b>red</b> field"
    assert page.locator("#cw-loupe-state").inner_text().strip() == "edited"
    box = image.bounding_box()
    assert box["width"] <= 1440, "it is fitted into the window"
    stage.click(position={"x": 200, "y": 100})
    assert image.bounding_box()["width"] == 3000, "each of its pixels is one of the screen's"
    wait_until(lambda: image.evaluate("(image) => image.naturalWidth") == 3000, "all pixels have come")
    assert page.evaluate(scrolled)[0] < 400, "what was clicked on stays under the hand"
    left, top = page.evaluate(scrolled)
    page.mouse.move(700, 400)
    page.mouse.down()
    page.mouse.move(500, 300, steps=4)
    page.mouse.up()
    assert page.evaluate(scrolled) == [left + 200, top + 100], "it is dragged"
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(scrolled)[0] > left + 200, "and moved by keys"
    page.keyboard.press(" ")
    assert image.bounding_box()["width"] == box["width"], "it is fitted again"
    page.keyboard.press("ArrowRight")
    assert page.locator("#cw-loupe-place").inner_text() == "2 of 3"
    assert page.locator("#cw-loupe-caption").inner_text() == "No caption yet"
    page.locator("#cw-loupe-next").click()
    page.keyboard.press("ArrowRight")
    assert page.locator("#cw-loupe-name").inner_text() == "c.png", "the end stays the end"
    page.keyboard.press("Escape")
    assert loupe.is_hidden()
    assert page.evaluate(FOCUSED) == "cw-look"
    assert page.locator("#cw-name").inner_text() == "c.png"

    page.locator("#cw-grid").focus()
    page.keyboard.press("z")
    assert loupe.is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "cw-grid"


def _tapped_to(page: Any, size: str) -> bool:
    """Taps the picture, and whether its size is offered then: the browser takes no tap right after a swipe for one."""
    page.locator("#cw-stage").tap()
    page.wait_for_timeout(1000)
    return bool(page.locator("#cw-loupe-size").inner_text() == size)


def test_a_finger_opens_the_loupe_and_goes_on(chromium: Any, server: AppServer, pictures: list[Path]) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = open_page(context, server.url)
        add_pictures(page, pictures[:2])
        page.locator("#cw-image").tap()
        assert page.locator("#cw-loupe-place").inner_text() == "1 of 2"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        cdp = context.new_cdp_session(page)
        for kind, x in (("touchStart", 300), ("touchMove", 200), ("touchMove", 100), ("touchEnd", None)):
            points = [] if x is None else [{"x": x, "y": 300}]
            cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        wait_until(lambda: page.locator("#cw-loupe-place").inner_text() == "2 of 2", "a swipe goes on")
        wait_until(lambda: _tapped_to(page, "Fit"), "a tap shows it pixel by pixel")
        page.locator("#cw-loupe-close").tap()
        assert page.locator("#cw-loupe").is_hidden()
    finally:
        context.close()


def test_the_page_is_used_by_keys_and_its_parts_have_names(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    assert page.get_by_role("complementary", name="Settings").locator("#cw-tabs").count() == 1
    resets = page.locator("#cw-side button[aria-label^=Reset]:visible")
    wait_until(lambda: "Reset Num beams to its default" in _labels(resets), "they have their fields' names")
    assert len(set(_labels(resets))) == resets.count() > 3
    assert page.locator("#cw-image").get_attribute("alt") == "no caption yet"
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+Shift+Enter")
    wait_until(lambda: caption(page) == "a red picture 240 wide under beam 3", "the picture is captioned")
    page.keyboard.press("Control+i")
    page.wait_for_selector("#cw-overview[open]")
    page.keyboard.press("Escape")
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+s")
    assert page.locator("#cw-download-dialog").is_visible()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".zip")


def _labels(buttons: Any) -> list[str]:
    return list(buttons.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))"))
