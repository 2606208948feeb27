"""Tabs that see one set agree on its settings; a job that the end of the app cut off is offered again, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.ui import workbench
from tests.browser.conftest import AppServer, _running, add_pictures, open_page, picture, states, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def killed_server(tmp_path: Path) -> Iterator[AppServer]:
    """One that the test kills, whose model takes half a second a picture."""
    yield from _running(AppServer(tmp_path, delay_s=0.5))


def test_what_a_tab_moved_itself_is_not_told_as_another_tab_s(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / "a.png", (40, 30, 30))])

    def answer(name: str) -> Any:
        return page.expect_response(lambda got: f'"{name}"' in (got.request.post_data or ""))

    with answer("settings_changed"):
        page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    for _ in range(3):  # the second look that finds another tab's settings tells of them
        with answer("changes"):
            page.evaluate(f"import('/{workbench.address('set/sync.js')}').then((sync) => sync.lookSoon())")
    page.evaluate("() => new Promise((done) => setTimeout(done))")  # what the last answer says is shown
    assert "another tab" not in page.locator("#cw-brief").inner_text()


def test_two_tabs_agree_and_a_job_outlives_the_app(killed_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, killed_server.url)
    add_pictures(page, [picture(tmp_path / f"{number}.png", (number * 40, 30, 30)) for number in range(6)])
    other = open_page(context, page.url)

    beams = "#setting-num_beams input[type=range]"
    before = page.locator(beams).input_value()
    page.locator(beams).press("ArrowRight")
    after = str(int(before) + 1)
    wait_until(lambda: other.locator(beams).input_value() == after, "the other tab has the setting")
    other.get_by_text("Settings changed in another tab").wait_for()
    other.locator("#cw-brief-actions").get_by_role("button", name="Undo").click()
    wait_until(lambda: page.locator(beams).input_value() == before, "what was taken back there is taken back here")

    page.locator("#cw-caption-all").click()
    other.get_by_text("Captioning began in another tab").wait_for()
    wait_until(lambda: "generated" in states(page).values(), "a caption is there")
    killed_server.kill()
    killed_server.start()
    offer = page.locator(".cw-notice").filter(has_text="when the app ended")
    offer.get_by_role("button", name="Resume").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "the job went on")
    wait_until(lambda: not other.locator(".cw-notice").filter(has_text="when the app ended").count(), "it is decided")

    page.locator("#cw-sets-open").click()
    page.locator("#cw-jobs-open").click()
    jobs = page.locator("#cw-jobs .cw-job")
    jobs.first.wait_for()
    assert "cut off when the app ended, gone on with later" in jobs.nth(1).inner_text()
    assert "fake-blip" in jobs.first.inner_text()
