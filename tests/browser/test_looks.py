"""What everybody must be able to see: where the focus is, what can be filled in. How text stands out: test_places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, open_page

pytestmark = pytest.mark.browser


def test_whatever_has_the_focus_shows_it(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    look = """() => {
        const element = document.activeElement;
        if (!element.closest('#cw-page')) return 'elsewhere';
        const shown = [element, element.closest('label'), element.closest('.wrap')].some((box) => {
            const style = box && getComputedStyle(box);
            return style && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
        });
        return shown ? '' : element.outerHTML.slice(0, 120);
    }"""
    page.locator("#cw-sets-open").focus()
    seen = 0
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(look)
        if found == "elsewhere":
            break
        assert found == ""
        seen += 1
    assert seen > 30
    left = page.evaluate(
        "() => [...document.querySelectorAll('[role=option]:not(.cw-cell)')].filter((option) =>"
        " option.checkVisibility() && !option.closest('.block')?.matches(':focus-within'))"
        ".map((option) => option.outerHTML)"
    )
    assert left == [], "no list was left open behind it"


def test_what_can_be_filled_in_has_a_line_around_it_and_lists_have_an_arrow(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    page.locator("#cw-sets-open").click()
    page.get_by_role("tab", name="Text").click()
    bare = page.locator("#cw-page :is(input[type=text], input[type=search], input[type=number], textarea, select)")
    without = bare.evaluate_all(
        """boxes => boxes.filter((box) => {
            if (!box.checkVisibility()) return false;
            const framed = box.closest('.wrap:has(> .wrap-inner), .tab-like-container') ?? box;
            const style = getComputedStyle(framed);
            return parseFloat(style.borderTopWidth) < 1 || style.borderTopColor === style.backgroundColor;
        }).map((box) => box.outerHTML.slice(0, 120))"""
    )
    assert without == []
    page.keyboard.press("Escape")
    page.locator("#cw-bulk-open").click()
    for box in page.locator("#cw-page select:visible").all():
        assert "gradient" in box.evaluate("box => getComputedStyle(box).backgroundImage")
