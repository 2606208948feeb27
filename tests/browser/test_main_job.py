"""The main job as a person does it, in a real browser against the real server."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    names,
    open_more,
    open_page,
    select,
    states,
    switch_on,
    wait_saved,
    wait_until,
)
from tests.zips import own_names

pytestmark = pytest.mark.browser


def test_pictures_are_uploaded_tuned_edited_captioned_and_downloaded(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    assert names(page) == ["clear.png", "modern.webp", "plain.png", "turned.jpg", "twin.jpg", "twin.png"]
    assert "set=" in page.url

    # A moved slider re-captions the selected picture live and stores nothing.
    select(page, "turned.jpg")
    page.wait_for_function("() => document.getElementById('cw-facts').textContent.startsWith('240 × 320')")
    page.locator("#setting-num_beams input[type=range]").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.getElementById('cw-suggestion-text').textContent === 'a red picture 240 wide under beam 7'"
    )
    assert caption(page) == ""
    assert states(page)["turned.jpg"] == "empty"
    page.keyboard.press("Control+Enter")
    wait_until(lambda: caption(page) == "a red picture 240 wide under beam 7", "it is the caption")
    assert states(page)["turned.jpg"] == "generated", "it goes on following the settings"

    # Tags are switched on; the preview has them.
    switch_on(page, "wd14")
    page.wait_for_function(
        "() => document.getElementById('cw-suggestion-text').textContent"
        " === 'a red picture 240 wide under beam 7, nami (one piece), red background, long hair, hair'"
    )

    # An edit is typed, and the next picture clicked at once.
    select(page, "clear.png")
    page.locator("#cw-editor").click()
    page.keyboard.type("my own words")
    select(page, "modern.webp")
    wait_saved(page)

    page.locator("#cw-caption-all").click()
    wait_until(
        lambda: (
            states(page)
            == {
                "clear.png": "edited",
                "modern.webp": "generated",
                "plain.png": "generated",
                "turned.jpg": "generated",
                "twin.jpg": "generated",
                "twin.png": "generated",
            }
        ),
        "every picture has a caption",
    )

    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: len(names(page)) == 6, "the pictures are back")
    select(page, "clear.png")
    assert caption(page) == "my own words"
    assert page.locator("#cw-suggestion-text").text_content() == (
        "a white picture 320 wide under beam 7, nami (one piece), white background, long hair, hair"
    )
    select(page, "plain.png")
    assert caption(page) == "a blue picture 320 wide under beam 7, nami (one piece), blue background, long hair, hair"
    open_more(page, "blip")
    assert page.locator("#setting-num_beams input[type=range]").input_value() == "7"

    page.locator("#cw-download-open").click()
    page.locator("#cw-download-form [name=with_pictures]").check()
    with page.expect_download() as waiting:
        page.locator("#cw-download").click()
    target = pictures[0].parent / "set.zip"
    waiting.value.save_as(target)
    with zipfile.ZipFile(target) as archive:
        assert sorted(own_names(archive)) == sorted(
            [
                *("clear.png", "clear.txt", "modern.webp", "modern.txt", "plain.png", "plain.txt"),
                *("turned.jpg", "turned.txt", "twin.jpg", "twin.txt", "twin_2.png", "twin_2.txt"),
            ]
        )
        assert archive.read("clear.txt").decode() == "my own words"
        assert archive.read("turned.txt").decode().startswith("a red picture 240 wide under beam 7, nami")
        assert archive.read("twin.txt").decode().startswith("a green picture 320 wide under beam 7")
        assert archive.read("twin_2.txt").decode().startswith("a red picture 320 wide under beam 7")
        assert archive.read("turned.jpg") == pictures[0].read_bytes()
