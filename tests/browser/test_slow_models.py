"""A captioner too slow for every move of a slider, here a tiny vision-language model: what its folder wants is in the
controls once it is chosen, and it is asked by a button, or once the settings rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, add_pictures, open_more, open_page, select, wait_until
from tests.browser.visiting import look_at

pytestmark = pytest.mark.browser


@pytest.fixture
def vlm_server(tmp_path: Path) -> Iterator[AppServer]:
    server = AppServer(tmp_path, with_vlm=True)
    server.start()
    yield server
    server.stop()


def _choose(page: Any, name: str) -> None:
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name=name).click()


def _tried(page: Any) -> str:
    """What the settings make of the picture once nothing waits any more; what waits for the button is let go on."""
    button = page.locator("#cw-try")

    def is_done() -> bool:
        if button.is_visible() and button.text_content() == "Try it":
            button.click()
        return button.is_hidden() and page.locator("#cw-suggestion[data-busy=false]").is_visible()

    wait_until(is_done, "the model has answered", 60)
    return str(page.locator("#cw-suggestion-text").text_content())


def test_a_slow_model_brings_its_folder_s_wishes_and_is_asked_when_a_person_says_so(
    vlm_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, vlm_server.url)
    add_pictures(page, pictures[:1])
    select(page, "turned.jpg")
    _choose(page, "qwen3-vl-2b")
    open_more(page, "vlm")
    drawn = page.locator("#setting-vlm_method").get_by_label("Nucleus")
    wait_until(drawn.is_checked, "the folder's sampling is in the controls")
    length = page.locator("#setting-vlm_max_new_tokens input[type=number]")
    length.fill("8")
    length.press("Tab")
    page.locator("#cw-untried").wait_for()
    assert page.locator("#cw-untried-text").text_content() == (
        "qwen3-vl-2b is asked about this picture when you say so."
    )
    assert page.locator("#cw-same").text_content() == ""
    found = look_at(page, "a model that waits")
    assert [one for one in found if "cw-untried" in one or "cw-try" in one] == [], "the rest, test_places looks at"
    first = _tried(page)
    assert first and first != "(no text)"

    seed = page.locator("#setting-vlm_seed input")
    seed.fill("5")
    seed.press("Tab")
    wait_until(lambda: _tried(page) != first, "another seed draws another answer")

    _choose(page, "fake-blip")
    wait_until(page.locator("#cw-untried").is_hidden, "a quick captioner takes its place")
