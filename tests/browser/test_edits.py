"""Hand edits are never lost: fast typing, reload, a killed server, two tabs, and a job over them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from captioner.workspace import Workspace
from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    downloaded,
    names,
    open_page,
    picture,
    select,
    states,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser


def _unsaved(page: Any) -> list[dict[str, Any]]:
    """What the browser keeps and the server has not acknowledged."""
    kept = page.evaluate(
        "() => Object.entries(localStorage).flatMap(([key, value]) => key.startsWith('captioner/edit/') ? [value] : [])"
    )
    return [json.loads(entry) for entry in kept]


def test_a_hundred_fast_edits_with_navigation_between_keystrokes(
    server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    files = [picture(tmp_path / f"{number:02}.png", (20 * number, 90, 60)) for number in range(10)]
    add_pictures(page, files)
    page.locator("#cw-editor").click()
    chance = random.Random(7)
    typed = {file.name: "" for file in files}
    at = 0
    for _ in range(100):
        letters = "".join(chance.choices("abcdefghij ,", k=chance.randint(1, 3)))
        page.keyboard.press("End")
        page.keyboard.type(letters)
        typed[files[at].name] += letters
        forward = chance.random() < 0.6
        page.keyboard.press("Control+ArrowDown" if forward else "Control+ArrowUp")
        at = min(9, at + 1) if forward else max(0, at - 1)
    wait_saved(page)
    stored = downloaded(page)
    assert {name: stored[f"{Path(name).stem}.txt"] for name in typed} == {
        name: text.strip() or "\n" for name, text in typed.items()
    }


def test_a_reload_inside_the_save_delay_loses_nothing(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").click()
    page.keyboard.type("typed just before the reload")
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: caption(page) == "typed just before the reload", "the edit is back")
    wait_saved(page)
    assert downloaded(page) == {"turned.txt": "typed just before the reload"}


def test_an_edit_reaches_the_server_when_the_tab_is_closed_at_once_and_opened_later(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    url = page.url
    context.set_offline(True)  # a tab that closes still sends what it can
    page.locator("#cw-editor").click()
    page.keyboard.type("never sent by this tab")
    page.close()
    context.set_offline(False)
    later = open_page(context, url)
    wait_saved(later)
    assert caption(later) == "never sent by this tab"
    assert downloaded(later) == {"turned.txt": "never sent by this tab"}


def test_a_server_killed_while_typing_and_started_again_has_every_letter(
    own_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, own_server.url)
    add_pictures(page, pictures[:2])
    select(page, "clear.png")
    page.locator("#cw-editor").click()
    for number in range(40):
        page.keyboard.type(f"{number} ")
        if number == 12:
            own_server.kill()
        if number == 30:
            page.wait_for_function("() => document.getElementById('cw-save').dataset.state === 'bad'")
            assert "Kept in this browser" in page.locator("#cw-save").text_content()
            own_server.start()
    page.keyboard.press("Control+ArrowDown")
    page.keyboard.type("the other one")
    wait_saved(page)
    assert page.locator("#cw-conflict").is_hidden()
    expected = "".join(f"{number} " for number in range(40))
    own_server.stop()
    set_id = page.url.partition("set=")[2]
    with Workspace(own_server.folder / "workspace") as workspace:
        stored = {view.name: view.text for view in workspace.views(set_id)}
    assert stored == {"clear.png": expected, "turned.jpg": "the other one"}


def test_two_tabs_on_one_picture_show_a_choice_and_lose_nothing(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    first = open_page(context, server.url)
    add_pictures(first, pictures[:1])
    second = open_page(context, first.url)
    wait_until(lambda: len(names(second)) == 1, "the second tab has the picture")
    # Both read revision 0; the second one's first look at changes is held back until it has written too.
    second.route("**/component_server/**", lambda route: route.abort())
    first.locator("#cw-editor").fill("from the first tab")
    wait_until(lambda: first.locator("#cw-save").get_attribute("data-state") == "saved", "the first tab is saved")
    second.locator("#cw-editor").fill("from the second tab")
    second.unroute("**/component_server/**")
    second.wait_for_selector("#cw-conflict:not([hidden])")
    assert second.locator("#cw-theirs").text_content() == "from the first tab"
    assert caption(second) == "from the second tab"
    assert states(second) == {"turned.jpg": "conflict"}
    # The choice survives a reload, and more typing.
    second.locator("#cw-editor").press_sequentially("!")
    second.reload()
    second.wait_for_selector("#cw-conflict:not([hidden])")
    assert caption(second) == "from the second tab!"
    second.locator("#cw-keep-mine").click()
    wait_saved(second)
    wait_until(lambda: caption(first) == "from the second tab!", "the first tab shows what was chosen")
    assert downloaded(second) == {"turned.txt": "from the second tab!"}


def test_an_answer_that_was_overtaken_does_not_bring_an_older_text_back(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    held: list[Any] = []

    def hold_changes(route: Any) -> None:
        if '"changes"' in (route.request.post_data or "") and not held:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/component_server/**", hold_changes)
    page.locator("#cw-editor").fill("one")
    wait_saved(page)
    while not held:
        page.wait_for_timeout(50)
    page.locator("#cw-editor").fill("one two")
    wait_saved(page)
    route, answer = held[0]
    route.fulfill(response=answer)
    page.wait_for_timeout(300)
    assert caption(page) == "one two"
    page.locator("#cw-editor").press_sequentially("!")
    wait_saved(page)
    assert page.locator("#cw-conflict").is_hidden()
    assert downloaded(page) == {"turned.txt": "one two!"}


def test_the_other_text_of_a_conflict_can_be_taken(server: AppServer, context: Any, pictures: list[Path]) -> None:
    first = open_page(context, server.url)
    add_pictures(first, pictures[:1])
    second = open_page(context, first.url)
    second.route("**/component_server/**", lambda route: route.abort())
    first.locator("#cw-editor").fill("stays")
    wait_until(lambda: first.locator("#cw-save").get_attribute("data-state") == "saved", "the first tab is saved")
    second.locator("#cw-editor").fill("goes")
    second.unroute("**/component_server/**")
    second.locator("#cw-take-theirs").click()
    wait_saved(second)
    assert caption(second) == "stays"
    assert downloaded(second) == {"turned.txt": "stays"}


def test_two_tabs_in_turn_see_each_other_s_edits_without_any_conflict(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    first = open_page(context, server.url)
    add_pictures(first, pictures[:1])
    second = open_page(context, first.url)
    for tab, other, text in ((first, second, "one"), (second, first, "one two"), (first, second, "one two three")):
        tab.locator("#cw-editor").fill(text)
        wait_saved(tab)
        wait_until(lambda other=other, text=text: caption(other) == text, "the other tab shows it")
    assert first.locator("#cw-conflict").is_hidden()
    assert second.locator("#cw-conflict").is_hidden()


def test_edits_made_during_caption_all_are_kept_and_get_suggestions(
    slow_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, slow_server.url)
    files = [picture(tmp_path / f"{number:02}.png", (200, 20, 20)) for number in range(16)]
    add_pictures(page, files)
    page.locator("#cw-caption-all").click()
    page.locator("#cw-editor").click()
    for number in range(16):
        page.keyboard.press("Control+a")
        page.keyboard.type(f"edit {number}")
        page.keyboard.press("Control+ArrowDown")
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has ended")
    wait_saved(page)
    assert set(states(page).values()) == {"edited"}
    page.wait_for_selector("#cw-suggestion:not([hidden])")
    assert page.locator("#cw-suggestion-text").text_content() == "a red picture 320 wide under beam 3"
    assert downloaded(page) == {f"{file.stem}.txt": f"edit {number}" for number, file in enumerate(files)}


def test_a_job_goes_on_when_its_tab_is_closed_and_other_tabs_see_it(
    slow_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, slow_server.url)
    add_pictures(page, [picture(tmp_path / f"{number:02}.png", (200, 20, 20)) for number in range(24)])
    page.locator("#cw-caption-all").click()
    page.wait_for_selector("#cw-stop:not([hidden])")
    url = page.url
    page.close()
    other = open_page(context, url)
    assert other.locator("#cw-stop").is_visible()
    wait_until(lambda: "of 24" in (other.locator("#cw-progress-text").text_content() or ""), "progress is shown")
    wait_until(lambda: other.locator("#cw-stop").is_hidden(), "the job has ended")
    assert set(downloaded(other).values()) == {"a red picture 320 wide under beam 3"}


def test_stop_keeps_what_is_done(slow_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, slow_server.url)
    add_pictures(page, [picture(tmp_path / f"{number:02}.png", (200, 20, 20)) for number in range(8)])
    page.locator("#cw-caption-all").click()
    wait_until(lambda: "generated" in states(page).values(), "one is captioned")
    page.locator("#cw-stop").click()
    wait_until(lambda: page.locator("#cw-stop").is_hidden(), "the job has stopped")
    done = list(states(page).values()).count("generated")
    assert 1 <= done < 8
    assert "they are kept" in (page.locator("#cw-brief").text_content() or "")


def test_nothing_stays_behind_in_the_browser(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").press_sequentially("abc")
    assert [entry["text"] for entry in _unsaved(page)] == ["abc"]
    wait_saved(page)
    assert _unsaved(page) == []


def test_undo_after_use_brings_back_what_was_typed(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").click()
    page.keyboard.type("my own words")
    wait_saved(page)
    page.locator("#setting-num_beams input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#cw-suggestion:not([hidden])[data-busy=false]")
    wait_until(lambda: "beam 4" in (page.locator("#cw-suggestion-text").text_content() or ""), "it is previewed")
    page.locator("#cw-use").click()
    wait_until(lambda: caption(page).endswith("beam 4"), "it is used")
    assert states(page) == {"turned.jpg": "generated"}
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == "my own words", "the typed text is back")


def test_the_picture_being_typed_on_stays_listed_under_a_state_filter(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    page.locator("#cw-state").select_option("empty")
    select(page, "plain.png")
    page.locator("#cw-editor").click()
    page.keyboard.type("a blue plane")
    wait_saved(page)
    page.keyboard.press("Control+ArrowDown")
    wait_until(lambda: page.locator("#cw-name").text_content() == "turned.jpg", "the next one is selected")


def test_removing_other_pictures_leaves_the_editor_where_it_is(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    select(page, "clear.png")
    for name in ("turned.jpg", "twin.jpg"):
        page.locator(f'.cw-cell[aria-label^="{name}"]').click(modifiers=["Control"])
    current = page.locator("#cw-name").text_content()
    page.locator("#cw-remove").click()
    wait_until(lambda: page.locator("#cw-count").text_content() == "4 pictures", "two are gone")
    assert page.locator("#cw-name").text_content() == current == "clear.png"


def test_two_texts_left_by_dead_tabs_are_both_kept_until_one_is_chosen(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.evaluate(
        """() => {
            const set = new URL(location).searchParams.get('set');
            const id = document.querySelector('.cw-cell').dataset.id;
            const leave = (tab, text) => localStorage.setItem(
                `captioner/edit/${set}/${id}/${tab}`, JSON.stringify({ text, base: 0, sent: [], conflict: null }));
            leave('dead1', 'of one tab');
            leave('dead2', 'of another tab');
        }"""
    )
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.wait_for_selector("#cw-conflict:not([hidden])")
    shown = {caption(page), page.locator("#cw-theirs").text_content()}
    assert shown == {"of one tab", "of another tab"}
    other = page.locator("#cw-theirs").text_content()
    page.locator("#cw-take-theirs").click()
    wait_saved(page)
    assert caption(page) == other
    assert list(downloaded(page).values()) == [other]
