"""The places of the page that need the demo models, or none at all, are open to everybody (`visiting`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.browser.conftest import AppServer, open_page, select
from tests.browser.visiting import Place, click, look_at, visit

pytestmark = pytest.mark.browser


def _doubt_over_the_set(page: Any) -> None:
    """The list by doubt, with captions that were not read."""
    page.locator("#cw-view [value=list]").click()
    page.locator("#cw-sort").select_option("doubtful")
    page.locator("#cw-unread").wait_for()


def _reason(page: Any) -> None:
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("F8")
    page.locator("#cw-doubt-tip button").wait_for()


DOUBT_PLACES: tuple[Place, ...] = (
    ("doubtful words and filler", lambda page: page.locator("#cw-marks [data-kind=filler]").wait_for()),
    ("why a word is doubtful", _reason),
    ("what the lines mean", click("#cw-doubt-help-open", "#cw-doubt-notes p")),
    ("captions that were not read", _doubt_over_the_set),
)


def test_doubtful_words_are_open_to_everybody(demo_server: AppServer, still: Any, tmp_path: Path) -> None:
    page = open_page(still, demo_server.url)
    files = []
    for number, words in enumerate(("a dog, a dog and two small yellow cats on a beach", "a red house", "a red car")):
        draw(scene_from_seed(90_909, number)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(words)
        files += [str(tmp_path / f"{number}.png"), str(tmp_path / f"{number}.txt")]
    page.set_input_files("#cw-files", files)
    select(page, "0.png")
    page.locator(".cw-doubt-chip").first.wait_for(timeout=60_000)
    found = visit(page, DOUBT_PLACES)
    page.set_viewport_size({"width": 390, "height": 844})
    found += look_at(page, "doubtful words on a phone")
    assert not found, "\n".join(found)


def test_the_offer_of_a_model_that_is_not_here_is_open_to_everybody(bare_server: AppServer, still: Any) -> None:
    page = open_page(still, bare_server.url)
    page.locator(".cw-pill summary").click()
    found = look_at(page, "the note on demo models")
    page.keyboard.press("Escape")
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name="not here").first.click()
    page.locator("#offer-captioner button").wait_for()
    found += look_at(page, "the offer of a model")
    assert not found, "\n".join(found)
