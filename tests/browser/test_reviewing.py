"""Reviewing a set that has captions: find, correct, mark, and go on the next day where one was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, caption, count, open_page, picture, wait_saved, wait_until

pytestmark = pytest.mark.browser

PICTURES = 40


def _files(folder: Path) -> list[str]:
    """Forty pictures with a caption beside each; every fifth one shows a house and has a typo in its name."""
    files = []
    for number in range(PICTURES):
        path = picture(folder / f"{number:05}.png", (number * 6, 80, 120), (48, 36))
        words = "a poto of a house, long hair" if number % 5 == 3 else "a photo of a house" if number % 2 else "a dog"
        path.with_suffix(".txt").write_text(words)
        files += [str(path), str(path.with_suffix(".txt"))]
    return files


def _text(page: Any, selector: str) -> str:
    return str(page.locator(selector).text_content() or "")


def _lines(page: Any) -> list[str]:
    """The names of the list's rows in sight."""
    return sorted(page.locator(".cw-line .cw-line-name").all_text_contents())


def _where(page: Any) -> list[Any]:
    """What a person comes back to."""
    shown = page.locator('#cw-view [aria-pressed="true"]').get_attribute("value")
    current = page.locator(".cw-line.cw-current .cw-line-name").all_text_contents()
    return [_text(page, "#cw-name"), page.locator("#cw-filter").input_value(), shown, current]


def test_a_set_is_searched_corrected_marked_and_gone_on_with(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    page.set_input_files("#cw-files", _files(tmp_path))
    wait_until(lambda: count(page) == PICTURES and page.locator("#cw-progress").is_hidden(), "all are listed", 90)
    page.locator("#cw-view [value=list]").click()
    tokens = page.locator(".cw-line-tokens")
    wait_until(lambda: set(tokens.all_text_contents()) == {"2", "5", "9"}, "tokens are counted")

    page.locator("#cw-grid").focus()
    page.keyboard.press("/")
    page.keyboard.type("house -tag:cat nonsense:1")
    assert "nonsense" in _text(page, "#cw-filter-problem")
    page.locator("#cw-filter").fill('POTO house tag:"long hair" tokens:<75')
    wait_until(lambda: _text(page, "#cw-count") == "8 of 40 pictures", "the hits are listed")
    assert _text(page, "#cw-filter-problem") == ""
    wait_until(lambda: len(_lines(page)) == 8, "they are drawn")
    first = page.locator('.cw-line[aria-label^="00003.png"]')
    assert first.locator("mark").all_text_contents() == ["poto", "house", "long hair"]

    page.keyboard.press("Enter")
    assert _text(page, "#cw-name") == "00003.png"
    page.keyboard.type("photo")  # the hit is selected
    assert caption(page) == "a photo of a house, long hair"
    for _ in range(3):
        page.keyboard.press("Control+Space")
    assert _text(page, "#cw-name") == "00018.png"
    wait_until(lambda: _text(page, "#cw-reviewed-count") == "3 of 40 reviewed", "three have the mark")
    marked = page.locator('.cw-line[data-reviewed="true"]')
    wait_until(lambda: marked.count() == 2, "what was corrected is no hit any more")
    page.locator("#cw-grid").focus()
    page.keyboard.press("Control+z")
    wait_until(lambda: _text(page, "#cw-reviewed-count") == "2 of 40 reviewed", "one mark is taken back")
    page.keyboard.press("Control+Shift+z")
    wait_until(lambda: _text(page, "#cw-reviewed-count") == "3 of 40 reviewed", "it is there again")
    wait_saved(page)

    before = _where(page)
    assert before[2:] == ["list", ["00018.png"]]
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: _where(page) == before, "the page is as it was")
    page.goto(server.url)  # the next day
    page.wait_for_selector(".cw[data-ready=true]")
    card = page.locator(".cw-recent-set")
    assert card.locator(".cw-quiet").inner_text().startswith("40 pictures, ")
    page.get_by_role("link", name="Continue at 00018.png").click()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: _where(page) == before, "it goes on at the same picture")
    assert _lines(page)[0] == "00008.png"

    page.locator("#cw-unfilter").click()
    page.locator("#cw-view [value=grid]").click()
    page.locator("#cw-state").select_option("reviewed")
    wait_until(lambda: page.locator(".cw-cell").count() == 3, "those with the mark are listed")
    page.locator('.cw-cell[aria-label="00003.png, edited and reviewed"]').click()
    page.locator("#cw-unreview").click()
    page.keyboard.press("Control+ArrowDown")
    wait_until(lambda: _text(page, "#cw-count") == "2 of 40 pictures", "the mark is off")
