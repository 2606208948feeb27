"""What everybody must be able to see: text against its ground, where the focus is, what can be filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, open_more, open_page, select, states, switch_on, wait_until

pytestmark = pytest.mark.browser

FAINT = """() => {
    const parse = (text) => {
        const found = text.match(/[\\d.]+/g).map(Number);
        const scale = text.startsWith('color(') ? 255 : 1;
        return [...found.slice(0, 3).map((part) => part * scale), found[3] ?? 1];
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const faint = new Set();
    const measure = (element, style, text) => {
        const below = ground(element);
        const [one, other] = [light(over(parse(style.color), below)), light(below)];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) faint.add(`${text.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
    };
    for (const element of document.querySelectorAll('#cw-page *')) {
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        if (element.closest(':disabled, [aria-hidden=true]')) continue;
        const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(' ');
        if (own.trim()) measure(element, getComputedStyle(element), own);
        if (element.matches('input, textarea') && element.placeholder && !element.value)
            measure(element, getComputedStyle(element, '::placeholder'), element.placeholder);
    }
    return [...faint];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_against_its_ground(
    server: AppServer, chromium: Any, pictures: list[Path], scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = open_page(context, server.url)
    assert page.evaluate(FAINT) == [], "an empty set"
    add_pictures(page, pictures)
    switch_on(page, "wd14")
    switch_on(page, "clip")
    open_more(page, "clip")
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    select(page, "turned.jpg")
    page.wait_for_selector(".cw-found")
    assert page.evaluate(FAINT) == [], "tags"
    page.get_by_role("tab", name="Text").click()
    page.locator("#cw-sets-open").click()
    assert page.evaluate(FAINT) == [], "text, and the menu of sets"
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    page.wait_for_selector("#cw-suggestion:not([hidden])")
    page.wait_for_timeout(400)
    assert page.evaluate(FAINT) == [], "a sentence, and a preview"
    page.locator("#cw-bulk-open").click()
    assert page.evaluate(FAINT) == [], "changing many captions"
    context.close()


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
