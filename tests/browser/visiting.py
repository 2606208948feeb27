"""A place of the page, looked at: axe-core finds nothing serious, all text stands out against its ground in light and
in dark, no id stands twice, and no word is mangled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.looking import faint, mangled, twice

Place = tuple[str, Callable[[Any], object]]
"""Its name, and how to get there."""

_STILL = """() => {
    if (window.isStill) return;
    window.isStill = true;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('*, ::before, ::after { transition: none !important; animation: none !important }');
    document.adoptedStyleSheets.push(sheet);
}"""
"""Nothing moves from now on, so that colours are what they will be."""
_AXE = """async () => {
    const { violations } = await axe.run({ resultTypes: ['violations'] });
    return violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `axe: ${id} at ${node.target}: ${node.failureSummary}`));
}"""


def hold_still(context: Any) -> None:
    """Nothing moves on the pages of a context, from their beginning."""
    context.add_init_script(f"addEventListener('DOMContentLoaded', {_STILL})")


def look_at(page: Any, name: str) -> list[str]:
    """What is wrong with the page as it is now, in both schemes, each with the place's name."""
    page.evaluate(_STILL)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = [f"{name}: {finding}" for finding in twice(page) + mangled(page)]
    found += [f"{name}, light: {finding}" for finding in page.evaluate(_AXE) + faint(page)]
    page.evaluate("() => document.body.classList.add('dark')")  # where colours alone differ
    found += [f"{name}, dark: {finding}" for finding in faint(page)]
    page.evaluate("() => document.body.classList.remove('dark')")
    return found


def visit(page: Any, places: Sequence[Place]) -> list[str]:
    """The findings at places, gone to in order. Escape is pressed after each, which closes dialogs and menus."""
    found = []
    for name, go in places:
        go(page)
        found += look_at(page, name)
        page.keyboard.press("Escape")
    return found


def click(selector: str, shown: str) -> Callable[[Any], None]:
    """A way to a place: a click, until something else is shown."""

    def click_it(page: Any) -> None:
        page.locator(selector).click()
        page.locator(shown).first.wait_for()

    return click_it
