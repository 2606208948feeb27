"""A second family of captioners on the page: its own settings, shown while one of its models is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, open_more, open_page, wait_until

pytestmark = pytest.mark.browser


def test_each_family_s_settings_are_shown_while_its_model_is_chosen(
    tmp_path: Path, context: Any, pictures: list[Path]
) -> None:
    server = AppServer(tmp_path, with_echo=True)
    server.start()
    try:
        page = open_page(context, server.url)
        add_pictures(page, pictures[:1])
        page.wait_for_selector("#family-echo", state="hidden")
        assert page.locator("#setting-num_beams").is_visible()
        page.locator("#setting-captioner input").click()
        page.get_by_role("option", name="echo-1").click()
        open_more(page, "echo")
        page.wait_for_selector("#setting-echo_manner")
        assert page.locator("#setting-num_beams").is_hidden()
        page.locator("#preset-echo input").click()
        page.get_by_role("option", name="Echo freely").click()
        suggestion = page.locator("#cw-suggestion-text")
        wait_until(lambda: (suggestion.text_content() or "").startswith("free "), "the preview is the other family's")
        page.reload()
        open_more(page, "echo")
        page.wait_for_selector("#setting-echo_manner")
        assert page.locator("#setting-num_beams").is_hidden()
    finally:
        server.stop()
