"""Comparing settings on the page, as a person does it: the form, the grid's cells, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.browser.conftest import wait_until


def open_compare(page: Any) -> None:
    page.locator("#cw-compare-open").click()
    page.locator("#cw-compare-size").wait_for()


def choose_axes(page: Any, axes: Mapping[str, str]) -> None:
    """Puts settings along the sides. Args: axes: values with commas between them, by a setting's name."""
    page.locator("[name=preset][value='']").check()
    for cross in page.locator("#cw-compare-form [data-do=drop]").all()[::-1]:
        cross.click()
    for place, (name, values) in enumerate(axes.items()):
        page.locator("#cw-compare-form [data-do=add]").click()
        page.locator(f"select[name=axis-{place}]").select_option(name)
        field = page.locator("fieldset.cw-axis").nth(place)
        for value in field.locator("[data-do=out]").all()[::-1]:
            value.click()
        field.locator(".cw-axis-new").fill(values)
        page.keyboard.press("Enter")


def start(page: Any) -> None:
    page.locator("#cw-compare-start").click()
    page.locator("#cw-compare-table [data-cell]").first.wait_for()


def wait_done(page: Any) -> None:
    """Until the comparison that is open has ended, by itself."""
    wait_until(lambda: page.locator("#cw-progress").is_hidden() and state(page) == "", "the comparison has ended", 90)


def compare(page: Any, axes: Mapping[str, str]) -> None:
    """A finished comparison of the selected pictures."""
    open_compare(page)
    choose_axes(page, axes)
    start(page)
    wait_done(page)


def state(page: Any) -> str:
    """How far the open comparison is, in words; empty when it is done."""
    return str(page.locator("#cw-compare-state").text_content())


def cell(page: Any, number: int) -> Any:
    """A cell of the picture that is shown first."""
    return page.locator(f"#cw-compare-table [data-group] [data-cell='{number}']").first


def captions(page: Any) -> list[str]:
    """What stands in the cells in sight, by their order."""
    return [str(text) for text in page.locator(".cw-compare-text").all_text_contents()]


def ratings(page: Any) -> list[str]:
    """The colour of each cell in sight, "" for none."""
    cells = page.locator("#cw-compare-table [data-cell]")
    return list(cells.evaluate_all("cells => cells.map((cell) => cell.dataset.rating)"))


def heads(page: Any, kind: str = "column") -> list[str]:
    """What a column's or a row's head says beside its value. Args: kind: column or row."""
    found: Sequence[Any] = page.locator(f"#cw-compare-table [data-{kind}]").all()
    return [" ".join(head.locator(".cw-compare-tally").all_text_contents()) for head in found]
