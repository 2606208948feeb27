"""What a person meets on the page: uploads, settings, the keyboard, odd captions, an address that leads nowhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    caption,
    drawn,
    names,
    open_page,
    picture,
    select,
    states,
    switch_on,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser


def _suggestion(page: Any) -> str:
    return page.locator("#cw-suggestion-text").text_content() or ""


def test_refused_files_are_told_with_their_reason_and_the_others_are_added(
    server: AppServer, context: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(pictures[0].read_bytes()[:200])
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    stray = tmp_path / "stray.txt"
    stray.write_text("a caption without a picture")
    page.set_input_files("#cw-files", [str(file) for file in (broken, pictures[1], drawing, stray)])
    page.wait_for_selector(".cw-notice-bad")
    told = page.locator(".cw-notice-bad").inner_text()
    assert "3 files were not added" in told
    for words in ("broken.jpg: ", ": drawing.svg.", "stray.txt: No picture of this name is in this set; add it"):
        assert words in told
    assert names(page) == ["clear.png"]
    page.locator(".cw-notice-bad .cw-close").click()
    assert page.locator(".cw-notice").count() == 0


def test_pictures_and_their_caption_files_can_be_dropped_onto_the_page(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    data = base64.b64encode(pictures[5].read_bytes()).decode()
    page.evaluate(
        """(data) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const dropped = new DataTransfer();
            dropped.items.add(new File([bytes], 'plain.png', { type: 'image/png' }));
            dropped.items.add(new File(['brought along\\n'], 'plain.txt', { type: 'text/plain' }));
            const at = document.querySelector('.cw-preview');
            for (const type of ['dragover', 'drop'])
                at.dispatchEvent(new DragEvent(type, { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        data,
    )
    wait_until(lambda: names(page) == ["plain.png"], "the picture is there")
    wait_until(lambda: caption(page) == "brought along", "its caption is there")
    assert page.locator("#cw-drop").is_hidden()


def test_only_fields_that_apply_are_shown_and_presets_set_them_all(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    assert page.locator("#setting-num_beams").is_visible()
    assert page.locator("#setting-top_p").is_hidden()
    page.locator("#setting-method").get_by_label("Nucleus").check()
    page.wait_for_selector("#setting-num_beams", state="hidden")
    assert page.locator("#setting-top_p").is_visible()
    wait_until(lambda: _suggestion(page) == "a red picture 240 wide under nucleus seed 0", "the preview follows")
    assert page.locator("#preset-blip input").input_value() == "Custom"
    page.locator("#preset-blip input").click()
    page.get_by_role("option", name="EveryDream beam").click()
    wait_until(lambda: _suggestion(page) == "a red picture 240 wide under beam 16", "the preset is tried")
    assert page.locator("#setting-min_length input[type=range]").input_value() == "22"
    assert page.locator("#preset-blip input").input_value() == "EveryDream beam"


def test_a_dragged_slider_shows_its_last_value_and_stores_nothing(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    slider = page.locator("#setting-num_beams input[type=range]")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    wait_until(lambda: _suggestion(page) == "a red picture 240 wide under beam 15", "the last value is shown")
    page.wait_for_timeout(400)
    assert _suggestion(page) == "a red picture 240 wide under beam 15"
    assert states(page) == {"turned.jpg": "empty"}


def test_a_moved_slider_s_newest_question_overtakes_one_that_stands_in_line(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    in_line: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if route.request.post_data_json["fn_name"] == "preview" and not in_line:
            in_line.append(route)
        else:
            route.continue_()

    page.route("**/component_server/**", hold_the_first)
    page.locator("#setting-num_beams input[type=range]").focus()
    with page.expect_request(lambda request: '"preview"' in (request.post_data or "")):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    last = "a red picture 240 wide under beam 5"
    wait_until(lambda: _suggestion(page) == last, "the newest is answered first")
    asked = in_line[0].request.post_data_json["data"]
    assert asked["settings"]["num_beams"] == 4
    assert asked["tab"]
    with page.expect_response(lambda response: response.request == in_line[0].request):
        in_line[0].continue_()
    wait_until(lambda: page.locator("#cw-suggestion").get_attribute("data-busy") == "false", "both are answered")
    assert _suggestion(page) == last
    page.unroute_all(behavior="ignoreErrors")


def test_a_preview_for_a_picture_that_was_left_is_dropped(
    slow_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, slow_server.url)
    add_pictures(page, [pictures[0], pictures[2]])
    select(page, "turned.jpg")
    page.locator("#setting-num_beams input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    select(page, "modern.webp")
    page.wait_for_timeout(1000)
    assert page.locator("#cw-suggestion").is_hidden()


def test_settings_that_do_not_fit_are_told_beside_them(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    box = page.locator("#setting-min_length input[type=number]")
    box.fill("60")
    box.press("Tab")
    message = page.locator("#cw-settings-message")
    wait_until(message.is_visible, "the message is there")
    assert message.text_content() == ("min_length is 60 and max_length is 20; min_length must not be above max_length.")
    box.fill("6")
    box.press("Tab")
    wait_until(message.is_hidden, "the message is gone")


def test_a_threshold_changes_every_generated_caption(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:3])
    switch_on(page, "wd14")
    page.locator("#cw-caption-all").click()
    wait_until(lambda: set(states(page).values()) == {"generated"}, "all are captioned")
    select(page, "modern.webp")
    assert caption(page).endswith("nami (one piece), blue background, long hair, hair")
    box = page.locator("#setting-general_threshold input[type=number]")
    box.fill("0.7")
    box.press("Tab")
    wait_until(lambda: caption(page).endswith("nami (one piece), blue background"), "the caption follows")
    select(page, "turned.jpg")
    assert caption(page).endswith("nami (one piece), red background")


def test_the_keyboard_goes_through_the_pictures(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    current = page.locator(".cw-cell[aria-selected=true]")
    page.locator("#cw-editor").click()
    page.keyboard.press("Control+ArrowDown")
    assert (current.get_attribute("aria-label") or "").startswith("modern.webp")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    assert (current.get_attribute("aria-label") or "").startswith("clear.png")
    page.locator("#cw-grid").focus()
    page.keyboard.press("End")
    assert (current.get_attribute("aria-label") or "").startswith("twin.png")
    assert page.locator("#cw-grid").get_attribute("aria-activedescendant") == current.get_attribute("id")
    page.keyboard.press("Enter")
    page.keyboard.type("by keyboard")
    wait_saved(page)
    assert states(page)["twin.png"] == "edited"


def test_captions_and_names_are_shown_as_text(server: AppServer, context: Any, tmp_path: Path) -> None:
    page = open_page(context, server.url)
    add_pictures(page, [picture(tmp_path / "<img src=x onerror=alert(1)>.png", (200, 20, 20))])
    evil = "<img src=x onerror=\"document.body.dataset.owned='yes'\"> & <b>bold</b> " * 8
    page.locator("#cw-editor").fill(evil)
    wait_saved(page)
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: caption(page) == evil, "the caption is back")
    page.wait_for_selector("#cw-beyond:not([hidden])")
    assert page.locator("#cw-name").text_content() == "<img src=x onerror=alert(1)>.png"
    assert page.evaluate("document.body.dataset.owned") is None
    assert page.locator(".cw img[src=x]").count() == 0


def test_tokens_are_counted_and_what_is_too_long_is_shown(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-editor").fill("cat " * 75 + "dog bird")
    wait_until(lambda: page.locator("#cw-tokens").text_content() == "77 / 75 tokens", "the count is there")
    assert (page.locator("#cw-beyond mark").text_content() or "").strip() == "dog bird"
    page.locator("#cw-editor").fill("a cat")
    wait_until(lambda: page.locator("#cw-tokens").text_content() == "2 / 75 tokens", "the count follows")
    assert page.locator("#cw-beyond").is_hidden()


def test_the_filter_finds_names_and_captions(server: AppServer, context: Any, pictures: list[Path]) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    select(page, "plain.png")
    page.locator("#cw-editor").fill("a very rare word")
    page.locator("#cw-filter").fill("TWIN")
    wait_until(lambda: names(page) == ["twin.jpg", "twin.png"], "the twins are left")
    page.locator("#cw-filter").fill("rare")
    wait_until(lambda: names(page) == ["plain.png"], "the word is found")
    assert page.locator("#cw-count").text_content() == "1 of 6 pictures"


def test_an_edit_can_be_taken_back_to_the_generated_caption(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    page.locator("#cw-one").click()
    wait_until(lambda: states(page) == {"turned.jpg": "generated"}, "it is captioned")
    page.locator("#cw-editor").fill("mine")
    wait_saved(page)
    page.locator("#cw-revert").click()
    wait_until(lambda: caption(page) == "a red picture 240 wide under beam 3", "the generated caption is back")
    wait_saved(page)
    assert states(page) == {"turned.jpg": "generated"}


def test_an_address_of_no_set_is_a_clear_page(server: AppServer, context: Any) -> None:
    page = context.new_page()
    page.goto(f"{server.url}?set=AAAAAAAAAAAAAAAAAAAAAA")
    page.wait_for_selector(".cw-gone")
    assert "This caption set is not here" in page.locator(".cw-gone").inner_text()
    page.get_by_role("link", name="Start a new set").click()
    page.wait_for_selector(".cw[data-ready=true]")
    assert "set=" not in page.url


def test_the_phone_s_page_is_not_wider_than_the_phone(chromium: Any, server: AppServer, pictures: list[Path]) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = open_page(context, server.url)
        add_pictures(page, pictures)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        select(page, "modern.webp")
        page.locator("#cw-editor").fill("from a phone")
        wait_saved(page)
    finally:
        context.close()


def test_the_thumbnails_fit_again_when_a_narrow_window_is_widened(
    server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures)
    page.set_viewport_size({"width": 390, "height": 844})
    wait_until(lambda: page.locator("#cw-grid").bounding_box()["height"] < 100, "they are one strip")
    page.set_viewport_size({"width": 1440, "height": 900})
    wait_until(lambda: page.locator("#cw-grid").bounding_box()["height"] > 100, "they are a grid")
    drawn(page)
    edge = page.locator("#cw-grid").bounding_box()
    for cell in page.locator(".cw-cell").all():
        box = cell.bounding_box()
        assert box["x"] + box["width"] <= edge["x"] + edge["width"]
