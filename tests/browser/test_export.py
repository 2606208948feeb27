"""The download for a trainer: what it would read otherwise, mending that, and the set that comes of it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.conftest import AppServer, names, open_page, picture, wait_saved, wait_until
from tests.trainer_readers import SET_READERS

pytestmark = pytest.mark.browser

TEXTS = {"a": "a cat, a cat on a mat", "b": "one\ntwo", "c": "a “grey” dog"}


def with_captions(page: Any, folder: Path) -> None:
    """Three pictures with captions, one of them turned by EXIF and one transparent, and one without a caption."""
    turned = Image.Exif()
    turned[0x0112] = 6
    made = [
        picture(folder / "a.jpg", (200, 40, 30), exif=turned),
        picture(folder / "b.png", (20, 180, 40, 90)),
        picture(folder / "c.png", (30, 60, 200)),
        picture(folder / "d.png", (130, 60, 200)),
    ]
    for stem, text in TEXTS.items():
        (folder / f"{stem}.txt").write_text(text, encoding="utf-8")
    page.set_input_files("#cw-files", [str(path) for path in (*made, *folder.glob("*.txt"))])
    wait_until(lambda: page.locator(".cw-cell").count() == 4 and page.locator("#cw-progress").is_hidden(), "all are in")


def choose(page: Any, **values: str) -> None:
    """Chooses and fills in values of the download's form, which is open."""
    for name, value in values.items():
        field = page.locator(f"#cw-download-form [name={name}]")
        if field.evaluate("(field) => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
            field.blur()


def rules(page: Any) -> dict[str, str]:
    """Rule -> error, warning or mended, of the table."""
    rows = page.locator(".cw-finding").evaluate_all("rows => rows.map((row) => [row.dataset.rule, row.dataset.kind])")
    return dict(rows)


def taken(page: Any, path: Path) -> list[str]:
    """Downloads the zip to a path and unpacks it beside. Returns: the names in it."""
    with page.expect_download() as waiting:
        page.locator("#cw-download").click()
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(path.parent)
        return archive.namelist()


def test_a_set_for_a_trainer_is_checked_mended_taken_and_read_back(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    with_captions(page, tmp_path)
    page.locator("#cw-download-open").click()
    choose(page, format="onetrainer", base_model="flux1", repeats="7", set_folder=str(tmp_path / "captions"))
    wait_until(lambda: rules(page).get("empty") == "warning", "it is checked")
    found = rules(page)
    assert (found["lines"], found["quotes"], found["alpha"]) == ("mended", "warning", "warning")
    assert "turned" not in found, "OneTrainer turns pictures by itself"

    # A change of captions is shown first, done as one step, and leads back.
    page.locator(".cw-finding[data-rule=quotes]").get_by_role("button", name="Straighten quotes…").click()
    page.locator("#cw-bulk .cw-change", has_text="c.png").wait_for()
    assert page.locator("#cw-bulk .cw-change").count() == 1
    page.locator("#cw-bulk-apply").click()
    wait_until(lambda: "quotes" not in rules(page) and "empty" in rules(page), "it is mended")
    assert page.locator("#cw-download-dialog").is_visible()
    # What concerns the files alone is a setting of the export.
    page.locator(".cw-finding[data-rule=alpha]").get_by_role("button", name="Convert pictures").click()
    wait_until(lambda: rules(page)["alpha"] == "mended", "the export will mend it")

    names_in = taken(page, tmp_path / "set.zip")
    assert "captions/START.txt" in names_in
    page.locator("#cw-download-start code", has_text="python scripts/train.py --preset-path").wait_for()
    read = SET_READERS["onetrainer"](tmp_path / "captions")
    assert read == {
        "img/a.jpg": TEXTS["a"],
        "img/b.png": "one two",
        "img/c.png": 'a "grey" dog',
        "img/d.png": "",
    }
    with Image.open(tmp_path / "captions/img/b.png") as made:
        assert made.mode == "RGB"
    page.locator("#cw-download-done").click()
    assert page.locator("#cw-download-dialog").is_hidden()

    # As it was left, for this set.
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator("#cw-download-open").click()
    form = page.locator("#cw-download-form")
    kept = {name: form.locator(f"[name={name}]").input_value() for name in ("format", "base_model", "repeats")}
    assert kept == {"format": "onetrainer", "base_model": "flux1", "repeats": "7"}
    page.keyboard.press("Escape")
    page.locator("#cw-undo").click()
    wait_saved(page)
    wait_until(lambda: "Undone: Straighten quotes" in page.locator("#cw-brief").inner_text(), "one step takes it back")


def test_errors_ask_for_export_anyway_and_show_lists_what_is_meant(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    with_captions(page, tmp_path)
    page.locator("#cw-download-open").click()
    button = page.locator("#cw-download")
    assert button.inner_text() == "Download zip"
    choose(page, format="everydream2")
    wait_until(lambda: rules(page).get("empty") == "error", "a file name would be trained")
    assert button.inner_text() == "Export anyway"
    assert page.locator("#cw-download-form [name=base_model]").input_value() == "sd15"
    taken(page, tmp_path / "anyway.zip")
    page.locator("#cw-download-done").click()
    page.locator("#cw-download-open").click()
    wait_until(lambda: rules(page).get("empty") == "error", "it is checked again")
    page.locator(".cw-finding[data-rule=empty]").get_by_role("button", name="Show").click()
    wait_until(lambda: names(page) == ["d.png"], "the picture without a caption is listed")
    assert page.locator("#cw-download-dialog").is_hidden()
    page.locator("#cw-download-open").click()
    choose(page, scope="shown", format="kohya")
    wait_until(lambda: "1 picture: 0 captions" in page.locator("#cw-download-summary").inner_text(), "of that alone")


def test_what_cannot_be_is_said_where_it_is_chosen(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    with_captions(page, tmp_path)
    page.locator("#cw-download-open").click()
    choose(page, format="ai-toolkit", set_folder="/sets/${HOME}")
    notes = page.locator("#cw-download-notes")
    wait_until(lambda: "takes it for an environment variable" in notes.inner_text(), "the path is refused")
    choose(page, set_folder="", repeats="0")
    wait_until(lambda: notes.inner_text().startswith("Repeats: "), "the number is refused")
    choose(page, repeats="2")
    wait_until(lambda: notes.inner_text() == "" and rules(page), "all is well")


def test_a_trigger_word_is_the_prefix_until_another_is_typed(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    with_captions(page, tmp_path)
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-prefix textarea, #setting-prefix input").first.fill("ohwx")
    page.locator("#cw-editor").focus()
    wait_saved(page)
    page.locator("#cw-download-open").click()
    choose(page, format="ai-toolkit")
    word = page.locator("#cw-download-form [name=trigger_word]")
    assert word.input_value() == "ohwx"
    word.fill("sks")
    word.blur()
    choose(page, format="kohya")
    choose(page, format="ai-toolkit")
    assert word.input_value() == "sks"


def test_a_recipe_gives_another_set_its_settings_and_undo_takes_them_back(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    with_captions(page, tmp_path)
    page.get_by_role("tab", name="Text").click()
    prefix = page.locator("#setting-prefix textarea, #setting-prefix input").first
    prefix.fill("ohwx")
    page.locator("#cw-editor").focus()
    wait_saved(page)
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == "Undo: Settings", "the settings are stored")
    page.locator("#cw-download-open").click()
    assert "captioner-recipe.json" in taken(page, tmp_path / "set.zip")

    page.goto(server.url)
    page.wait_for_selector(".cw[data-ready=true]")
    page.get_by_role("tab", name="Text").click()
    assert prefix.input_value() == ""
    broken = tmp_path / "captioner-recipe.broken.json"
    broken.write_text('{"kind": "captioner-recipe", "version": 9}')
    page.set_input_files("#cw-recipe-file", str(broken))
    page.locator(".cw-notice", has_text="is a recipe of version 9").wait_for()
    page.set_input_files("#cw-recipe-file", str(tmp_path / "captioner-recipe.json"))
    wait_until(lambda: prefix.input_value() == "ohwx", "its settings are in the controls")
    page.locator("#cw-brief-actions button", has_text="Undo").click()
    wait_until(lambda: prefix.input_value() == "", "one step takes them back")
