"""Taggers as a person meets them: labels that must be embedded first, vocabularies of one's own, a missing GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    AppServer,
    add_pictures,
    open_more,
    open_page,
    select,
    states,
    switch_on,
    wait_until,
)

pytestmark = pytest.mark.browser


def _suggestion(page: Any) -> str:
    return str(page.locator("#cw-suggestion-text").text_content())


def test_missing_labels_are_told_prepared_with_progress_and_stopped(
    long_unprepared_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, long_unprepared_server.url)
    add_pictures(page, pictures[:2])
    select(page, "turned.jpg")
    switch_on(page, "clip")
    open_more(page, "clip")
    page.wait_for_selector("#cw-unprepared:not([hidden])")
    assert page.locator("#cw-unprepared-text").text_content() == (
        "fake-clip has 40,000 labels to embed once, about 11.1 h, and is left out until then."
    )
    assert page.locator("#cw-fetch").text_content() == "Download published ones (155 MB)"
    wait_until(lambda: _suggestion(page) == "a red picture 240 wide under beam 3", "the rest of the preview is there")

    # It begins when asked to, shows how far it is, and others are let in between its steps.
    page.locator("#cw-prepare").click()
    wait_until(lambda: " left" in page.locator("#cw-progress-text").inner_text(), "the time left is shown")
    assert "of 40,000 labels · " in page.locator("#cw-progress-text").inner_text()
    assert page.locator("#cw-progress").get_attribute("title").startswith("Preparing fake-clip: ")
    fits = "text => text.scrollWidth <= text.clientWidth"
    assert page.locator("#cw-progress-text").evaluate(fits), "nothing of it is cut off"
    wait_until(page.locator("#cw-prepare").is_disabled, "it is not begun twice")
    page.get_by_role("tab", name="Sentence").click()
    page.locator("#setting-num_beams input[type=range]").press("ArrowRight")
    wait_until(lambda: _suggestion(page).endswith("under beam 4"), "a moved slider is followed meanwhile")
    assert page.locator("#cw-stop").is_visible()

    # What is done when it is stopped stays done.
    page.locator("#cw-stop").click()
    wait_until(lambda: "what is prepared is kept" in page.locator("#cw-brief").inner_text(), "it has stopped")
    wait_until(lambda: "40,000" not in page.locator("#cw-unprepared-text").inner_text(), "fewer labels are missing")

    # Published ones are there at once here, and then the preview has CLIP's words.
    page.locator("#cw-fetch").click()
    page.wait_for_selector("#cw-unprepared", state="hidden")
    wait_until(lambda: "cubism" in _suggestion(page), "CLIP's words are in the preview")


def test_caption_all_prepares_first_and_says_so(
    unprepared_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, unprepared_server.url)
    add_pictures(page, pictures[:2])
    switch_on(page, "clip")
    open_more(page, "clip")
    page.locator("#cw-caption-all").click()
    wait_until(lambda: "00 labels" in page.locator("#cw-progress-text").inner_text(), "the preparation is shown")
    wait_until(lambda: set(states(page).values()) == {"generated"}, "every picture has a caption")
    wait_until(lambda: "2 pictures captioned" in page.locator("#cw-brief").inner_text(), "the end is told")


def _choices(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".cw-kept option").all_text_contents()]


def test_a_vocabulary_of_ones_own_is_added_chosen_kept_and_taken_off_the_list(
    server: AppServer, context: Any, chromium: Any, pictures: list[Path], tmp_path: Path
) -> None:
    page = open_page(context, server.url)
    add_pictures(page, pictures[:1])
    select(page, "turned.jpg")
    switch_on(page, "clip")
    open_more(page, "clip")
    words = tmp_path / "<b>my words.txt"
    words.write_text("ein Rot\nein Blau\n", encoding="utf-8")
    page.set_input_files(".cw-kept input[type=file]", str(words))
    wait_until(lambda: "ein Rot, ein Blau" in _suggestion(page), "the preview has the labels")
    assert _choices(page) == ["None", "b my words (2 labels)"]

    # A file that will not do is refused with a sentence and changes nothing.
    wrong = tmp_path / "wrong.txt"
    wrong.write_bytes("eins\nfünf\n".encode("latin-1"))
    page.set_input_files(".cw-kept input[type=file]", str(wrong))
    page.wait_for_selector(".cw-kept-message:not([hidden])")
    assert page.locator(".cw-kept-message").inner_text() == "wrong.txt is not UTF-8 text (line 2); save it as UTF-8."
    assert page.locator(".cw-kept select").input_value() != ""

    # Other labels in a file of the same name are another vocabulary, and the first one stays what it was.
    words.write_text("ein Grün\nein Gelb\n", encoding="utf-8")
    page.set_input_files(".cw-kept input[type=file]", str(words))
    wait_until(lambda: "ein Grün" in _suggestion(page), "the preview has the new labels")
    assert len(_choices(page)) == 3
    assert len(set(_choices(page))) == 3, "they can be told apart"
    page.locator(".cw-kept select").select_option(index=1)
    wait_until(lambda: "ein Rot" in _suggestion(page), "the first ones are back")

    # The choice belongs to the set, the list to the browser: another one sees what the set uses and nothing else.
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    page.get_by_role("tab", name="Tags").click()
    open_more(page, "clip")
    wait_until(lambda: len(_choices(page)) == 3, "the list is there again")
    assert page.locator(".cw-kept select").evaluate("select => select.selectedIndex") == 1
    visitor = chromium.new_context(viewport={"width": 1440, "height": 900})
    guest = open_page(visitor, page.url)
    guest.get_by_role("tab", name="Tags").click()
    open_more(guest, "clip")
    wait_until(lambda: _choices(guest) == ["None", "b my words (2 labels)"], "the guest sees the set's own")
    fresh = open_page(visitor, server.url)
    switch_on(fresh, "clip")
    open_more(fresh, "clip")
    fresh.wait_for_selector(".cw-kept")
    assert _choices(fresh) == ["None"]
    visitor.close()

    page.get_by_role("button", name="Take off the list").click()
    wait_until(lambda: len(_choices(page)) == 2, "it is off the list")
    assert page.locator(".cw-kept select").input_value() == ""
    select(page, "turned.jpg")
    wait_until(lambda: "ein Rot" not in _suggestion(page), "the preview does without")


def test_a_tagger_on_the_cpu_although_there_is_a_gpu_is_told_once(
    warning_server: AppServer, context: Any, pictures: list[Path]
) -> None:
    page = open_page(context, warning_server.url)
    add_pictures(page, pictures[:1])
    select(page, "turned.jpg")
    assert page.locator(".cw-notice").count() == 0
    switch_on(page, "wd14")
    page.wait_for_selector(".cw-notice")
    assert "fake-wd14 runs on the CPU although there is a <GPU>." in page.locator(".cw-notice").inner_text()
    page.locator(".cw-notice .cw-close").click()
    page.wait_for_timeout(4000)  # the server is asked again meanwhile
    assert page.locator(".cw-notice").count() == 0
