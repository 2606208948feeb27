"""The selected picture's tags and its other sentences: what is shown, and what a click does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    downloaded,
    open_more,
    open_page,
    picture,
    select,
    states,
    switch_on,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def many_tags(tmp_path: Path) -> Iterator[AppServer]:
    """A server whose CLIP finds 200 labels of each of its five vocabularies."""
    server = AppServer(tmp_path, labels_each=200)
    server.start()
    yield server
    server.stop()


def _caption_all(page: Any) -> None:
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")


def _found(page: Any) -> dict[str, str]:
    """The tags that models offered, with their standing."""
    if page.locator("#cw-tags-panel").is_hidden():
        return {}
    rows = page.locator('.cw-found:not([data-standing="own"])').evaluate_all(
        "chips => chips.map(chip => [chip.querySelector('button').dataset.text, chip.dataset.standing])"
    )
    return dict(rows)


def _parts(page: Any) -> list[str]:
    """The parts of the caption that are in sight."""
    return [text.removesuffix("⋯").strip() for text in page.locator("#cw-chips .cw-found:visible").all_inner_texts()]


def _tag(page: Any, text: str) -> Any:
    return page.locator(f'.cw-found button[data-text="{text}"][data-do=toggle]')


def _choose(page: Any, text: str, line: str) -> None:
    """A line of a tag's menu."""
    page.get_by_role("button", name=f"More for {text}", exact=True).click()
    page.locator("#cw-tag-menu button").filter(has_text=line).click()


def _in_caption(page: Any) -> set[str]:
    """The tags that are shown as being in the caption."""
    return set(
        page.locator(".cw-found[data-in=true] button[data-do=toggle]").evaluate_all(
            "all => all.map(one => one.dataset.text)"
        )
    )


def _ignored(page: Any) -> str:
    page.get_by_role("tab", name="Text").click()
    return str(page.locator("#setting-ignore textarea, #setting-ignore input").first.input_value())


TAGS = {
    "nami (one piece)": "kept",
    "red background": "kept",
    "long hair": "kept",
    "hair": "kept",
    "hat": "out",
    "sensitive": "out",
}


def test_the_selected_picture_s_tags_are_shown_with_scores_and_what_became_of_them(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    assert page.locator("#cw-tags-panel").is_hidden()
    add_pictures(page, pictures[:3])
    switch_on(page, "wd14")
    _caption_all(page)
    select(page, "turned.jpg")
    wait_until(lambda: _found(page) == TAGS, "the tags are there")
    assert _in_caption(page) >= {text for text, standing in TAGS.items() if standing == "kept"}
    assert _tag(page, "long hair").inner_text().split() == ["long", "hair", "0.60"]
    assert "long_hair: 0.6 (WD14, general), passes the settings" in (
        _tag(page, "long hair").get_attribute("title") or ""
    )
    assert page.locator("#cw-tags-count").text_content() == "4 of 6 kept"
    select(page, "modern.webp")
    wait_until(lambda: _found(page).get("blue background") == "kept", "the other picture's tags are there")


def test_a_moved_threshold_greys_a_preview_s_tags_at_once(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    switch_on(page, "wd14")
    wait_until(lambda: _found(page) == TAGS, "the preview's tags are there")
    box = page.locator("#setting-general_threshold input[type=number]")
    box.fill("0.55")
    box.press("Tab")
    wait_until(lambda: _found(page) == {**TAGS, "hair": "out"}, "one is greyed")
    assert states(page) == {"turned.jpg": "empty"}
    page.locator("#setting-wd14_on input").uncheck()
    wait_until(lambda: _found(page) == {}, "without a tagger nothing is offered")
    assert page.locator("#cw-offered").is_hidden()


def test_a_tag_s_menu_ignores_it_in_the_whole_set_and_frees_it(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:3])
    switch_on(page, "wd14")
    _caption_all(page)
    select(page, "turned.jpg")
    _choose(page, "long hair", "Ignore")
    wait_until(lambda: all("long hair" not in text for text in downloaded(page).values()), "all captions follow")
    wait_until(lambda: _found(page) == {**TAGS, "long hair": "ignored"}, "it is struck through")
    wait_until(lambda: "long hair" not in caption(page), "the editor follows")
    assert _ignored(page) == "long hair"
    page.locator("#cw-undo").click()
    wait_until(lambda: _found(page) == TAGS, "undo brings it back")
    wait_until(lambda: _ignored(page) == "", "the list is empty again")
    page.locator("#cw-redo").click()
    wait_until(lambda: _found(page)["long hair"] == "ignored", "redo takes it away")
    _choose(page, "long hair", "Take “long hair” off the list")
    wait_until(lambda: _found(page) == TAGS, "it is off the list")
    wait_until(lambda: all("long hair" in text for text in downloaded(page).values()), "all captions follow")


def test_tags_ignored_one_right_after_the_other_are_all_ignored(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    switch_on(page, "wd14")
    wait_until(lambda: _found(page) == TAGS, "the tags are there")

    def slowly(route: Any) -> None:
        if "settings_changed" in route.request.post_data:
            page.wait_for_timeout(300)  # what is on its way is not overtaken
        route.continue_()

    page.route("**/component_server/**", slowly)
    texts = ["long hair", "long hair", "hair", "hat"]
    page.evaluate(
        """texts => texts.forEach(text => {
            document.querySelector(`.cw-found button[data-text='${text}'][data-do=menu]`).click();
            document.querySelector('#cw-tag-menu button').click();
        })""",
        texts,
    )
    wait_until(lambda: [_found(page).get(text) for text in texts] == ["ignored"] * 4, "all are struck through")
    page.unroute_all(behavior="wait")
    assert _ignored(page) == "long hair, hair, hat"
    page.locator("#cw-undo").click()
    wait_until(lambda: _found(page)["hat"] == "out", "undo takes back the last one")
    assert _found(page)["hair"] == "ignored"


def test_an_entry_with_a_star_is_named_where_it_would_be_taken_off(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    switch_on(page, "wd14")
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-ignore textarea, #setting-ignore input").first.fill("*_hair, hat")
    wait_until(lambda: _found(page).get("long hair") == "ignored", "the list is followed")
    _choose(page, "long hair", "Take “*_hair” off the list")
    wait_until(lambda: _found(page) == {**TAGS, "hat": "ignored"}, "only that entry went")
    assert _ignored(page) == "hat"


def test_a_click_takes_a_tag_into_this_caption_and_out_of_it(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:2])
    switch_on(page, "wd14")
    _caption_all(page)
    select(page, "turned.jpg")
    wait_until(lambda: _found(page) == TAGS, "the tags are there")
    kept = {"a red picture 240 wide under beam 3"} | {text for text, standing in TAGS.items() if standing == "kept"}
    assert _in_caption(page) == kept
    before, other = caption(page), downloaded(page)["clear.txt"]
    _tag(page, "hat").click()
    wait_saved(page)
    assert downloaded(page) == {"turned.txt": f"{before}, hat", "clear.txt": other}
    assert states(page) == {"turned.jpg": "edited", "clear.png": "generated"}
    wait_until(lambda: _in_caption(page) == kept | {"hat"}, "it is shown as in the caption")
    for text in ("hat", "long hair"):
        _tag(page, text).click()
        wait_until(lambda text=text: text not in _in_caption(page), "it is out")
    wait_saved(page)
    assert caption(page) == before.replace("long hair, ", "")
    assert _found(page) == TAGS, "nothing is ignored"
    _choose(page, "hair", "Put it first")
    assert caption(page).startswith("hair, a red picture")
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page).startswith("a red picture"), "each is a step of its own")
    _choose(page, "red background", "List the pictures")
    wait_until(lambda: list(states(page)) == ["turned.jpg"], "the others are not listed")


def test_a_tag_that_a_kept_caption_lacks_can_be_added_to_it(
    server: AppServer, context: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    note = tmp_path / "pictures" / "plain.txt"
    note.write_text("brought along, hair")
    page.set_input_files("#cw-files", [str(pictures[5]), str(note)])
    wait_until(lambda: caption(page) == "brought along, hair", "it came along")
    switch_on(page, "wd14")
    page.locator("#cw-caption-all").click()
    page.locator("#cw-ask-all").click()
    wait_until(lambda: "hat" in _found(page), "the tags are there")
    assert _in_caption(page) == {"brought along", "hair"}
    _tag(page, "long hair").click()
    wait_saved(page)
    assert caption(page) == "brought along, hair, long hair"


def test_the_panel_is_gone_through_by_keyboard(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    switch_on(page, "wd14")
    page.locator("#cw-one").click()
    sentence = "a red picture 240 wide under beam 3"
    wait_until(lambda: _found(page) == TAGS and sentence in _in_caption(page), "the tags are there")
    focused = "document.activeElement.dataset.text + ' ' + document.activeElement.dataset.do"
    page.locator("#cw-editor").focus()
    stops = []
    while not stops or stops[-1] != "tab":
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.role || document.activeElement.tagName.toLowerCase()"))
    assert len(stops) <= 7, "few stops lead from the caption to the settings"
    page.locator("#cw-add-tag").focus()
    page.keyboard.type("sea, hair, sky")
    page.keyboard.press("Enter")
    assert caption(page).endswith("hair, sea, sky"), "what is there is not added again"
    wait_until(lambda: {"sea", "sky"} <= _in_caption(page), "they are shown")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == f"{sentence} toggle"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert "nami" not in caption(page)
    assert page.evaluate(focused) == "nami (one piece) toggle", "it stays where it was, to be put back"
    page.keyboard.press("Enter")
    assert caption(page).startswith(f"{sentence}, nami (one piece), red background")
    page.keyboard.press("End")
    assert page.evaluate(focused) == "sensitive toggle"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "hat toggle"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "cw-offered"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert caption(page).endswith("hair, sea, sky, hat")
    page.keyboard.press("Alt+ArrowDown")
    wait_until(page.locator("#cw-tag-menu").is_visible, "the menu is open")
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    wait_until(lambda: _found(page)["hat"] == "ignored", "it is ignored")
    page.locator("#cw-editor").focus()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "cw-grid"


def test_a_caption_without_taggers_has_its_parts_and_many_are_folded(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").fill("sky, <b>sea</b>, sky")
    wait_until(lambda: _parts(page) == ["sky", "<b>sea</b>", "sky"], "the parts are there")
    assert page.locator("#cw-offered").is_hidden()
    page.locator("#cw-chips .cw-found button").first.click()
    assert caption(page) == "<b>sea</b>, sky", "only the one that was clicked"
    _choose(page, "sky", "Put it first")
    assert caption(page) == "sky, <b>sea</b>"
    page.locator("#cw-add-tag").fill("new")
    page.locator("#cw-add-tag").press("Enter")
    wait_until(lambda: page.locator("#cw-tags option").count() > 0, "the set's tags complete it")
    wait_saved(page)
    assert downloaded(page) == {"turned.txt": "sky, <b>sea</b>, new"}
    page.locator("#cw-editor").fill(", ".join(f"tag number {number}" for number in range(40)))
    more = page.locator("#cw-chips .cw-more")
    wait_until(more.is_visible, "they are folded")
    shown = len(_parts(page))
    assert more.inner_text() == f"{40 - shown} more"
    assert page.locator("#cw-parts").bounding_box()["height"] < 70
    assert page.locator("#cw-add-tag").is_visible()
    more.click()
    wait_until(lambda: len(_parts(page)) == 40, "all are in sight")


def test_tag_names_are_shown_as_text(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / "evil.png", (200, 20, 20))])
    evil = "<img src=x onerror=\"document.body.dataset.owned='yes'\">"
    page.get_by_role("tab", name="Text").click()
    page.locator("#setting-replace textarea, #setting-replace input").first.fill(f"hat -> {evil}")
    page.locator("#setting-class_name textarea, #setting-class_name input").first.fill("red")
    page.locator("#setting-subject_name textarea, #setting-subject_name input").first.fill(evil)
    switch_on(page, "wd14")
    wait_until(lambda: evil in _found(page), "the tags are there")
    page.locator("#cw-others summary").click()
    page.wait_for_timeout(200)
    assert page.evaluate("document.body.dataset.owned") is None
    assert page.locator(".cw img[src=x]").count() == 0


def test_more_shows_the_tags_that_are_far_from_the_caption(many_tags: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, many_tags.url)
    add_pictures(page, [picture(tmp_path / "a.png", (200, 20, 20))])
    switch_on(page, "clip")
    wait_until(lambda: len(_found(page)) == 8 + 12, "those kept and the next ones are there")
    assert page.locator("#cw-tags-count").text_content() == "8 of 1,000 kept"
    page.locator("#cw-tags-found .cw-more").click()
    wait_until(lambda: len(_found(page)) == 1000, "all are there")
    open_more(page, "clip")
    page.locator("#setting-flavors input[type=number]").fill("6")
    page.locator("#setting-flavors input[type=number]").press("Tab")
    wait_until(lambda: page.locator('.cw-found[data-standing="kept"]').count() == 10, "two more are kept")


def test_other_beams_are_offered_and_use_composes_them_with_the_tags(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    assert page.locator("#cw-others").is_hidden()
    switch_on(page, "wd14")
    _caption_all(page)
    wait_until(page.locator("#cw-others").is_visible, "other sentences are offered")
    page.locator("#cw-others summary").click()
    rows = page.locator("#cw-others-list li")
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == ["-0.60", "-0.70"]
    assert page.locator("#cw-draw").is_hidden()
    rows.nth(1).get_by_role("button").click()
    wait_saved(page)
    tags = "nami (one piece), red background, long hair, hair"
    assert caption(page) == f"a red picture 240 wide under its beam 3, {tags}"
    assert rows.nth(1).get_by_role("button").inner_text() == "Used"
    assert page.evaluate("document.activeElement.textContent") == "Used", "the focus stays"
    assert page.locator("#cw-suggestion-text").text_content() == f"a red picture 240 wide under beam 3, {tags}"
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == f"a red picture 240 wide under beam 3, {tags}", "undo takes it back")


def test_more_sentences_are_drawn_under_nucleus_sampling(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#setting-method").get_by_label("Nucleus").check()
    wait_until(page.locator("#cw-others").is_visible, "a draw is offered")
    page.locator("#cw-others summary").click()
    rows = page.locator("#cw-others-list li")
    assert rows.count() == 0
    for count in (4, 8):
        page.locator("#cw-draw").click()
        wait_until(lambda count=count: rows.count() == count, "the draws are there")
    texts = page.locator("#cw-others-list span").all_text_contents()
    assert texts == [f"a red picture 240 wide under nucleus seed {seed}" for seed in range(1, 9)]
    rows.nth(7).get_by_role("button").click()
    wait_saved(page)
    assert downloaded(page) == {"turned.txt": "a red picture 240 wide under nucleus seed 8"}


def test_tags_fit_on_a_phone(chromium: Any, server: AppServer, pictures: list[Path]) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = open_page(context, server.url)
        add_pictures(page, pictures[:1])
        switch_on(page, "wd14")
        switch_on(page, "clip")
        wait_until(lambda: "cubism" in _found(page), "the tags are there")
        page.locator("#cw-others summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        _tag(page, "hat").tap()
        wait_until(lambda: caption(page) == "hat", "a tap takes a tag into the caption")
    finally:
        context.close()
