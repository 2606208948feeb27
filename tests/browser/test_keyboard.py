"""Without a mouse: from an uploaded set to its zip, by keys alone."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, caption, open_page, states, wait_saved, wait_until
from tests.zips import own_names

pytestmark = pytest.mark.browser


def _tab_to(page: Any, selector: str, *, back: bool = False) -> int:
    """Presses Tab until the focus is there. Returns: how often."""
    for count in range(1, 80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return count
    raise AssertionError(f"80 Tabs do not lead to {selector}")


def test_a_set_is_captioned_corrected_and_downloaded_by_keys_alone(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")

    _tab_to(page, "#cw-caption-all")
    page.keyboard.press("Enter")
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")

    assert _tab_to(page, "#cw-grid") < 20
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "cw-editor"
    page.keyboard.press("Control+a")
    page.keyboard.type("typed by hand")
    page.keyboard.press("Control+ArrowDown")
    wait_until(lambda: "typed" not in caption(page), "the next one is shown")
    page.keyboard.press("End")
    page.keyboard.type(", and more")
    wait_saved(page)

    _tab_to(page, "#tab-text-button")
    page.keyboard.press("Enter")
    _tab_to(page, "#setting-prefix textarea")
    page.keyboard.type("ohwx")
    wait_until(lambda: page.locator("#cw-frame-before").is_visible(), "the trigger word is set")

    _tab_to(page, "#cw-bulk-open", back=True)
    page.keyboard.press("Enter")
    _tab_to(page, "#cw-bulk [name=find]")
    page.keyboard.type("picture")
    _tab_to(page, "#cw-bulk [name=replacement]")
    page.keyboard.type("photo")
    wait_until(page.locator("#cw-bulk-apply").is_enabled, "it is shown what would change")
    page.keyboard.press("Enter")  # on to the button
    assert page.evaluate("() => document.activeElement.id") == "cw-bulk-apply"
    page.keyboard.press("Enter")
    wait_until(page.locator("#cw-bulk").is_hidden, "it is changed")
    assert page.evaluate("() => document.activeElement.id") == "cw-bulk-open", "back where it was opened"

    _tab_to(page, "#cw-download-open")
    page.keyboard.press("Enter")
    _tab_to(page, "#cw-download")
    with page.expect_download() as waited:
        page.keyboard.press("Enter")
    with zipfile.ZipFile(io.BytesIO(Path(waited.value.path()).read_bytes())) as archive:
        texts = [archive.read(name).decode() for name in own_names(archive)]
    assert len(texts) == 6
    assert all(text.startswith("ohwx") for text in texts)
    assert "ohwx, typed by hand" in texts
    assert sum(", and more" in text for text in texts) == 1
    assert not any("picture" in text for text in texts)
