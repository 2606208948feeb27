"""A real server on a free port with its own workspace, and a real Chromium that talks to nobody else."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page

from tests.browser import fake_app, units
from tests.browser.visiting import hold_still
from tests.zips import own_names

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BLANK = "about:blank"
START_LIMIT_S = 180.0  # on a machine that does other things as well


class _Program(subprocess.Popen[bytes]):
    """A process that is asked as one of multiprocessing is."""

    def is_alive(self) -> bool:
        return self.poll() is None

    def join(self, limit_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(limit_s)


class AppServer:
    """The app in a process of its own, with fake models; can be killed and started again on the same port."""

    def __init__(
        self,
        folder: Path,
        *,
        flags: Sequence[str] = (),
        delay_s: float = 0.05,
        labels_each: int = 0,
        unprepared: int = 0,
        warning: str = "",
        with_echo: bool = False,
        with_vlm: bool = False,
    ) -> None:
        self.folder = folder
        self.flags = flags
        self.answers = {
            "delay_s": delay_s,
            "labels_each": labels_each,
            "unprepared": unprepared,
            "warning": warning,
            "with_echo": with_echo,
            "with_vlm": with_vlm,
        }
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.environment: dict[str, str] = {}
        self._process: BaseProcess | _Program | None = None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _begun(self, flags: Sequence[str], environment: dict[str, str]) -> BaseProcess | _Program:
        process = fake_app.FORKED.Process(
            target=fake_app.run, args=(self.answers, flags, environment, self._log), daemon=True
        )
        process.start()
        return process

    def start(self) -> None:
        flags = ["--port", str(self.port), "--workspace", str(self.folder / "workspace"), *self.flags]
        kept = {
            **os.environ,
            "CAPTIONER_VOCABULARIES": str(self.folder / "workspace" / "vocabularies"),
            **self.environment,
        }
        self._process = self._begun(flags, kept)
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until and self._process.is_alive():
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
            except urllib.error.HTTPError:
                return  # it is there, and asks for a login
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise AssertionError(f"the server did not start:\n{self.log}")

    def kill(self) -> None:
        """SIGKILL: no clean-up of any kind."""
        assert self._process is not None
        self._process.kill()
        self._process.join(10)

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(10)
        if self._process.is_alive():
            self.kill()


class BareServer(AppServer):
    """The app as a person starts it first: no flags, and no real model on the machine."""

    def _begun(self, flags: Sequence[str], environment: dict[str, str]) -> BaseProcess | _Program:
        with self._log.open("ab") as log:
            command = [sys.executable, "app.py", *flags]
            return _Program(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One server for all tests that leave it running; each has caption sets of its own."""
    yield from _running(AppServer(tmp_path_factory.mktemp("server")))


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One whose model takes 0.3 s a picture."""
    yield from _running(AppServer(tmp_path_factory.mktemp("slow-server"), delay_s=0.3))


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The default start, with demo models."""
    server = BareServer(tmp_path_factory.mktemp("bare"))
    server.environment = {"HF_HOME": str(server.folder / "hub"), "HF_HUB_CACHE": str(server.folder / "hub")}
    yield from _running(server)


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The start with demo models that were asked for."""
    yield from _running(BareServer(tmp_path_factory.mktemp("demo-server"), flags=["--models", "demo"]))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[AppServer]:
    """One that the test may kill."""
    yield from _running(AppServer(tmp_path))


@pytest.fixture
def unprepared_server(tmp_path: Path) -> Iterator[AppServer]:
    """One whose CLIP model still has two thousand labels to embed, a hundred in 0.3 s."""
    yield from _running(AppServer(tmp_path, unprepared=2000))


@pytest.fixture
def long_unprepared_server(tmp_path: Path) -> Iterator[AppServer]:
    """One whose CLIP model is far from ready, however slow the test is: it embeds for two minutes."""
    yield from _running(AppServer(tmp_path, unprepared=40_000))


@pytest.fixture
def warning_server(tmp_path: Path) -> Iterator[AppServer]:
    """One whose WD14 tagger has something to say about how it runs."""
    yield from _running(AppServer(tmp_path, warning="runs on the CPU although there is a <GPU>."))


def _running(server: AppServer) -> Iterator[AppServer]:
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.fail("no Chromium is installed; sh tests/browser/install_chromium.sh does it on Debian.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def warm_context(chromium: Any) -> Iterator[Any]:
    """A browser profile whose cache has the page's files after the first test; a page opens in half the time then."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def context(warm_context: Any) -> Iterator[Any]:
    """A browser profile in which nothing is stored; what its pages ask of other machines, and errors in their scripts,
    fail the test. A page that the last test left blank is in it, for `open_page`: it opens in half of a new one's time.
    """
    with _watched(warm_context) as origins:
        yield warm_context
        warm_context.set_offline(False)
        _leave_blank(warm_context, origins)


@pytest.fixture
def own_context(chromium: Any) -> Iterator[Any]:
    """As `context`, for a test that teaches the browser something for good."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    with _watched(context):
        yield context
        context.close()


@pytest.fixture
def still(chromium: Any) -> Iterator[Any]:
    """A browser in which nothing moves, so that colours are what they will be."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    hold_still(context)
    yield context
    context.close()


@contextmanager
def _watched(context: Any) -> Iterator[set[str]]:
    """Gives the origins that pages asked; asserts at the end that they asked no other machine and nothing broke."""
    origins: set[str] = set()
    foreign: list[str] = []
    broken: list[str] = []

    def hear(error: Any) -> None:
        broken.append(str(error))

    def watch(page: Any) -> None:
        Page.on(page, "pageerror", hear)  # not as a test asks it

    def note(request: Any) -> None:
        if request.url.startswith("http://127.0.0.1"):
            origins.add("/".join(request.url.split("/")[:3]))
        elif not request.url.startswith(("data:", "blob:")):
            foreign.append(request.url)

    for page in context.pages:
        watch(page)
    context.on("request", note)
    context.on("page", watch)
    yield origins
    context.remove_listener("request", note)
    context.remove_listener("page", watch)
    for page in context.pages:
        page.remove_listener("pageerror", hear)
    assert not foreign, "the page asked other machines"
    assert not broken, "a script of the page failed"


# What a test asks of a page that lasts beyond a navigation: such a page is not used again.
_LASTING = (
    *("on", "once", "route", "route_from_har", "route_web_socket", "expose_function", "expose_binding"),
    *("add_init_script", "add_locator_handler", "set_viewport_size", "emulate_media", "set_extra_http_headers"),
)


def _blank(context: Any) -> Any:
    """A new page that tells by `is_as_new` whether it may be used again."""
    page = context.new_page()
    page.is_as_new = True
    for name in _LASTING:
        setattr(page, name, partial(_ask_for_good, page, name))
    return page


def _ask_for_good(page: Any, name: str, *values: Any, **named: Any) -> Any:
    page.is_as_new = False
    return getattr(Page, name)(page, *values, **named)


def _leave_blank(context: Any, origins: set[str]) -> None:
    """Leaves one blank page without a past, and nothing of what pages of these origins stored; the cache stays."""
    kept = None
    for page in context.pages:
        if kept is None and getattr(page, "is_as_new", False) and page.url.startswith((BLANK, *origins)):
            kept = page
        else:
            page.close()
    if kept is None:
        kept = _blank(context)
    elif kept.url != BLANK:
        kept.mouse.move(0, 0)
        # What it still writes while it is left would come behind the clearing below.
        kept.evaluate("Storage.prototype.setItem = () => {}; sessionStorage.clear(); localStorage.clear()")
        kept.evaluate("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
        kept.goto(BLANK)
    session = context.new_cdp_session(kept)
    for origin in origins:
        session.send(
            "Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "cookies,local_storage,indexeddb"}
        )
    session.send("Page.resetNavigationHistory")
    session.detach()


@pytest.fixture(scope="session")
def blank_page() -> Iterator[str]:
    """The address of a blank page that can import the script's modules."""
    with units.served() as url:
        yield url


@pytest.fixture
def new_tab(own_context: Any, blank_page: str) -> Callable[[], units.Tab]:
    """Opens a tab with the modules that need no element, each call another one of the same browser; its clock, which
    stands still, is the whole browser's."""
    return lambda: units.Tab(own_context.new_page(), blank_page)


@pytest.fixture(scope="session")
def unit_page(chromium: Any) -> Iterator[Any]:
    """The page of all tests that need one `tab`; each loads it anew."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def tab(unit_page: Any, blank_page: str) -> Iterator[units.Tab]:
    """As `new_tab` gives, for a test that needs one only."""
    broken: list[str] = []

    def note(error: Any) -> None:
        broken.append(str(error))

    unit_page.on("pageerror", note)
    yield units.Tab(unit_page, blank_page)
    unit_page.goto(blank_page)  # what a page does as it is left is done then
    unit_page.evaluate("localStorage.clear()")
    unit_page.remove_listener("pageerror", note)
    assert not broken, "a script of the page failed"


def open_page(context: Any, url: str) -> Any:
    """A tab with the workbench on it, ready to be used; what lies under More of the sentence is open."""
    page = next((page for page in context.pages if page.url == BLANK), None) or context.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    page.wait_for_selector(".cw[data-ready=true]")
    page.wait_for_selector("#cw-side:not([inert])")  # until then a key on a setting is lost
    open_more(page, "blip")
    return page


def open_more(page: Any, key: str) -> None:
    """Opens what lies under More in the open tab. Args: key: a family, or recipe."""
    page.locator(f"#more-{key} > button").click()
    page.locator(f"#more-{key} [id^=setting-]:visible").first.wait_for()


def open_all_more(page: Any) -> None:
    """Opens all that lies under More in the open tab, and waits until it is drawn."""
    closed = page.locator("[id^=more-]:visible > button:visible:not(.open)")
    closed.evaluate_all("buttons => buttons.forEach((button) => button.click())")
    wait_until(lambda: closed.count() == 0, "all are open")
    settings, before = page.locator("#cw-side [id^=setting-]"), -1
    while before != settings.count():  # Gradio makes them once they are opened
        before = settings.count()
        drawn(page)


def switch_on(page: Any, key: str) -> None:
    """Switches a tagger on; the tab Tags is open afterwards."""
    page.get_by_role("tab", name="Tags").click()
    page.locator(f"#setting-{key}_on input").check()


def add_pictures(page: Any, files: list[Path]) -> None:
    """Adds pictures by the button's file input and waits until all are listed, and drawn."""
    wanted = count(page) + len(files)
    page.set_input_files("#cw-files", [str(file) for file in files])
    wait_until(lambda: count(page) == wanted and page.locator("#cw-progress").is_hidden(), "all pictures are listed")
    drawn(page)


def count(page: Any) -> int:
    """How many pictures the page says there are."""
    words = (page.locator("#cw-count").text_content() or "0").split()
    return int(words[0])


_FRAMES = """() => new Promise((done) => {
    const next = (left) => (left ? requestAnimationFrame(() => next(left - 1)) : done());
    next(3);
})"""


def drawn(page: Any) -> None:
    """Lets the page draw what it knows: lists are drawn with the next frame, what follows a new size one later."""
    page.evaluate(_FRAMES)


def names(page: Any) -> list[str]:
    """The names of the thumbnails in sight, in order of their place."""
    drawn(page)
    cells = page.locator(".cw-cell").evaluate_all(
        "cells => cells.map(cell => [+cell.getAttribute('aria-posinset'), cell.getAttribute('aria-label')])"
    )
    return [label.rsplit(", ", 1)[0] for _, label in sorted(cells)]


def states(page: Any) -> dict[str, str]:
    """Picture name -> state, of the thumbnails in sight."""
    drawn(page)
    cells = page.locator(".cw-cell").evaluate_all(
        "cells => cells.map(cell => [cell.getAttribute('aria-label'), cell.dataset.state])"
    )
    return {label.rsplit(", ", 1)[0]: state for label, state in cells}


def select(page: Any, name: str) -> None:
    """Clicks a picture's thumbnail."""
    page.locator(f'.cw-cell[aria-label^="{name},"]').click()


def caption(page: Any) -> str:
    """What stands in the editor."""
    return str(page.locator("#cw-editor").input_value())


def wait_saved(page: Any) -> None:
    """Until the page says that the server has everything, and nothing is kept in the browser."""
    look = (
        "() => [document.getElementById('cw-save').dataset.state, document.getElementById('cw-save').textContent,"
        " Object.entries(localStorage).filter(([key]) => key.startsWith('captioner/edit/'))]"
    )
    seen: list[Any] = []
    until = time.monotonic() + 20
    while time.monotonic() < until:
        seen = page.evaluate(look)
        if seen[0] == "saved" and not seen[2]:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not everything is saved: {seen}")


def wait_until(condition: Any, what: str, limit_s: float = 20.0) -> None:
    """Polls a condition that asks a page."""
    until = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {limit_s} s in vain until {what}")
        time.sleep(0.05)


def downloaded(page: Any) -> dict[str, str]:
    """Caption file name -> text, of the zip that the page would download."""
    set_id = page.url.partition("set=")[2]
    answer = page.request.get(f"{page.url.partition('?')[0]}sets/{set_id}/export")
    assert answer.ok, answer.text()
    with zipfile.ZipFile(io.BytesIO(answer.body())) as archive:
        return {name: archive.read(name).decode() for name in own_names(archive)}


def picture(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (320, 240), **options: Any) -> Path:
    """A picture file of one colour with a dark bar along its top edge."""
    image = Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour)
    ImageDraw.Draw(image).rectangle((0, 0, size[0], size[1] // 8), fill=(10, 10, 10))
    buffer = io.BytesIO()
    image.save(buffer, {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[path.suffix], **options)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Six pictures: a JPEG that EXIF turns, a transparent PNG, a WebP, two with one stem, and a plain one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    return [
        picture(folder / "turned.jpg", (200, 40, 30), exif=turned),
        picture(folder / "clear.png", (20, 180, 40, 90)),
        picture(folder / "modern.webp", (30, 60, 200)),
        picture(folder / "twin.jpg", (30, 190, 60)),
        picture(folder / "twin.png", (200, 50, 60)),
        picture(folder / "plain.png", (40, 50, 220)),
    ]


assert os.name == "posix", "the browser tests end servers with signals"
