"""A second family of captioners on the page: its own settings, shown while one of its models is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, open_more, open_page, wait_until
from tests.browser.visiting import look_at

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
        ask_something(page)
    finally:
        server.stop()


def ask_something(page: Any) -> None:
    """A family that is asked questions: a box with variables and wishes beside it, and answers that look wrong."""
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name="parrot-1").click()
    box = page.locator("#setting-parrot_prompt textarea")
    box.fill("What")
    page.locator("#family-parrot .cw-insert", has_text="{name}").click()
    assert box.input_value() == "What {name}"
    page.locator("#family-parrot .cw-picks > summary").click()
    page.locator("#family-parrot .cw-picks input[value=mood]").check()
    suggestion = page.locator("#cw-suggestion-text")
    stem = Path(page.locator("#cw-name").text_content() or "").stem
    said = f"What {stem} Say what mood it has."  # captions are written in one line
    wait_until(lambda: suggestion.text_content() == said, "the preview asks what the box says")
    assert page.locator("#family-parrot .cw-picks-chosen").text_content() == "mood"
    assert page.locator("#setting-parrot_word_count").is_hidden()
    low = box.bounding_box()["height"]
    box.fill("{word_count} words" + "\n" * 30 + "a dog with " * 8)
    page.locator("#setting-parrot_word_count").wait_for()
    assert low < box.bounding_box()["height"] < 500, "it grows, and then scrolls"
    wait_until(lambda: "looks wrong" in (page.locator("#cw-suggestion-kind").text_content() or ""), "a loop is told")
    page.locator("#cw-use").click()
    page.wait_for_selector("#cw-glitch:not([hidden])")
    assert page.locator("#cw-glitch").text_content() == "This caption looks wrong: it goes round in circles."
    page.wait_for_selector('.cw-cell[data-glitch="true"] .cw-cell-glitch')
    page.wait_for_selector("#cw-asked:not([hidden])")
    page.locator("#cw-asked > summary").click()
    assert (page.locator("#cw-asked-text").text_content() or "").startswith("100 words\n\n")
    found = look_at(page, "a prompt and a caption that looks wrong")
    assert not found, "\n".join(found)
    page.locator("#cw-filter").fill("-is:glitch")
    wait_until(lambda: page.locator(".cw-cell").count() == 0, "the only caption looks wrong")
