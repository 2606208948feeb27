"""The settings beside the workbench: three tabs, and what is shown in them when; also in the first start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from captioner.captions.groups import setting_groups
from captioner.models import registry
from captioner.settings import Field
from tests.browser.conftest import AppServer, add_pictures, open_all_more, open_more, open_page, switch_on, wait_until
from tests.browser.looking import mangled, twice

pytestmark = pytest.mark.browser

TABS = ("Sentence", "Tags", "Text")


def _with_everything_open(page: Any, captioners: Sequence[str] = ()) -> Iterator[str]:
    """Opens each tab with all taggers on and all that lies under More, and yields its name; the first for each of some
    captioners as well."""
    for tab, captioner in [(TABS[0], ""), *((TABS[0], name) for name in captioners), *((tab, "") for tab in TABS[1:])]:
        page.get_by_role("tab", name=tab).click()
        if tab == "Tags":
            for box in page.locator("#tab-tags .cw-switch input").all():
                box.check()
        if captioner:
            page.locator("#setting-captioner input").first.click()
            page.locator("[role=option]", has_text=captioner).first.click()
            family = next(spec.family for spec in registry.MODELS if spec.name == captioner)
            page.locator(f"[id^=setting-{family}_]").first.wait_for()
        open_all_more(page)
        yield tab


def test_every_title_and_help_is_shown_as_it_is_written(bare_server: AppServer, context: Any) -> None:
    page = open_page(context, bare_server.url)
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    look = """boxes => Object.fromEntries(boxes.map((box) => {
        const words = (what) => box.querySelector(what)?.textContent.replaceAll('\\u00a0', ' ').trim() ?? '';
        const title = words('[data-testid=block-info], .label-text, .cw-kept-title');
        return [box.dataset.field ?? box.id.replace('setting-', ''), [title, words('.info-text')]];
    }))"""
    shown: dict[str, Any] = {}
    of_families = {spec.family: spec.name for spec in reversed(registry.MODELS) if spec.kind == "captioner"}
    others = [name for family, name in of_families.items() if family != "blip"]
    for _ in _with_everything_open(page, others):
        shown |= page.locator("#cw-side [id^=setting-]").evaluate_all(look)
        shown |= page.locator("#cw-side [data-field]").evaluate_all(look)
    fields = [field for group in setting_groups() for field in group.fields()]
    written = {field.name: [_title(field), field.plain_help] for field in fields}
    assert {name: shown.get(name) for name in written} == written
    levels = [group.settings.levels() for group in setting_groups()]
    helps = {page.locator(f"#{box} .info-text").text_content() for box in _ids(page, "level-")}
    assert helps == {level.help for level in levels if level is not None}


def _title(field: Field) -> str:
    return field.title + (f" ({field.unit})" if field.unit else "")


def _ids(page: Any, beginning: str) -> list[str]:
    return list(page.locator(f"[id^={beginning}]").evaluate_all("boxes => boxes.map(box => box.id)"))


@pytest.mark.parametrize("start", ["bare_server", "demo_server"])
def test_no_id_stands_twice_and_no_word_is_mangled(
    request: pytest.FixtureRequest, context: Any, pictures: list[Path], start: str
) -> None:
    page = open_page(context, request.getfixturevalue(start).url)
    add_pictures(page, pictures)
    for tab in _with_everything_open(page):
        assert twice(page) + mangled(page) == [], tab


def test_the_progress_bar_moves_while_pictures_are_captioned(
    slow_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, slow_server.url)
    add_pictures(page, pictures)
    page.locator("#cw-caption-all").click()
    seen: set[float] = set()

    def has_moved() -> bool:
        bar = page.locator("#cw-progress progress")
        if bar.is_visible():
            seen.add(bar.evaluate("bar => bar.position"))
        return len([place for place in seen if 0 < place < 1]) > 1

    wait_until(has_moved, "the bar stands at two places between its ends")


def test_what_does_not_apply_is_hidden_from_the_start_and_under_more(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    assert page.locator("#setting-temperature").is_hidden()
    assert page.locator("#setting-num_beams").is_visible()
    page.get_by_role("tab", name="Tags").click()
    assert page.locator("#setting-general_threshold").is_hidden(), "the tagger is off"
    switch_on(page, "clip")
    open_more(page, "clip")
    page.wait_for_selector("#setting-mode")
    assert page.locator("#setting-mediums").is_visible()
    for name in ("max_flavors", "min_flavors", "candidates", "chain_artist"):
        assert page.locator(f"#setting-{name}").is_hidden(), name
    page.locator("#setting-mode").get_by_label("Chain").check()
    page.wait_for_selector("#setting-chain_artist")
    assert page.locator("#setting-candidates").is_visible()
    assert page.locator("#setting-mediums").is_hidden()
    assert page.locator(".cw-kept").is_hidden(), "no own vocabulary in a chain"


def test_a_tab_says_that_something_in_it_is_in_use(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)

    def used() -> list[str]:
        return [tab for tab in TABS if page.get_by_role("tab", name=f"in use {tab}").count()]

    wait_until(lambda: used() == ["Sentence"], "the sentence is on")
    switch_on(page, "wd14")
    wait_until(lambda: used() == ["Sentence", "Tags"], "a tagger is on")
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-prefix textarea").fill("sks")
    wait_until(lambda: used() == list(TABS), "a trigger word is set")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#setting-captioner_on input").uncheck()
    wait_until(lambda: used() == ["Tags", "Text"], "the sentence is off")
    assert page.locator("#level-blip").is_hidden()


def test_words_set_the_fields_and_follow_them(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    length = page.locator("#level-blip")
    assert length.get_by_label("Short").is_checked()
    length.get_by_label("Detailed").check()
    lowest = page.locator("#setting-min_length input[type=number]")
    wait_until(lambda: lowest.input_value() == "24", "the fields follow")
    assert page.locator("#preset-blip input").input_value() == "Custom"
    lowest.fill("23")
    lowest.press("Tab")
    wait_until(lambda: length.locator("input:checked").count() == 0, "no word says what the fields are")
    switch_on(page, "wd14")
    page.locator("#level-wd14").get_by_label("Many").check()
    threshold = page.locator("#setting-general_threshold input[type=number]")
    wait_until(lambda: threshold.input_value() == "0.2", "the threshold follows")


def test_a_moved_slider_asks_for_its_suggestion_first_then_stores_and_an_undo_waits_for_that(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#setting-num_beams input[type=range]").focus()
    with page.expect_response(lambda response: '"preview"' in (response.request.post_data or "")):
        page.keyboard.press("ArrowRight")
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == "Undo: Settings", "the settings are stored")
    asked: list[str] = []

    def hold(route: Any) -> None:
        asked.append(route.request.post_data_json["fn_name"])
        if asked[-1] != "preview":
            route.continue_()

    page.wait_for_timeout(600)  # what the first move left is asked
    page.route("**/component_server/**", hold)
    page.keyboard.press("ArrowRight")
    with page.expect_request(lambda request: '"undo"' in (request.post_data or "")):
        page.locator("#cw-undo").click()  # while the suggestion is still made
    page.wait_for_timeout(50)
    asked = [name for name in asked if name != "changes"]
    assert asked[: asked.index("undo") + 1] == ["preview", "settings_changed", "undo"]
    page.unroute_all(behavior="ignoreErrors")
