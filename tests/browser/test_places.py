"""Every place of the page, in light and in dark: axe-core finds nothing serious, all text stands out against its
ground, no id stands twice, and no word is mangled.

A new state or dialog is one line in PLACES: its name, and how to get there from a set whose pictures have come in every
state. Afterwards Escape is pressed, which closes dialogs and menus; a place that needs more cleans up itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from demo.cache import training_scene
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.browser.comparing import choose_axes, start, wait_done
from tests.browser.conftest import (
    AppServer,
    open_page,
    picture,
    select,
    states,
    switch_on,
    wait_until,
)
from tests.browser.looking import faint, mangled, twice
from tests.fakes import POISON

pytestmark = pytest.mark.browser

AXE = Axe()
GRAVE = ("serious", "critical")
STILL = """() => {
    if (window.isStill) return;
    window.isStill = true;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('*, ::before, ::after { transition: none !important; animation: none !important }');
    document.adoptedStyleSheets.push(sheet);
}"""
"""Nothing moves from now on, so that colours are what they will be."""
COLOURS = {"runOnly": ["color-contrast"]}  # all that differs in the dark


def _findings(page: Any, rules: dict[str, Any]) -> list[str]:
    """What is wrong with the page as it is now, in the scheme that it is in. Args: rules: axe-core's options."""
    response = AXE.run(page, options={"resultTypes": ["violations"], **rules}).response
    found = [
        f"axe: {violation['id']} at {node['target']}: {node['failureSummary']}"
        for violation in response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
    return found + faint(page) + twice(page) + mangled(page)


def look_at(page: Any, name: str) -> list[str]:
    """The findings at a place in both schemes, each with the place's name."""
    page.evaluate(STILL)
    found = []
    for scheme, rules in (("light", {}), ("dark", COLOURS)):
        page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", scheme == "dark")
        found += [f"{name}, {scheme}: {finding}" for finding in _findings(page, rules)]
    page.evaluate("() => document.body.classList.remove('dark')")
    return found


def _tab(name: str) -> Callable[[Any], None]:
    def open_all(page: Any) -> None:
        page.get_by_role("tab", name=name).click()
        closed = page.locator("[id^=more-]:visible > button:not(.open)")
        closed.evaluate_all("buttons => buttons.forEach((button) => button.click())")
        page.wait_for_timeout(200)

    return open_all


def _click(selector: str, shown: str) -> Callable[[Any], None]:
    def click(page: Any) -> None:
        page.locator(selector).click()
        page.locator(shown).first.wait_for()

    return click


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
    page.locator("#cw-import details summary").first.click()


def _toast(page: Any) -> None:
    """Words with a button over the lower edge."""
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=find]").fill("picture")
    page.locator("#cw-bulk [name=replacement]").fill("photo")
    page.locator("#cw-bulk .cw-change", has_text="photo").first.wait_for()
    page.locator("#cw-bulk-apply").click()
    page.locator("#cw-brief-actions button").wait_for()


def _form_to_compare(page: Any) -> None:
    """With a value that will not do, and three settings."""
    page.locator("#cw-compare-open").click()
    choose_axes(page, {"num_beams": "1, 2, many", "min_length": "5, 8"})
    page.locator("#cw-compare-form [data-do=add]").click()


def _comparison(page: Any) -> None:
    """A cell that failed among others, some of which are rated, with its menu's button in sight."""
    page.locator("#cw-compare-open").click()
    page.locator("#cw-compare-size").wait_for()
    for pinned in page.locator("[data-pin][aria-pressed=true]").all():
        pinned.click()
    for name in ("scene.png", "plain.png", "poison.png"):
        page.locator(f"[data-pin][aria-label='{name}']").click()
    choose_axes(page, {"num_beams": "1, 2, 4", "min_length": "5, 8"})
    start(page)
    wait_done(page)
    page.locator(".cw-compare-all").click()
    for number, key in enumerate(("1", "2", "3")):
        page.locator(f"[aria-label='scene.png'] [data-cell='{number}']").click()
        page.keyboard.press(key)
    page.locator("#cw-compare-cell .cw-compare-why").wait_for()


def _compared(page: Any) -> None:
    """The comparison of the place before, which the Escape after it closed."""
    page.locator("#cw-compare-open").click()
    page.locator("#cw-compare-table [data-state=done]").first.wait_for()


def _cell_menu(page: Any) -> None:
    _compared(page)
    page.locator("#cw-compare-table [data-state=done] .cw-cell-menu").first.click()
    page.get_by_role("menuitem", name="Use this caption for the picture").wait_for()


def _summary(page: Any) -> None:
    """Beside cells in a score's colours. The Escape before closed the menu only."""
    page.locator("#cw-compare-tab-summary").click()
    page.locator("#cw-compare-colour").select_option("tokens")
    page.locator("#cw-compare-legend span").wait_for()
    page.locator("#cw-compare-summary .cw-tally-bar").first.wait_for()


def _renamed(page: Any) -> None:
    _compared(page)
    page.locator("#cw-compare-new").click()
    page.locator("#cw-compare-earlier [data-do=rename]").first.click()
    page.locator("#cw-compare-earlier input").wait_for()


def _earlier(page: Any) -> None:
    """The Escape before ended the renaming only."""
    page.locator("#cw-compare-earlier [data-do=rename]").first.wait_for()


def _job(page: Any) -> None:
    page.locator("#cw-ask-all").click()
    page.locator("#cw-stop").wait_for()


def _jobs(page: Any) -> None:
    page.locator("#cw-sets-open").click()
    page.locator("#cw-jobs-open").click()
    page.locator("#cw-jobs .cw-job").first.wait_for()


PLACES: tuple[tuple[str, Callable[[Any], None]], ...] = (
    ("a set", lambda page: select(page, "clear.png")),
    ("a failed picture", lambda page: page.locator('.cw-cell[data-state="failed"]').click()),
    ("a preview", _preview),
    ("other sentences", _other_sentences),
    ("the loupe", _click("#cw-look", "#cw-loupe-caption")),
    ("the list, with hits", _list_view),
    ("what the filter understands", _filter_help),
    ("tags that are offered", _offered_tags),
    ("many selected", _selection),
    ("the menu of a tag", _tag_menu),
    ("tab Sentence, all open", _tab("Sentence")),
    ("another kind of caption", _click("#cw-kind-add", "#cw-kind-new h2")),
    ("tab Tags, all open", _tab("Tags")),
    ("tab Text, all open", _tab("Text")),
    ("the menu of sets", _click("#cw-sets-open", "#cw-rename")),
    ("the jobs of a set", _jobs),
    ("the download", _click("#cw-download-open", "#cw-download-summary li")),
    ("the download for a trainer", _trainer),
    ("how training starts", _start),
    ("changing many captions", _click("#cw-bulk-open", "#cw-bulk h2")),
    ("what a change would do", _replace),
    ("an import", _import),
    ("the overview", _click("#cw-overview-open", "#cw-overview .cw-figure")),
    ("the overview's question and groups", _overview_groups),
    ("what every caption says", _said),
    ("a kind to leave out", _said_switch),
    ("finding settings", _finding),
    ("words with Undo", _toast),
    ("what is to be compared", _form_to_compare),
    ("a comparison", _comparison),
    ("a cell's menu", _cell_menu),
    ("the summary, in a score's colours", _summary),
    ("another name for a comparison", _renamed),
    ("earlier comparisons", _earlier),
    ("the keys", _click("#cw-help-open", "#cw-help h2")),
    ("the models", _click("#cw-models-open", ".cw-model[data-state=resident] [data-action=unload]")),
    ("a notice", _notice),
    ("what becomes of captions that came along", _click("#cw-caption-all", "#cw-ask h2")),
    ("a job that runs", lambda page: (page.locator("#cw-caption-all").click(), _job(page))),
    ("a conflict", _conflict),
)


@pytest.fixture
def still(chromium: Any) -> Iterator[Any]:
    """A browser in which nothing moves, so that colours are what they will be."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    _hold_still(context)
    yield context
    context.close()


def _hold_still(context: Any) -> None:
    context.add_init_script(f"addEventListener('DOMContentLoaded', {STILL})")


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
    for name, go in PLACES:
        go(page)
        found += look_at(page, name)
        page.keyboard.press("Escape")
    assert not found, "\n".join(found)


def test_a_phone_is_open_to_everybody(server: AppServer, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce")
    _hold_still(context)
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


def _doubt_over_the_set(page: Any) -> None:
    """The list by doubt, with captions that were not read."""
    page.locator("#cw-view [value=list]").click()
    page.locator("#cw-sort").select_option("doubtful")
    page.locator("#cw-unread").wait_for()


def _reason(page: Any) -> None:
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("F8")
    page.locator("#cw-doubt-tip button").wait_for()


DOUBT_PLACES: tuple[tuple[str, Callable[[Any], None]], ...] = (
    ("doubtful words and filler", lambda page: page.locator("#cw-marks [data-kind=filler]").wait_for()),
    ("why a word is doubtful", _reason),
    ("what the lines mean", _click("#cw-doubt-help-open", "#cw-doubt-notes p")),
    ("captions that were not read", _doubt_over_the_set),
)


def test_doubtful_words_are_open_to_everybody(demo_server: AppServer, still: Any, tmp_path: Path) -> None:
    page = open_page(still, demo_server.url)
    files = []
    for number, words in enumerate(("a dog, a dog and two small yellow cats on a beach", "a red house", "a red car")):
        draw(scene_from_seed(90_909, number)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(words)
        files += [str(tmp_path / f"{number}.png"), str(tmp_path / f"{number}.txt")]
    page.set_input_files("#cw-files", files)
    select(page, "0.png")
    page.locator(".cw-doubt-chip").first.wait_for(timeout=60_000)
    found = []
    for name, go in DOUBT_PLACES:
        go(page)
        found += look_at(page, name)
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    found += look_at(page, "doubtful words on a phone")
    assert not found, "\n".join(found)


def test_the_offer_of_a_model_that_is_not_here_is_open_to_everybody(bare_server: AppServer, still: Any) -> None:
    page = open_page(still, bare_server.url)
    page.locator(".cw-pill summary").click()
    found = look_at(page, "the note on demo models")
    page.keyboard.press("Escape")
    page.locator("#setting-captioner input").click()
    page.get_by_role("option", name="not here").first.click()
    page.locator("#offer-captioner button").wait_for()
    found += look_at(page, "the offer of a model")
    assert not found, "\n".join(found)
