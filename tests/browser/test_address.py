"""Where the page's script comes from: once a version, under a path of a proxy, and behind a login."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from captioner.ui import workbench
from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    downloaded,
    names,
    open_page,
    select,
    states,
    wait_saved,
    wait_until,
)
from tests.browser.proxy import PATH, proxied

pytestmark = pytest.mark.browser

_TRANSFERS = """
() => performance.getEntriesByType('resource')
  .filter(({ name }) => name.includes('/workbench/'))
  .map(({ name, transferSize }) => [new URL(name).pathname, transferSize])
"""


def _work(page: Any, pictures: list[Path]) -> None:
    """What a person does: pictures, a run, a moved control, an edit, a reload and the zip."""
    add_pictures(page, pictures[:2])
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "both are captioned", 60)
    page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    page.wait_for_selector("#cw-suggestion:not([hidden])[data-busy=false]")
    select(page, "clear.png")
    page.locator("#cw-editor").fill("by hand")
    wait_saved(page)
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: names(page) == ["clear.png", "turned.jpg"], "the set is back")
    select(page, "clear.png")
    assert caption(page) == "by hand"
    wait_until(lambda: page.locator("#cw-image").evaluate("(image) => image.naturalWidth") > 0, "the picture is there")
    assert downloaded(page)["clear.txt"] == "by hand"


def test_a_reload_fetches_no_module_again(server: AppServer, own_context: Any) -> None:
    page = open_page(own_context, server.url)
    first = dict(page.evaluate(_TRANSFERS))
    assert set(first) == {f"/{workbench.address(module)}" for module in workbench.modules()}
    assert all(first.values())
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    again = dict(page.evaluate(_TRANSFERS))
    assert set(again) == set(first)
    assert not any(again.values())


def test_a_module_that_does_not_come_is_told(server: AppServer, chromium: Any) -> None:
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.route("**/views/grid.js", lambda route: route.abort())
        page.goto(server.url)
        wait_until(lambda: "reload it" in page.locator("#cw-notices").inner_text(), "the page says so")
    finally:
        context.close()


def test_settings_that_come_before_the_script_are_not_lost(server: AppServer, context: Any) -> None:
    page = context.new_page()
    page.route("**/start.js", lambda route: (page.wait_for_timeout(1500), route.continue_()))
    page.goto(server.url)
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: page.locator("#preset-blip input").input_value() == "BLIP paper", "the preset is recognised")
    assert page.locator("#setting-top_p").is_hidden()


def test_everything_works_under_a_path_of_a_proxy(
    tmp_path: Path, context: Any, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", PATH)  # how Gradio is told, whose page it is
    server = AppServer(tmp_path)
    server.start()
    try:
        with proxied(server.port) as url:
            page = open_page(context, url)
            _work(page, pictures)
            assert all(path.startswith(f"{PATH}/workbench/") for path, _ in page.evaluate(_TRANSFERS))
            page.close()
    finally:
        server.stop()


def test_everything_works_behind_a_login(chromium: Any, tmp_path: Path, pictures: list[Path]) -> None:
    server = AppServer(tmp_path, flags=["--auth", "anna:secret"])
    server.start()
    context = chromium.new_context(http_credentials={"username": "anna", "password": "secret"})
    broken: list[str] = []
    context.on("page", lambda page: page.on("pageerror", lambda error: broken.append(str(error))))
    try:
        _work(open_page(context, server.url), pictures)
        assert broken == []
        stranger = chromium.new_context()
        assert stranger.request.get(server.url + workbench.address("start.js")).status == 401
        stranger.close()
    finally:
        context.close()
        server.stop()
