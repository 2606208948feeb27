"""Whole jobs of the people the page is for, from the first click to the checked zip, with what they cost counted."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, AppServer, BareServer, caption, count, picture, wait_saved, wait_until
from tests.hub_server import HubServer
from tests.zips import own_files

pytestmark = pytest.mark.browser

LISTEN = """for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, (event) => {
    const isText = event.key?.length === 1 && !event.ctrlKey && event.target.matches('input, textarea');
    if (event.isTrusted && !isText) spent(kind);
}, true)"""


@pytest.fixture
def context(own_context: Any) -> Any:
    """One of their own: it learns to count."""
    return own_context


class Effort:
    """Counts what a person does on a browser's pages: clicks, and keys that are no text typed into a box."""

    def __init__(self, context: Any) -> None:
        self._spent: list[str] = []
        context.expose_binding("spent", lambda _, kind: self._spent.append(kind))
        context.add_init_script(LISTEN)

    @property
    def clicks(self) -> int:
        return self._spent.count("pointerdown")

    @property
    def keys(self) -> int:
        return self._spent.count("keydown")


def _opened(context: Any, url: str) -> Any:
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    page.wait_for_selector(".cw[data-ready=true]")
    return page


def _zip(page: Any) -> dict[str, bytes]:
    """What the zip has that the open menu's button gives."""
    with page.expect_download() as waited:
        page.locator("#cw-download").click()
    with zipfile.ZipFile(io.BytesIO(Path(waited.value.path()).read_bytes())) as archive:
        return own_files(archive)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Thirty drawn scenes, some of dogs."""
    folder = tmp_path_factory.mktemp("scenes")
    draw = [sys.executable, "-m", "demo.scenes", "--seed", "77", "--count", "30", "--out", str(folder)]
    subprocess.run(draw, cwd=ROOT, check=True, capture_output=True)
    return sorted(folder.glob("*.png"))


@pytest.fixture
def first_start(tmp_path: Path) -> Iterator[AppServer]:
    """The app without flags on a machine without models, and a hub whose real models are the demo ones."""
    demo = ROOT / "assets" / "demo"
    blip = tmp_path / "blip"
    shutil.copytree(demo / "blip-demo", blip)
    processor = json.loads((blip / "processor_config.json").read_text())
    (blip / "preprocessor_config.json").write_text(json.dumps(processor["image_processor"]))  # as on the hub
    repositories = {
        "Salesforce/blip-image-captioning-base": blip,
        "SmilingWolf/wd-vit-tagger-v3": demo / "wd14-demo",
    }
    with HubServer(repositories) as hub:
        server = BareServer(tmp_path)
        home = str(tmp_path / "home")
        server.environment = {"HF_ENDPOINT": hub.url, "HF_HOME": home, "HF_HUB_CACHE": f"{home}/hub"}
        server.start()
        yield server
        server.stop()


def _switch_tags_on(page: Any) -> None:
    page.get_by_role("tab", name="Tags").click()
    page.locator("#setting-wd14_on input").click()


def _make_first_set(page: Any, scenes: list[Path]) -> None:
    """From the empty page to a zip with pictures: trigger word, and the class called by the subject's name."""
    with page.expect_file_chooser() as chooser:
        page.locator("#cw-add-first").click()
    chooser.value.set_files([str(scene) for scene in scenes])
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-prefix").get_by_role("textbox").click()
    page.keyboard.type("ohwx")
    for word in ("", "dog", "zwx dog"):  # the suffix is passed by
        page.keyboard.press("Tab")
        page.keyboard.type(word)
    page.keyboard.press("Tab")
    wait_until(lambda: count(page) == len(scenes) and page.locator("#cw-progress").is_hidden(), "all are there", 120)
    page.locator("#cw-caption-all").click()
    wait_until(lambda: _said(page) == f"{len(scenes)} pictures captioned", "all are captioned", 240)
    page.locator("#cw-download-open").click()
    page.locator("#cw-download-form [name=with_pictures]").click()
    files = _zip(page)

    assert len(files) == 2 * len(scenes)
    texts = [files[f"{scene.stem}.txt"].decode() for scene in scenes]
    assert all(files[scene.name] == scene.read_bytes() for scene in scenes)
    assert all(text.startswith("ohwx, ") and text.count(", ") > 2 for text in texts), texts
    assert any("zwx dog" in text for text in texts), texts
    assert not any(re.search(r"(?<!zwx )\bdog\b", text) for text in texts), texts


def _said(page: Any) -> str:
    return str(page.locator("#cw-brief").inner_text())


def test_a_first_set_is_made_with_nine_clicks(demo_server: AppServer, context: Any, scenes: list[Path]) -> None:
    effort = Effort(context)
    page = _opened(context, demo_server.url)
    _switch_tags_on(page)
    _make_first_set(page, scenes)
    assert effort.clicks == 9


def test_a_first_set_is_made_in_the_default_start_with_ten_clicks_and_the_real_models(
    first_start: AppServer, context: Any, scenes: list[Path]
) -> None:
    effort = Effort(context)
    page = _opened(context, first_start.url)
    _switch_tags_on(page)
    page.locator("#cw-real").get_by_role("button", name="Take the real models").click()
    wait_until(lambda: _said(page) == "Prepared", "they are downloaded", 120)
    assert page.locator("#cw-real").is_hidden()
    _make_first_set(page, scenes[:12])
    assert effort.clicks == 10
    page.get_by_role("tab", name="Sentence").click()
    assert "blip-base" in page.locator("#setting-captioner input").input_value()


PICTURES, TYPOS, LONG = 60, 37, 5


def _captioned_files(folder: Path) -> list[str]:
    """Pictures with a caption beside each: a typo in 37 of them, five others too long for CLIP."""
    files = []
    for number in range(PICTURES):
        path = picture(folder / f"{number:03}.png", (number * 4, 80, 120), (48, 36))
        noun = "poto" if number < TYPOS else "drawing"
        tail = ", long hair" * 40 if number >= PICTURES - LONG else ""
        path.with_suffix(".txt").write_text(f"a {noun} of house {number}{tail}")
        files += [str(path), str(path.with_suffix(".txt"))]
    return files


def _where(page: Any) -> list[str]:
    view = page.locator('#cw-view [aria-pressed="true"]').get_attribute("value")
    return [page.locator("#cw-name").inner_text(), page.locator("#cw-filter").input_value(), str(view)]


def test_a_set_with_captions_is_corrected_by_few_keys_reviewed_and_gone_on_with_tomorrow(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    effort = Effort(context)
    page = _opened(context, server.url)
    page.set_input_files("#cw-files", _captioned_files(tmp_path))
    wait_until(lambda: count(page) == PICTURES and page.locator("#cw-progress").is_hidden(), "all are there", 120)

    page.keyboard.press("Control+h")
    page.keyboard.type("poto")
    page.keyboard.press("Enter")
    page.keyboard.type("photo")
    wait_until(lambda: "photo" in page.locator(".cw-change").first.inner_text(), "it is shown first")
    assert f"{TYPOS} of {PICTURES}" in page.locator("#cw-bulk-message").inner_text()
    page.keyboard.press("Enter")  # to the button
    page.keyboard.press("Enter")
    wait_until(lambda: _said(page).startswith(f"{TYPOS} captions changed"), "all are changed")
    assert effort.keys == 5  # Control and h, and Enter thrice

    before = effort.keys
    page.keyboard.press("/")
    page.keyboard.type("tokens:>75")
    listed = page.locator("#cw-count")
    wait_until(lambda: listed.inner_text() == f"{LONG} of {PICTURES} pictures", "they are found")
    page.keyboard.press("Enter")
    assert effort.keys - before <= 2
    assert page.locator("#cw-name").inner_text() == f"{PICTURES - LONG:03}.png"
    page.keyboard.press("Control+a")
    page.keyboard.type("a short caption")
    assert caption(page) == "a short caption"
    for _ in range(2):
        page.keyboard.press("Control+Space")
    page.locator("#cw-view [value=list]").click()
    wait_until(lambda: page.locator("#cw-reviewed-count").inner_text() == f"2 of {PICTURES} reviewed", "two are good")
    wait_saved(page)
    place = _where(page)
    assert place == ["057.png", "tokens:>75", "list"]
    page.close()

    page = _opened(context, server.url)  # the next day
    before = effort.clicks
    page.get_by_role("link", name="Continue at 057.png").click()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: _where(page) == place, "it goes on where it was")
    assert effort.clicks - before == 1
    page.locator("#cw-download-open").click()
    texts = {name: text.decode() for name, text in _zip(page).items()}
    assert len(texts) == PICTURES
    assert not any("poto" in text for text in texts.values())
    assert sum("photo" in text for text in texts.values()) == TYPOS
    assert texts["055.txt"] == "a short caption"
