"""The experiment that people printed and painted: four pictures, repetition penalty against minimum length, 5 x 5.

Every cell becomes green, yellow or red by keys; then the settings that were best are taken. On the demo models, from
the pictures to the PNG.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from demo.drawing import draw
from demo.scene import Scene
from demo.scenes import scene_from_seed
from tests.browser.comparing import cell, heads, open_compare, ratings, start, wait_done
from tests.browser.conftest import AppServer, add_pictures, open_page, wait_until

pytestmark = pytest.mark.browser

KEYS = {"green": "1", "yellow": "2", "red": "3"}
# The demo world has no people: an animal in a landscape stands for a person in a place.
KINDS: dict[str, Callable[[Scene], bool]] = {
    "person": lambda scene: scene.groups[0].noun in ("cat", "dog") and scene.background == "grass",
    "item": lambda scene: scene.groups[0].noun == "car" and scene.background == "white" and scene.style != "icon",
    "character": lambda scene: bool(scene.characters) and scene.style == "cartoon",
    "icon": lambda scene: scene.style == "icon",
}


def _pictures(folder: Path) -> list[Path]:
    """One of each kind, with one thing in it."""
    found = []
    for kind, is_one in KINDS.items():
        scenes = (scene_from_seed(f"experiment {kind}", index) for index in count())
        scene = next(scene for scene in scenes if len(scene.groups) == 1 and is_one(scene))
        found.append(folder / f"{kind}.png")
        draw(scene).resize((384, 384)).save(found[-1])
    return found


def _judged(caption: str) -> str:
    """As somebody judges who wants whole sentences: red where words go round in circles, yellow where it is long."""
    words = caption.split()
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    if max(threes.values(), default=0) > 1:
        return "red"
    return "yellow" if len(words) > 20 else "green"


def _rate_all(page: Any) -> list[str]:
    """Rates the 25 cells in sight, row by row. Returns: the colours they were given."""
    texts = page.locator("#cw-compare-table .cw-compare-text").all_text_contents()
    wanted = [_judged(text) for text in texts]
    cell(page, 0).click()
    for row in range(5):
        if row:
            page.keyboard.press("Home")
            page.keyboard.press("ArrowDown")
        for column in range(5):
            if column:
                page.keyboard.press("ArrowRight")
            page.keyboard.press(KEYS[wanted[5 * row + column]])
    wait_until(lambda: ratings(page) == wanted, "all are rated")
    return wanted


def _words(colours: list[str]) -> str:
    counts = Counter(colours)
    return ", ".join(f"{counts[colour]} {colour}" for colour in KEYS if counts[colour])


def _download(page: Any, kind: str) -> bytes:
    page.locator("#cw-compare-files summary").click()
    with page.expect_download() as waited:
        page.locator(f"[data-file={kind}]").click()
    return Path(waited.value.path()).read_bytes()


def test_four_pictures_are_compared_rated_and_summed_up_and_lead_to_settings_and_a_picture(
    demo_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, demo_server.url)
    add_pictures(page, _pictures(tmp_path))
    page.keyboard.press("Control+a")
    open_compare(page)
    assert page.locator("[name=preset]:checked").get_attribute("value") == "everydream-beam"
    assert "4 pictures × 25 cells: 100 captions." in page.locator("#cw-compare-size").inner_text()
    start(page)
    wait_done(page)

    rated: list[list[str]] = []
    for place in range(4):
        page.locator("#cw-compare-pictures button:not([data-id=''])").nth(place).click()
        wait_until(
            lambda place=place: page.locator("#cw-compare-table [data-state=done]").count() == 25, "all are there"
        )
        rated.append(_rate_all(page))

    columns = [_words([one[cell] for one in rated for cell in range(column, 25, 5)]) for column in range(5)]
    rows = [_words([one[cell] for one in rated for cell in range(5 * row, 5 * row + 5)]) for row in range(5)]
    assert heads(page) == columns
    assert heads(page, "row") == rows
    assert columns[0] == "20 red", "a penalty of 0.01 makes BLIP go round in circles"
    page.locator("#cw-compare-tab-summary").click()
    summary = page.locator("#cw-compare-summary")
    wait_until(
        lambda: f"Repetition penalty (q_factor) 1.4: {columns[3]}" in summary.inner_text(), "it is summed up in words"
    )
    wait_until(lambda: page.locator(".cw-compare-agreement tbody tr").count() > 2, "each score is held against them")
    page.get_by_role("button", name="Use my ratings for the probabilities").click()
    page.get_by_role("button", name="Back to the probabilities that came with the models").click()
    page.get_by_role("button", name="Use my ratings for the probabilities").wait_for()

    best = next(place for place in range(25) if all(one[place] == "green" for one in rated))
    cell(page, best).click()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_text("These settings are in use now").wait_for()
    png = Image.open(io.BytesIO(_download(page, "png")))
    assert png.width > 1000
    assert png.height > png.width
    told = json.loads(_download(page, "json"))
    assert told["name"] == "EveryDream beam"
    assert len(told["pictures"]) == 4
    lines = [*csv.DictReader(io.StringIO(_download(page, "csv").decode()))]
    assert [line["rating"] for line in lines] == [colour for one in rated for colour in one]
    whole = _download(page, "html").decode()
    assert whole.count("<td") == 100
    assert whole.count("data:image/") == 4
    page.keyboard.press("Escape")
    length = page.locator("#setting-min_length input[type=number]")
    lengths = ("5", "15", "22", "30", "48")
    wait_until(lambda: length.input_value() == lengths[best // 5], "the controls have the best cell's settings")
    assert page.locator("#setting-num_beams input[type=number]").input_value() == "16"
