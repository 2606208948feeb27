"""Settings side by side: the grid fills in, is rated, summed up, kept, and leads back to settings and captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.comparing import (
    captions,
    cell,
    choose_axes,
    compare,
    heads,
    open_compare,
    ratings,
    start,
    state,
    wait_done,
)
from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    drawn,
    open_page,
    picture,
    select,
    states,
    wait_saved,
    wait_until,
)
from tests.browser.test_widths import OUTSIDE, SIZES, WIDER
from tests.fakes import POISON

pytestmark = pytest.mark.browser

AXES = {"num_beams": "1, 2, 4", "min_length": "5, 8"}


@pytest.fixture
def page(server: AppServer, context: Any, tmp_path: Path) -> Any:
    """A set of a red and a green picture, both selected."""
    return _two(open_page(context, server.url), tmp_path)


def _two(page: Any, folder: Path) -> Any:
    add_pictures(page, [picture(folder / "a.png", (200, 40, 30)), picture(folder / "b.png", (20, 180, 40))])
    select(page, "a.png")
    page.locator('.cw-cell[aria-label^="b.png,"]').click(modifiers=["Shift"])
    return page


def _has_focus(page: Any, number: int, name: str) -> bool:
    look = """number => document.activeElement.dataset.cell === String(number) &&
        document.activeElement.closest('[data-group]').getAttribute('aria-label')"""
    return bool(page.evaluate(look, number) == name)


def _focused(page: Any) -> str | None:
    """What the element that has the focus is called."""
    label: str | None = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    return label


def test_the_grid_has_a_caption_for_each_combination_and_equal_ones_share_a_letter_and_its_reason(page: Any) -> None:
    open_compare(page)
    assert page.locator("#cw-compare-pinned").text_content() == "2 of at most 8"
    choose_axes(page, AXES)
    assert "2 pictures × 6 cells: 12 captions." in page.locator("#cw-compare-size").inner_text()
    start(page)
    wait_done(page)
    beams = [f"a red picture 320 wide under beam {beams}" for beams in (1, 2, 4)]
    assert captions(page) == [*beams, *beams]
    column = page.get_by_role("columnheader", name="Num beams 1")
    assert column.is_visible()
    assert page.locator("#cw-compare-table .cw-letter").all_text_contents() == ["A", "B", "C", "A", "B", "C"]
    cell(page, 3).click()
    letter, _, reason = cell(page, 3).locator(".cw-letter").get_attribute("title").partition(": ")
    assert letter == "A"
    assert "Num beams 1" in reason
    assert page.locator("#cw-compare-cell .cw-compare-why").inner_text() == f"A {reason}"
    assert cell(page, 0).get_attribute("data-same") == "true"
    assert "equal A" in cell(page, 3).get_attribute("aria-label")


def test_words_that_differ_from_the_base_cell_are_marked(page: Any) -> None:
    compare(page, AXES)
    base = page.locator("#cw-compare-table [data-base=true]").first
    assert base.locator("mark").count() == 0
    others = page.locator("#cw-compare-table [data-base=false]")
    words = {word for one in others.all() for word in one.locator("mark").all_text_contents()}
    assert words <= {"1", "2", "4"}
    assert len(words) == 2


def test_keys_rate_and_lead_over_the_edge_to_the_next_picture_and_undo_takes_back(page: Any) -> None:
    compare(page, AXES)
    cell(page, 3).click()
    page.keyboard.press("1")
    wait_until(lambda: ratings(page) == ["green", "", "", "green", "", ""], "equal captions are rated together")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    page.keyboard.press("ArrowDown")
    wait_until(lambda: _has_focus(page, 1, "b.png"), "the arrow went on to the next picture's first row")
    page.keyboard.press("3")
    wait_until(lambda: ratings(page) == ["", "red", "", "", "red", ""], "the other picture's own captions are rated")
    assert heads(page) == ["2 green", "2 yellow, 2 red", ""]
    assert heads(page, "row") == ["1 green, 1 yellow, 1 red"] * 2
    page.keyboard.press("ArrowUp")
    wait_until(lambda: _has_focus(page, 4, "a.png"), "and back")
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == "Undo: Rate: red", "the step has a name")
    page.keyboard.press("Control+z")
    wait_until(lambda: heads(page) == ["2 green", "2 yellow", ""], "undone")
    page.keyboard.press("Control+Shift+z")
    wait_until(lambda: heads(page) == ["2 green", "2 yellow, 2 red", ""], "and done again")
    page.keyboard.press("0")
    wait_until(lambda: heads(page) == ["2 green", "2 red", ""], "0 takes the rating back")


def test_clicks_rate_and_take_back_and_a_rating_is_told_by_a_sign_too(page: Any) -> None:
    compare(page, AXES)
    green = cell(page, 2).get_by_role("button", name="Green")
    green.click()
    wait_until(lambda: ratings(page)[2] == "green", "rated")
    assert cell(page, 2).locator("[data-rate=green]").get_attribute("aria-pressed") == "true"
    assert cell(page, 2).get_attribute("aria-label").count("rated green") == 1
    cell(page, 2).locator("[data-rate=green]").click()
    wait_until(lambda: ratings(page)[2] == "", "taken back")
    page.locator("#cw-compare-cell [data-rate=red]").click()
    wait_until(lambda: ratings(page)[2] == "red", "rated beside the grid")


def test_a_comparison_is_kept_with_its_ratings_reopened_renamed_and_deleted(page: Any) -> None:
    compare(page, AXES)
    cell(page, 0).click()
    page.keyboard.press("1")
    wait_until(lambda: page.locator("#cw-undo").get_attribute("title") == "Undo: Rate: green", "stored")
    with page.expect_response(lambda response: '"rename_sweep"' in (response.request.post_data or "")):
        page.locator("#cw-compare-name").fill("Beams by lengths")
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    open_compare(page)
    one = page.locator("#cw-compare-earlier li")
    assert "Beams by lengths" in one.inner_text()
    assert "2 pictures × 6 cells, 2 rated" in one.inner_text()
    one.get_by_role("button", name="Rename").click()
    page.keyboard.press("Escape")
    assert _focused(page) == "Rename Beams by lengths", "Escape ends the renaming, not Compare"
    page.keyboard.press("Enter")
    page.locator("#cw-compare-earlier input").fill("Seen")
    page.keyboard.press("Enter")
    wait_until(lambda: _focused(page) == "Rename Seen", "it has its name, and the focus is where it was")
    page.locator("[data-do=open]").click()
    wait_until(lambda: len(captions(page)) == 6, "it is open again")
    assert page.locator("#cw-compare-name").input_value() == "Seen"
    assert ratings(page)[0] == "green"
    page.locator("#cw-compare-new").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#cw-compare-earlier [data-do=delete]").click()
    page.get_by_text("None yet.").wait_for()
    wait_until(lambda: page.locator("#cw-compare-close").evaluate("it => it === document.activeElement"), "focus stays")


def test_a_comparison_deleted_before_the_list_came_stays_away_and_the_focus_where_it_was_put(page: Any) -> None:
    compare(page, {"num_beams": "1, 2"})
    page.locator("#cw-compare-new").click()
    page.locator("#cw-compare-earlier [data-do=open]").click()  # the list stands there already
    page.locator("#cw-compare-table [data-cell]").first.wait_for()
    held: dict[str, tuple[Any, Any]] = {}  # what was answered before, and comes late

    def hold(route: Any) -> None:
        asked = route.request.post_data_json["fn_name"]
        if asked in ("sweeps", "lab_offer") and asked not in held:
            held[asked] = (route, route.fetch())
        else:
            route.continue_()

    page.route("**/component_server/**", hold)
    page.locator("#cw-compare-new").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#cw-compare-earlier [data-do=delete]").click()
    page.get_by_text("None yet.").wait_for()
    for route, response in held.values():
        with page.expect_response(lambda response, request=route.request: response.request == request):
            route.fulfill(response=response)
    page.evaluate("new Promise((next) => setTimeout(next))")
    assert page.locator("#cw-compare-earlier li").count() == 0
    assert page.locator("#cw-compare-close").evaluate("it => it === document.activeElement")


def test_a_cell_that_fails_says_why_and_the_others_are_there(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / "a.png", (200, 40, 30)), picture(tmp_path / "poison.png", POISON)])
    page.keyboard.press("Control+a")
    open_compare(page)
    choose_axes(page, {"num_beams": "1, 2"})
    start(page)
    wait_until(lambda: page.locator("#cw-progress").is_hidden(), "it has ended")
    wait_until(lambda: captions(page)[1:] == ["a red picture 320 wide under beam 2"], "one picture has its captions")
    page.locator("#cw-compare-pictures button").last.click()
    page.locator("#cw-compare-table [data-state=failed]").first.click()
    reason = page.locator("#cw-compare-cell .cw-failed").inner_text()
    assert "This caption failed." in reason
    assert len(reason) > 30
    assert "Failed: " in page.locator("#cw-compare-table [data-state=failed]").first.get_attribute("aria-label")


def test_the_settings_of_a_cell_become_the_set_s_and_undo_brings_the_old_ones_back(page: Any) -> None:
    compare(page, AXES)
    cell(page, 5).click()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Use these settings").click()
    beams = page.locator("#setting-num_beams input[type=number]")
    page.get_by_text("These settings are in use now").wait_for()
    page.keyboard.press("Escape")
    wait_until(lambda: beams.input_value() == "4", "the controls show them")
    assert page.locator("#setting-min_length input[type=number]").input_value() == "8"
    page.locator("#cw-undo").click()
    wait_until(lambda: beams.input_value() == "3", "undone")


def test_a_column_s_menu_takes_its_value_beside_what_the_base_cell_has(page: Any) -> None:
    compare(page, AXES)
    page.locator("[data-column='0'] .cw-cell-menu").click()
    base = page.locator("#cw-compare-table [data-base=true]").first.get_attribute("aria-label")
    length = "5" if "Min length 5" in base else "8"
    page.get_by_role("menuitem", name=f"Use Num beams 1, Min length {length}").click()
    page.keyboard.press("Escape")
    wait_until(lambda: page.locator("#setting-num_beams input[type=number]").input_value() == "1", "it is in use")


def test_all_pictures_are_captioned_with_the_settings_of_a_cell(page: Any) -> None:
    compare(page, AXES)
    cell(page, 2).click()
    page.locator("#cw-compare-cell").get_by_role("button", name="Caption all with these").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    assert caption(page).endswith("under beam 4")


def test_a_cell_s_caption_becomes_the_picture_s_own(page: Any) -> None:
    compare(page, AXES)
    cell(page, 1).click()
    page.locator("#cw-compare-cell").get_by_role("button", name="Use this caption for the picture").click()
    wait_saved(page)
    page.locator("#cw-compare-close").click()
    select(page, "a.png")
    assert caption(page) == "a red picture 320 wide under beam 2"
    assert states(page)["a.png"] == "edited"


def test_cells_can_be_coloured_by_a_score_with_its_ends_in_a_legend(page: Any) -> None:
    compare(page, AXES)
    page.locator("#cw-compare-colour").select_option("tokens")
    page.locator("#cw-compare-legend span").wait_for()
    assert page.locator("#cw-compare-legend").inner_text().startswith("Length: ")
    assert page.locator(".cw-shaded").count() == 6
    wait_until(lambda: "mean" in heads(page)[0], "the heads have its mean")
    page.locator("#cw-compare-colour").select_option("rating")
    assert page.locator(".cw-shaded").count() == 0


def test_values_that_will_not_do_are_told_beside_their_field_and_too_many_cells_before_the_start(page: Any) -> None:
    open_compare(page)
    choose_axes(page, {"num_beams": "1, many, 900"})
    field = page.locator("fieldset.cw-axis")
    assert field.locator("[role=alert]").inner_text() == "“many” is not a whole number."
    assert field.locator(".cw-axis-new").input_value() == "many, 900", "what is wrong can be mended"
    assert [one.get_attribute("data-value") for one in field.locator("[data-do=out]").all()] == ["1"]
    choose_axes(page, {"num_beams": "1,2,3,4,5,6,7", "min_length": ",".join(str(length) for length in range(1, 75))})
    assert "518 cells are too many" in page.locator("#cw-compare-size").inner_text()
    assert page.locator("#cw-compare-start").is_disabled()
    choose_axes(page, {"min_length": "5, 50"})
    page.locator("#cw-compare-start").click()
    page.locator(".cw-compare-start [role=alert]", has_text="max_length").wait_for()


def test_a_comparison_is_stopped_and_goes_on(slow_server: AppServer, context: Any, tmp_path: Path) -> None:
    page = _two(open_page(context, slow_server.url), tmp_path)
    open_compare(page)
    choose_axes(page, {"num_beams": ", ".join(str(beams) for beams in range(1, 9))})
    start(page)
    wait_until(lambda: page.locator("[data-state=done]").count() > 0, "it has begun")
    page.locator("#cw-stop").click()
    wait_until(lambda: state(page).startswith("Stopped"), "it has stopped")
    page.locator("#cw-compare-continue").click()
    wait_done(page)
    assert page.locator("[data-state=done]").count() == 8
    assert page.locator("#cw-compare-continue").is_hidden()


def test_what_is_pressed_or_has_the_focus_stays_while_the_grid_fills(
    slow_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = _two(open_page(context, slow_server.url), tmp_path)
    open_compare(page)
    choose_axes(page, {"num_beams": ", ".join(str(beams) for beams in range(1, 17))})
    start(page)
    done = page.locator("#cw-compare-table [data-state=done]")
    done.first.wait_for()
    kept = "[...document.querySelectorAll('[data-column=\"0\"] button, .cw-compare-thumb, [data-do^=Use], option')]"
    page.evaluate(f"() => {{ window.before = {kept}; }}")
    page.locator("[data-column='0'] .cw-cell-menu").hover()
    page.mouse.down()
    had = done.count()
    wait_until(lambda: done.count() > had, "further cells are there")
    assert page.evaluate("() => window.before.every((one) => one.isConnected) && window.before.length") > 4
    page.mouse.up()
    page.get_by_role("menuitem", name="Use Num beams 1").wait_for()
    page.locator("#cw-stop").click()


def test_its_end_is_told_where_the_person_looks_at_something_else(
    slow_server: AppServer, context: Any, tmp_path: Path
) -> None:
    page = _two(open_page(context, slow_server.url), tmp_path)
    open_compare(page)
    choose_axes(page, {"num_beams": "1, 2, 4"})
    start(page)
    page.keyboard.press("Escape")
    page.get_by_text("The comparison is there").wait_for()
    page.locator("#cw-brief-actions button").click()
    wait_until(lambda: len(captions(page)) == 3, "it is shown")


def test_a_picture_that_was_removed_meanwhile_keeps_its_captions(page: Any) -> None:
    compare(page, AXES)
    page.keyboard.press("Escape")
    select(page, "a.png")
    page.keyboard.press("Delete")
    wait_until(lambda: list(states(page)) == ["b.png"], "it is gone")
    page.keyboard.press("c")
    wait_until(lambda: len(captions(page)) == 6, "the comparison is open again")
    assert page.locator("#cw-compare-of").inner_text() == "a.png is not in the set any more"
    cell(page, 0).click()
    assert page.get_by_role("button", name="Use this caption for the picture").count() == 0


def test_all_pictures_stand_below_each_other_and_two_keys_lead_in_and_out(page: Any) -> None:
    compare(page, {"num_beams": "1, 2"})
    page.locator(".cw-compare-all").click()
    assert captions(page) == [
        f"a {colour} picture 320 wide under beam {beams}" for colour in ("red", "green") for beams in (1, 2)
    ]
    page.keyboard.press("Escape")
    assert page.locator("#cw-compare").is_hidden()
    assert page.locator("#cw-grid").is_visible()
    page.locator("#cw-grid").focus()
    page.keyboard.press("c")
    wait_until(lambda: len(captions(page)) > 0, "it is there again")
    assert page.locator("#cw-side").is_hidden()


def test_words_over_the_lower_edge_cover_nothing(page: Any) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    open_compare(page)
    page.evaluate("document.getElementById('cw-brief').textContent = 'twelve pictures captioned'")
    page.locator("#cw-compare-size").scroll_into_view_if_needed()
    drawn(page)
    size, said = page.locator("#cw-compare-size").bounding_box(), page.locator("#cw-toast").bounding_box()
    assert size["y"] + size["height"] <= said["y"]


def test_in_every_size_nothing_is_cut_off_and_on_a_phone_cells_have_their_heads(page: Any) -> None:
    open_compare(page)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        drawn(page)
        assert page.evaluate(WIDER) == [], f"the form, {width}x{height}"
    page.set_viewport_size({"width": 1366, "height": 768})
    choose_axes(page, AXES)
    start(page)
    wait_done(page)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        drawn(page)
        assert page.evaluate(WIDER) + page.evaluate(OUTSIDE) == [], f"the grid, {width}x{height}"
    heads_of_first = page.locator(".cw-compare-where").first
    assert heads_of_first.is_visible()
    assert "Min length 5" in heads_of_first.inner_text()
    page.locator(".cw-compare-text").nth(1).click()
    assert page.locator("#cw-compare-panel").is_visible(), "the details are a sheet"
    page.locator("#cw-compare-panel-close").click()
    assert page.locator("#cw-compare-panel").is_hidden()


def test_twenty_five_cells_are_in_sight_on_a_laptop_and_their_whole_text_beside_them(page: Any) -> None:
    page.set_viewport_size({"width": 1366, "height": 768})
    compare(page, {"num_beams": "1, 2, 3, 4, 5", "min_length": "5, 6, 7, 8, 9"})
    boxes = [one.bounding_box() for one in page.locator("#cw-compare-table [data-cell]").all()]
    assert len(boxes) == 25
    assert all(box["x"] + box["width"] <= 1366 and box["y"] + box["height"] <= 768 for box in boxes)
    assert page.locator(".cw-compare-caption").inner_text() == captions(page)[12]
