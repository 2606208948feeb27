"""The places of Compare are open to everybody (`visiting`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.cache import training_scene
from demo.drawing import draw
from tests.browser.comparing import choose_axes, start, wait_done
from tests.browser.conftest import AppServer, add_pictures, open_page, picture
from tests.browser.visiting import Place, visit
from tests.fakes import POISON

pytestmark = pytest.mark.browser


def _form_to_compare(page: Any) -> None:
    """With a value that will not do, and three settings."""
    page.locator("#cw-compare-open").click()
    choose_axes(page, {"num_beams": "1, 2, many", "min_length": "5, 8"})
    page.locator("#cw-compare-form [data-do=add]").click()


def _comparison(page: Any) -> None:
    """A cell that failed among others, some of which are rated, with its menu's button in sight."""
    page.locator("#cw-compare-open").click()
    page.locator("#cw-compare-size").wait_for()
    for pinned in page.locator("[data-pin][aria-pressed=true]").all():
        pinned.click()
    for name in ("scene.png", "plain.png", "poison.png"):
        page.locator(f"[data-pin][aria-label='{name}']").click()
    choose_axes(page, {"num_beams": "1, 2, 4", "min_length": "5, 8"})
    start(page)
    wait_done(page)
    page.locator(".cw-compare-all").click()
    for number, key in enumerate(("1", "2", "3")):
        page.locator(f"[aria-label='scene.png'] [data-cell='{number}']").click()
        page.keyboard.press(key)
    page.locator("#cw-compare-cell .cw-compare-why").wait_for()


def _compared(page: Any) -> None:
    """The comparison of the place before, which the Escape after it closed."""
    page.locator("#cw-compare-open").click()
    page.locator("#cw-compare-table [data-state=done]").first.wait_for()


def _cell_menu(page: Any) -> None:
    _compared(page)
    page.locator("#cw-compare-table [data-state=done] .cw-cell-menu").first.click()
    page.get_by_role("menuitem", name="Use this caption for the picture").wait_for()


def _summary(page: Any) -> None:
    """Beside cells in a score's colours. The Escape before closed the menu only."""
    page.locator("#cw-compare-tab-summary").click()
    page.locator("#cw-compare-colour").select_option("tokens")
    page.locator("#cw-compare-legend span").wait_for()
    page.locator("#cw-compare-summary .cw-tally-bar").first.wait_for()


def _renamed(page: Any) -> None:
    _compared(page)
    page.locator("#cw-compare-new").click()
    page.locator("#cw-compare-earlier [data-do=rename]").first.click()
    page.locator("#cw-compare-earlier input").wait_for()


def _earlier(page: Any) -> None:
    """The Escape before ended the renaming only."""
    page.locator("#cw-compare-earlier [data-do=rename]").first.wait_for()


PLACES: tuple[Place, ...] = (
    ("what is to be compared", _form_to_compare),
    ("a comparison", _comparison),
    ("a cell's menu", _cell_menu),
    ("the summary, in a score's colours", _summary),
    ("another name for a comparison", _renamed),
    ("earlier comparisons", _earlier),
)


def test_comparing_is_open_to_everybody(server: AppServer, still: Any, tmp_path: Path) -> None:
    page = open_page(still, server.url)
    draw(training_scene(5, 1)).save(tmp_path / "scene.png")
    plain, poison = picture(tmp_path / "plain.png", (40, 50, 220)), picture(tmp_path / "poison.png", POISON)
    add_pictures(page, [tmp_path / "scene.png", plain, poison])
    found = visit(page, PLACES)
    assert not found, "\n".join(found)
