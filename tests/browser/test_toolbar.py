"""What the selection bar and keys do to the set. Whether the toolbar is in the window: test_widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, names, open_page, picture, select, wait_until

pytestmark = pytest.mark.browser


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
