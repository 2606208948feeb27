"""Before pictures leave this machine the page asks, whatever begins it; a no sends none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import AppServer, open_page, states, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def far_server(tmp_path: Path) -> Iterator[AppServer]:
    """One whose captioners include a server elsewhere; 192.0.2.1 is nobody's address."""
    server = AppServer(tmp_path / "far")
    server.folder.mkdir()
    server.flags = [*server.flags, "--endpoint", "far=http://192.0.2.1:9"]
    server.start()
    yield server
    server.stop()


def test_a_no_sends_no_picture_and_a_yes_goes_on(far_server: AppServer, own_context: Any, pictures: list[Path]) -> None:
    page = open_page(own_context, far_server.url)
    page.set_input_files("#cw-files", [str(file) for file in pictures[:2]])
    wait_until(lambda: len(states(page)) == 2, "both are there")
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name="far").first.click()
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss() if len(asked) == 1 else dialog.accept()

    page.on("dialog", answer)
    page.locator("#cw-caption-all").click()
    notice = page.locator(".cw-notice", has_text="No picture was sent.")
    notice.wait_for()
    assert asked == ["Pictures leave this machine. They are sent to 192.0.2.1, without place or camera. Send them?"]
    assert page.locator("#cw-stop").is_hidden()
    notice.locator(".cw-close").click()
    with page.expect_response(lambda reply: '"agreed"' in (reply.request.post_data or "")):
        page.locator("#cw-caption-all").click()
    assert len(asked) == 2
