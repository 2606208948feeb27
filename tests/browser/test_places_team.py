"""The places where people have logins, and of the files that they keep, are open to everybody (`visiting`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.users import add_user
from captioner.workspace import Workspace
from tests.browser.conftest import AppServer, open_page, switch_on
from tests.browser.visiting import Place, click, hold_still, look_at, visit
from tests.service_makers import RED, png

pytestmark = pytest.mark.browser

LOGIN = {"username": "ada", "password": "a long word"}


@pytest.fixture(scope="module")
def team_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppServer, str]]:
    """One with a user who is no operator, and the id of a set from before there were users."""
    folder = tmp_path_factory.mktemp("team")
    with Workspace(folder / "workspace") as workspace:
        set_id = workspace.create_set("Harbour")
        workspace.add_picture(set_id, "red.png", png(RED))
    add_user(folder / "users", LOGIN["username"], LOGIN["password"])
    server = AppServer(folder, flags=["--auth-file", str(folder / "users")])
    server.start()
    yield server, set_id
    server.stop()


@pytest.fixture(params=[(1440, 900), (1366, 768), (390, 844)], ids=["wide", "laptop", "phone"])
def page(request: Any, chromium: Any, team_server: tuple[AppServer, str]) -> Iterator[Any]:
    """The set that is nobody's, as ada sees it."""
    server, set_id = team_server
    width, height = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": height}, http_credentials=LOGIN, reduced_motion="reduce"
    )
    hold_still(context)
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    opened.goto(f"{server.url}?set={set_id}")
    opened.wait_for_selector(".cw[data-ready=true]")
    yield opened
    context.close()


def _locked_models(page: Any) -> None:
    if page.locator("#cw-tools-open").is_visible():
        page.locator("#cw-tools-open").click()
    page.locator("#cw-models-open").click()
    page.locator(".cw-model").first.wait_for()
    assert page.locator(".cw-model [data-action]").count() == 0


TEAM_PLACES: tuple[Place, ...] = (
    ("the menu of a set that is nobody's", click("#cw-sets-open", "#cw-make-mine")),
    ("the models, for who is no operator", _locked_models),
)


def test_what_people_with_logins_see_is_open_to_everybody(page: Any) -> None:
    found = visit(page, TEAM_PLACES)
    assert not found, "\n".join(found)


def _bin(page: Any, folder: Path) -> None:
    """A vocabulary of a long name in the bin, and one that is chosen."""
    page.on("dialog", lambda dialog: dialog.accept())
    for name in ("colours of harbour towns in the north at night", "colours"):
        (folder / f"{name}.txt").write_text(f"{name}\nrot\n")
        page.set_input_files(".cw-kept input[type=file]", str(folder / f"{name}.txt"))
        page.locator(".cw-kept option:checked", has_text=name).wait_for(state="attached")
        if name != "colours":
            page.locator(".cw-kept [data-do=delete]").click()
            page.locator(".cw-kept-bin p").wait_for()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1366, 768), (390, 844)])
def test_vocabularies_in_the_bin_are_open_to_everybody(
    server: AppServer, chromium: Any, tmp_path: Path, width: int, height: int
) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    hold_still(context)
    page = open_page(context, server.url)
    page.set_input_files("#cw-files", [{"name": "a.png", "mimeType": "image/png", "buffer": png(RED)}])
    switch_on(page, "clip")
    page.locator("#more-clip > button").click()
    _bin(page, tmp_path)
    page.set_viewport_size({"width": width, "height": height})
    page.locator(".cw-kept-bin p").evaluate("bin => bin.scrollIntoView({ block: 'center' })")
    found = look_at(page, "vocabularies in the bin")
    context.close()
    assert not found, "\n".join(found)
