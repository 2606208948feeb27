"""Every place of the page is open to everybody (`visiting`): Compare's are in test_places_compare, those of the demo
models in test_places_models.

A new state or dialog is one line in PLACES: its name, and how to get there from a set whose pictures have come in every
state. Afterwards Escape is pressed, which closes dialogs and menus; a place that needs more cleans up itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.cache import training_scene
from demo.drawing import draw
from tests.browser.conftest import AppServer, open_all_more, open_page, picture, select, states, switch_on, wait_until
from tests.browser.visiting import Place, click, hold_still, look_at, visit
from tests.fakes import POISON

pytestmark = pytest.mark.browser


def _tab(name: str) -> Callable[[Any], None]:
    def open_all(page: Any) -> None:
        page.get_by_role("tab", name=name).click()
        open_all_more(page)

    return open_all


def _conflict(page: Any) -> None:
    """Two texts of one picture, as tabs that died leave them. Nothing that needs all to be saved can come after it."""
    page.evaluate(
        """() => {
            const set = new URL(location).searchParams.get('set');
            const { id } = document.querySelector('.cw-cell[aria-label^="twin.png"]').dataset;
            for (const tab of ['dead1', 'dead2']) localStorage.setItem(`captioner/edit/${set}/${id}/${tab}`,
                JSON.stringify({ text: `of ${tab}`, base: 0, sent: [], conflict: null }));
        }"""
    )
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.locator('.cw-cell[data-state="conflict"]').click()
    page.locator("#cw-conflict").wait_for()


def _preview(page: Any) -> None:
    select(page, "plain.png")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#preset-blip input").click()
    page.get_by_role("option", name="EveryDream beam").click()
    page.locator("#cw-suggestion").wait_for()


def _other_sentences(page: Any) -> None:
    select(page, "plain.png")
    page.locator("#cw-others > summary").click()
    page.locator("#cw-others li").first.wait_for()


def _tag_menu(page: Any) -> None:
    select(page, "plain.png")
    page.locator("#cw-chips", has_text="a blue picture").wait_for()  # not the tags of the picture before
    page.locator(".cw-found button[data-do=menu]").first.click()
    page.locator("#cw-tag-menu button").first.wait_for()


def _trainer(page: Any) -> None:
    """With what the trainer would read otherwise, and all that can be set."""
    page.locator("#cw-download-open").click()
    page.locator("#cw-download-form [name=format]").select_option("everydream2")
    page.locator("#cw-export-pictures summary").click()
    page.locator(".cw-finding").first.wait_for()


def _start(page: Any) -> None:
    page.locator("#cw-download-open").click()
    page.locator(".cw-finding").first.wait_for()
    page.locator("#cw-download").click()
    page.locator("#cw-download-start code").last.wait_for()


def _replace(page: Any) -> None:
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=find]").fill("picture")
    page.locator("#cw-bulk .cw-change").first.wait_for()


def _notice(page: Any) -> None:
    page.set_input_files("#cw-files", [{"name": "a.psd", "mimeType": "image/psd", "buffer": b"8BPS"}])
    page.locator(".cw-notice", has_text="a.psd").wait_for()


def _selection(page: Any) -> None:
    select(page, "plain.png")
    page.locator('.cw-cell[aria-label^="clear.png,"]').click(modifiers=["Shift"])
    page.locator("#cw-selection").wait_for()


def _list_view(page: Any) -> None:
    """Rows with captions, marks of every kind, and hits."""
    select(page, "plain.png")
    page.locator("#cw-good").click()
    page.locator("#cw-view [value=list]").click()
    page.locator("#cw-filter").fill("picture")
    page.locator(".cw-line mark").first.wait_for()
    page.locator("#cw-reviewed-line").wait_for()


def _filter_help(page: Any) -> None:
    page.locator("#cw-filter").fill("")
    page.locator("#cw-view [value=grid]").click()
    page.locator("#cw-filter-help-open").click()
    page.locator("#cw-filter-help code").first.wait_for()


def _offered_tags(page: Any) -> None:
    select(page, "plain.png")
    offered = page.locator("#cw-offered")
    if offered.get_attribute("aria-expanded") == "false":
        offered.click()
    page.locator("#cw-tags-found .cw-found").first.wait_for()


def _overview_groups(page: Any) -> None:
    """Scrolled to the groups at its end, with a question open."""
    page.locator("#cw-overview-open").click()
    page.locator("#cw-near > *").first.wait_for()
    page.locator("#cw-tag-list [data-do=menu]").first.click()
    page.get_by_role("menuitem", name="Rename everywhere…").click()
    page.locator("#cw-overview-change").wait_for()


def _said(page: Any) -> None:
    """Over the overview, whose first Escape ended its question only."""
    page.locator("#cw-said-open").click()
    page.locator("#cw-said-kinds .cw-said-kind").first.wait_for()


def _said_switch(page: Any) -> None:
    page.locator("#cw-said-open").click()
    page.locator("#cw-said-kinds [data-out=true]").first.click()
    page.locator("#cw-said-dialog-examples li").first.wait_for()


def _finding(page: Any) -> None:
    """Where no model that is chosen can read captions, which is said."""
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#cw-side .cw-suggest-open").click()
    page.locator("#cw-suggest-start").click()
    page.locator("#cw-suggest-said", has_text="can read").wait_for()


def _import(page: Any) -> None:
    """A list of which one caption has no picture, one has lines and one stands where another is."""
    rows = [
        ("clear.png", "one\ntwo"),
        ("modern.png", "other words"),
        ("modern.jpg", "others"),
        ("gone.png", "nobody's"),
    ]
    text = "\n".join(json.dumps({"file_name": name, "text": text}) for name, text in rows)
    page.locator("#cw-files").set_input_files({"name": "x.jsonl", "mimeType": "text/plain", "buffer": text.encode()})
    page.locator("#cw-import details:visible summary").first.click()


def _toast(page: Any) -> None:
    """Words with a button over the lower edge."""
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=find]").fill("picture")
    page.locator("#cw-bulk [name=replacement]").fill("photo")
    page.locator("#cw-bulk .cw-change", has_text="photo").first.wait_for()
    page.locator("#cw-bulk-apply").click()
    page.locator("#cw-brief-actions button").wait_for()


def _job(page: Any) -> None:
    page.locator("#cw-ask-all").click()
    page.locator("#cw-stop").wait_for()


def _jobs(page: Any) -> None:
    page.locator("#cw-sets-open").click()
    page.locator("#cw-jobs-open").click()
    page.locator("#cw-jobs .cw-job").first.wait_for()


PLACES: tuple[Place, ...] = (
    ("a set", lambda page: select(page, "clear.png")),
    ("a failed picture", lambda page: page.locator('.cw-cell[data-state="failed"]').click()),
    ("a preview", _preview),
    ("other sentences", _other_sentences),
    ("the loupe", click("#cw-look", "#cw-loupe-caption")),
    ("the list, with hits", _list_view),
    ("what the filter understands", _filter_help),
    ("tags that are offered", _offered_tags),
    ("many selected", _selection),
    ("the menu of a tag", _tag_menu),
    ("tab Sentence, all open", _tab("Sentence")),
    ("another kind of caption", click("#cw-kind-add", "#cw-kind-new h2")),
    ("tab Tags, all open", _tab("Tags")),
    ("tab Text, all open", _tab("Text")),
    ("the menu of sets", click("#cw-sets-open", "#cw-rename")),
    ("the jobs of a set", _jobs),
    ("the download", click("#cw-download-open", "#cw-download-summary li")),
    ("the download for a trainer", _trainer),
    ("how training starts", _start),
    ("changing many captions", click("#cw-bulk-open", "#cw-bulk h2")),
    ("what a change would do", _replace),
    ("an import", _import),
    ("the overview", click("#cw-overview-open", "#cw-overview .cw-figure")),
    ("the overview's question and groups", _overview_groups),
    ("what every caption says", _said),
    ("a kind to leave out", _said_switch),
    ("finding settings", _finding),
    ("words with Undo", _toast),
    ("the keys", click("#cw-help-open", "#cw-help h2")),
    ("the models", click("#cw-models-open", ".cw-model[data-state=resident] [data-action=unload]")),
    ("a notice", _notice),
    ("what becomes of captions that came along", click("#cw-caption-all", "#cw-ask h2")),
    ("a job that runs", lambda page: (page.locator("#cw-caption-all").click(), _job(page))),
    ("a conflict", _conflict),
)


def _with_every_state(page: Any, pictures: list[Path], folder: Path) -> None:
    """Fills the set: captions that came along, generated, edited and failed."""
    words = pictures[0].with_name("modern.txt")
    words.write_text("my own words")
    scene = draw(training_scene(5, 1))
    scene.save(folder / "scene.png")
    scene.resize((200, 200)).save(folder / "scene-again.png")
    files = [*pictures, words, picture(folder / "poison.png", POISON), *folder.glob("scene*")]
    page.set_input_files("#cw-files", [str(file) for file in files])
    wait_until(lambda: len(states(page)) == 9 and page.locator("#cw-progress").is_hidden(), "all are there")
    switch_on(page, "wd14")
    switch_on(page, "clip")
    page.locator("#cw-caption-all").click()
    page.locator("#cw-ask-all").click()
    wait_until(lambda: states(page)["poison.png"] == "failed", "the job has ended")
    page.locator("#cw-notices .cw-close").first.click()
    select(page, "twin.jpg")
    page.locator("#cw-editor").fill("an edited picture, " + "with very many words " * 20)
    wait_until(lambda: states(page)["twin.jpg"] == "edited", "one is edited")


def test_every_place_is_open_to_everybody_in_light_and_in_dark(
    slow_server: AppServer, still: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = open_page(still, slow_server.url)
    found = look_at(page, "an empty page")
    _with_every_state(page, pictures, tmp_path)
    found += visit(page, PLACES)
    assert not found, "\n".join(found)


def test_a_phone_is_open_to_everybody(server: AppServer, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    hold_still(context)
    page = open_page(context, server.url)
    page.get_by_role("button", name="Try 12 sample pictures").tap()
    wait_until(lambda: page.locator("#cw-thumb-place").inner_text() == "1/12", "the samples are there")
    found = look_at(page, "the bar of a phone")
    page.locator("#cw-good").tap()
    page.locator("#cw-tools-open").tap()
    page.locator("#cw-download-open").tap()
    page.locator("#cw-download-summary li").first.wait_for()
    found += look_at(page, "the tools of a phone")
    page.goto(server.url)
    page.locator(".cw-recent-set").wait_for()
    found += look_at(page, "sets to go on with")
    context.close()
    assert not found, "\n".join(found)
