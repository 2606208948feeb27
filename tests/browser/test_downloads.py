"""The way to real models: what is missing is offered beside the settings, fetched as a job, and then used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, BareServer, add_pictures, open_page, wait_until
from tests.hub_server import HubServer
from tests.tiny_models import save_tiny_blip

pytestmark = pytest.mark.browser


@pytest.fixture
def first_start(tmp_path: Path) -> Iterator[AppServer]:
    folder = save_tiny_blip(tmp_path / "repository")
    with HubServer({"Salesforce/blip-image-captioning-base": folder}) as hub:
        server = BareServer(tmp_path)  # without flags, on a machine that has no real model, beside a hub of its own
        home = str(tmp_path / "home")
        server.environment = {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_HUB_CACHE": f"{home}/hub"}
        server.start()
        yield server
        server.stop()


def _choose_blip_base(page: Any) -> None:
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name="blip-base").click()


def test_a_missing_model_is_offered_under_its_box_in_an_empty_set_and_is_there_afterwards(
    first_start: AppServer, context: Any
) -> None:
    page = open_page(context, first_start.url)
    offer = page.locator("#offer-captioner")
    assert offer.is_hidden()
    _choose_blip_base(page)
    wait_until(offer.is_visible, "it is offered")
    assert offer.inner_text().split("\n")[0] == "blip-base is not on the machine of this app."
    assert page.locator("#cw-caption-all").inner_text() == "Download and caption"
    offer.get_by_role("button", name="Download (990 MB)").click()
    wait_until(offer.is_hidden, "it is here", 60)
    assert page.locator("#cw-caption-all").inner_text() == "Caption all"
    wait_until(lambda: page.locator("#cw-brief").inner_text() == "Prepared", "the end is told")


def test_caption_all_downloads_first_and_says_so_before(
    first_start: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, first_start.url)
    add_pictures(page, pictures[:2])
    _choose_blip_base(page)
    button = page.locator("#cw-caption-all")
    wait_until(lambda: button.inner_text() == "Download and caption", "the button says what it does")
    assert button.get_attribute("title") == "Downloads first: blip-base, 990 MB"
    page.locator("#cw-one").click()
    page.wait_for_selector(".cw-notice-bad")
    assert "blip-base: not downloaded yet" in page.locator(".cw-notice-bad").inner_text()
    button.click()
    assert "downloaded first: blip-base, 990 MB" in page.locator("#cw-ask-text").inner_text()
    page.get_by_role("button", name="Download and caption (990 MB)").click()
    wait_until(lambda: "2 pictures captioned" in page.locator("#cw-brief").inner_text(), "both are captioned", 60)
    wait_until(lambda: button.inner_text() == "Caption all", "nothing is missing any more")


def test_the_note_on_demo_models_leads_to_the_real_ones(first_start: AppServer, context: Any) -> None:
    page = open_page(context, first_start.url)
    page.locator(".cw-pill summary").click()
    page.locator(".cw-pill").get_by_role("button", name="Take the real models").click()
    wait_until(lambda: "blip-base" in page.locator("#setting-captioner input").input_value(), "BLIP is the real one")
    wait_until(lambda: page.locator("#cw-brief").inner_text() == "Prepared", "it is downloaded", 60)
    wait_until(page.locator("#offer-captioner").is_hidden, "nothing is offered any more")
    wait_until(
        lambda: page.locator("#setting-captioner input").input_value() == "blip-base", "its box says that it is here"
    )
    assert page.locator(".cw-pill").is_hidden()
    page.get_by_role("tab", name="Tags").click()
    page.locator("#setting-wd14_on input").check()
    assert "wd-vit-tagger-v3" in page.locator("#setting-wd14 input").input_value()
    wait_until(page.locator("#offer-wd14").is_visible, "the next one is offered when it is switched on")
