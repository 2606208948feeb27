"""The picture in the README, made by the real page with the demo models: CAPTIONER_SCREENSHOT=1 pytest this file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    ROOT,
    AppServer,
    add_pictures,
    caption,
    open_page,
    select,
    states,
    switch_on,
    wait_saved,
    wait_until,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.environ.get("CAPTIONER_SCREENSHOT"), reason="writes assets/screenshot.png when asked"),
]


def test_the_page_has_its_picture_taken(demo_server: AppServer, context: Any, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    draw = [sys.executable, "-m", "demo.scenes", "--seed", "77", "--count", "18", "--out", str(scenes)]
    subprocess.run(draw, cwd=ROOT, check=True, capture_output=True)
    page = open_page(context, demo_server.url)
    add_pictures(page, sorted(scenes.glob("*.png")))
    switch_on(page, "wd14")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all in sight are captioned", 120)
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has ended", 120)
    select(page, "scene-77-00002.png")
    page.locator("#cw-editor").fill("sks style, " + caption(page))
    wait_saved(page)
    page.locator("#cw-sets-open").click()
    page.locator("#cw-rename").fill("Drawn scenes")
    wait_until(lambda: page.title() == "Drawn scenes – Captioner", "the set is named")
    page.locator("#cw-rename").press("Enter")
    select(page, "scene-77-00005.png")
    page.locator("#preset-blip input").click()
    page.get_by_role("option", name="EveryDream beam").click()
    page.wait_for_selector("#cw-suggestion:not([hidden])[data-busy=false]", timeout=120_000)
    page.locator("#cw-brief-close").click()
    page.locator("#cw-steps-close").click()
    page.screenshot(path=ROOT / "assets" / "screenshot.png")
