"""The toolbar: all of it in the window at every width, and the job on a strip of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, names, open_page, picture, select, wait_until

pytestmark = pytest.mark.browser

OUTSIDE = """() => [
    ...document.querySelectorAll("#cw-top :is(button, summary, #cw-progress-text)"),
].filter((element) => {
    element.scrollIntoView();
    if (!element.checkVisibility() || element.closest('.cw-menu-body')) return false;
    const box = element.getBoundingClientRect();
    const isCut = element.matches('span') && element.scrollWidth > element.clientWidth;
    const middle = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return box.left < 0 || box.right > innerWidth || isCut || !(element.contains(middle) || middle.contains(element));
}).map((element) => element.id || element.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", [1440, 1366, 1024, 900, 390])
def test_everything_in_the_toolbar_is_in_the_window_idle_and_during_a_job(
    slow_server: AppServer, context: Any, pictures: list[Path], width: int
) -> None:
    page = open_page(context, slow_server.url)
    page.set_viewport_size({"width": width, "height": 768})
    add_pictures(page, pictures)
    page.locator("#cw-one").click()
    wait_until(lambda: page.locator("#cw-caption-empty").is_visible(), "one of them is captioned")
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has ended")
    assert page.evaluate(OUTSIDE) == [], "idle"
    page.locator("#cw-caption-all").click()
    page.wait_for_function("document.getElementById('cw-progress-text').textContent.includes(' left')")
    assert page.evaluate(OUTSIDE) == [], "during a job"
    page.locator("#cw-stop").click()
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has ended")


def test_after_a_removal_the_next_picture_is_selected(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / f"{number}.png", (200, 20 * number, 20)) for number in range(8)])
    select(page, "1.png")
    page.locator('.cw-cell[aria-label^="4.png,"]').click(modifiers=["Shift"])
    page.locator("#cw-remove").click()
    wait_until(lambda: names(page) == ["0.png", "5.png", "6.png", "7.png"], "four are gone")
    assert page.locator("#cw-name").text_content() == "5.png"
    select(page, "7.png")
    page.locator("#cw-grid").press("Delete")
    wait_until(lambda: len(names(page)) == 3, "the last one is gone")
    assert page.locator("#cw-name").text_content() == "6.png"
