"""Captions that others wrote: looked at in a dialog, then taken, and taken back by undo."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    names,
    open_page,
    picture,
    select,
    states,
    wait_until,
)

pytestmark = pytest.mark.browser


def _choose(page: Any, *files: Path) -> None:
    page.locator("#cw-files").set_input_files([str(file) for file in files])


def _rows(page: Any) -> list[str]:
    return [str(text) for text in page.locator("#cw-import-first dd").all_inner_texts()]


def _caption_of(page: Any, name: str) -> str:
    select(page, name)
    return caption(page)


def _list(path: Path, **captions: str) -> Path:
    rows = (json.dumps({"file_name": f"{name}.png", "text": text}) for name, text in captions.items())
    path.write_text("\n".join(rows))
    return path


def test_a_list_is_shown_before_it_is_taken(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / f"{name}.png", (number * 60, 80, 90)) for number, name in enumerate("abc")])
    _choose(page, _list(tmp_path / "metadata.jsonl", a="a <b>cat</b>", b="one\ntwo", gone="nobody's"))
    dialog = page.locator("#cw-import")
    dialog.wait_for()
    assert page.locator("#cw-import-what").inner_text() == "Hugging Face's JSONL: 2 captions."
    assert _rows(page) == ["a <b>cat</b>", "one\ntwo"]
    assert set(states(page).values()) == {"empty"}  # so far nothing happened
    assert "1 caption has no picture" in page.locator("#cw-import-told").inner_text()
    page.locator("#cw-import-lines").select_option("first")
    wait_until(lambda: _rows(page)[1] == "one", "the choice is shown")
    page.locator("#cw-import-go").click()
    wait_until(lambda: list(states(page).values()).count("existing") == 2, "they are taken")
    assert "Imported; undo takes the captions back." in page.locator("#cw-brief").inner_text()
    assert (_caption_of(page, "a.png"), _caption_of(page, "b.png")) == ("a <b>cat</b>", "one")
    page.locator("#cw-undo").click()
    wait_until(lambda: set(states(page).values()) == {"empty"}, "one step takes all back")


def test_the_captions_that_would_be_replaced_are_named(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / f"{name}.png", (number * 60, 80, 90)) for number, name in enumerate("ab")])
    _choose(page, _list(tmp_path / "first.jsonl", a="a grey cat", b="a dog"))
    page.locator("#cw-import-go").click()
    wait_until(lambda: set(states(page).values()) == {"existing"}, "both have captions")
    _choose(page, _list(tmp_path / "second.jsonl", a="a red cat", b="a dog"))
    which = page.locator("#cw-import-replaces")
    which.locator("summary").click()
    assert which.locator("li").all_inner_texts() == ["a.png a grey red cat"]
    assert (which.locator("del").inner_text(), which.locator("ins").inner_text()) == ("grey", "red")
    page.locator("#cw-import-replace").check()
    page.locator("#cw-import-go").click()
    wait_until(lambda: _caption_of(page, "a.png") == "a red cat", "it is replaced")


def test_a_set_in_a_zip_comes_with_its_pictures_or_not_at_all(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number, name in enumerate("ab"):
            archive.write(picture(tmp_path / f"{name}.png", (90, number * 80, 40)), f"set/img/10_cat/{name}.png")
            archive.writestr(f"set/img/10_cat/{name}.txt", f"caption {name}")
    _choose(page, tmp_path / "set.zip")
    page.locator("#cw-import").wait_for()
    assert page.locator("#cw-import-go").inner_text() == "Add 2 pictures with 2 captions"
    assert "10 x cat" in page.locator("#cw-import-told").inner_text()
    page.locator("#cw-import-cancel").click()
    assert page.locator("#cw-import").is_hidden() and names(page) == []
    _choose(page, tmp_path / "set.zip")
    page.locator("#cw-import-go").click()
    wait_until(lambda: [name[-5:] for name in names(page)] == ["a.png", "b.png"], "they came")
    wait_until(lambda: set(states(page).values()) == {"existing"}, "with their captions")

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../a.png", "x")
    _choose(page, tmp_path / "evil.zip")
    page.get_by_text("Nothing was imported").wait_for()
    assert "evil.zip holds a file whose path leads elsewhere" in page.locator("#cw-notices").inner_text()


def test_an_encoding_is_asked_for(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(picture(tmp_path / "a.png", (90, 80, 40)), "a.png")
        archive.writestr("a.txt", "café".encode("cp1252"))
    _choose(page, tmp_path / "set.zip")
    page.locator("#cw-import").wait_for()
    assert "1 file is not UTF-8: choose its encoding" in page.locator("#cw-import-told").inner_text()
    page.locator("#cw-import-encoding").select_option("cp1252")
    wait_until(lambda: _rows(page) == ["café"], "it is read")
    page.locator("#cw-import-go").click()
    wait_until(lambda: states(page) == {"a.png": "existing"}, "it is taken")


def test_a_file_that_lists_nothing_is_left_out_quietly_beside_pictures(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    (tmp_path / "train.json").write_text('{"steps": 5}')
    _choose(page, picture(tmp_path / "a.png", (1, 80, 40)), tmp_path / "train.json")
    page.get_by_text("Neither pictures nor captions: train.json.").wait_for()
    assert names(page) == ["a.png"]
    _choose(page, tmp_path / "train.json")
    page.get_by_text("Nothing was imported").wait_for()
