"""Doubtful words: read while a person looks and types, corrected by a key or a click, and gone through over a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.browser.conftest import BareServer, caption, drawn, open_page, select, wait_saved, wait_until
from tests.browser.units import Tab, row, saved

pytestmark = pytest.mark.browser

HEARTS = "two large green hearts on a sandy beach under a blue sky"
CATS = "two large green cats on a sandy beach under a blue sky"
CAPTIONS = (CATS, "three yellow moons in the night sky", "a small red house on a black background", HEARTS)


def scenes(folder: Path, captions: tuple[str, ...] = CAPTIONS) -> list[str]:
    """Drawn scenes with captions beside them; the first and the fourth show two green hearts."""
    files = []
    for number, text in enumerate(captions):
        path = folder / f"{number}.png"
        draw(scene_from_seed(90_909, number if number != 3 else 0), 320 + number).save(path)
        path.with_suffix(".txt").write_text(text)
        files += [str(path), str(path.with_suffix(".txt"))]
    return files


def open_scenes(context: Any, server: BareServer, folder: Path) -> Any:
    """A page with such a set, the first picture read."""
    page = open_page(context, server.url)
    page.set_input_files("#cw-files", scenes(folder))
    select(page, "0.png")
    page.locator(".cw-doubt-chip").first.wait_for(timeout=60_000)
    return page


def _marked(page: Any) -> list[tuple[str, str]]:
    """The words that have a line, and which one."""
    marks = "marks => marks.map((mark) => [mark.textContent, mark.dataset.kind])"
    return [tuple(one) for one in page.locator("#cw-marks i").evaluate_all(marks)]


def _chips(page: Any) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".cw-doubt-chip").all_inner_texts()]


def _reason(page: Any) -> str:
    tip = page.locator("#cw-doubt-tip")
    return " ".join(tip.inner_text().split()) if tip.is_visible() else ""


def _reason_under_the_mouse(page: Any) -> str:
    """Once it rests on the doubtful word; a reading with more pictures to compare with takes the last one's away."""
    box = page.locator("#cw-marks i").bounding_box()
    for x in (0, 4):
        page.mouse.move(box["x"] + x, box["y"] + 8)
    page.wait_for_timeout(400)
    return _reason(page)


def test_a_doubtful_word_is_shown_explained_and_replaced(demo_server: BareServer, context: Any, tmp_path: Path) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    assert _marked(page) == [("cats", "false")]
    assert _chips(page) == ["cats? hearts"]
    assert page.locator("#cw-doubt-said").inner_text().startswith("Expected false words 1.")
    described = page.locator("#cw-editor").get_attribute("aria-describedby")
    assert page.locator(f"#{described}").text_content() == (
        "Doubtful: cats, perhaps hearts. F8 goes from one to the next, Alt Enter takes the other word."
    )
    wait_until(lambda: _reason_under_the_mouse(page).startswith("cats? BLIP would rather say hearts"), "it is told")
    page.locator("#cw-doubt-tip button").click()
    assert caption(page) == HEARTS
    wait_until(lambda: _chips(page) == [], "the new text is read")
    assert _reason(page) == ""
    wait_saved(page)
    page.locator("#cw-undo").click()
    wait_until(lambda: caption(page) == CATS and _chips(page) == ["cats? hearts"], "undo brings the word back")
    page.locator(".cw-doubt-chip").click()
    assert caption(page) == HEARTS
    wait_until(lambda: _chips(page) == [], "it is read again")


def test_a_key_goes_to_the_word_and_another_takes_the_better_one(
    demo_server: BareServer, context: Any, tmp_path: Path
) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    page.locator("#cw-grid").focus()
    page.keyboard.press("F8")
    assert page.evaluate("document.getSelection().toString()") == "cats"
    assert _reason(page).endswith("hearts Alt Enter")
    assert page.locator("#cw-doubt-heard").text_content().endswith(" Alt Enter writes hearts.")
    page.keyboard.press("Escape")
    assert _reason(page) == ""
    assert page.evaluate("document.activeElement.id") == "cw-editor", "the first Escape takes the reason away only"
    page.keyboard.press("Home")
    page.keyboard.press("Alt+Enter")  # not in a doubtful word: goes to the next
    assert page.evaluate("document.getSelection().toString()") == "cats"
    page.keyboard.press("Alt+Enter")
    assert caption(page) == HEARTS
    page.keyboard.type("!")
    assert caption(page) == HEARTS.replace("hearts", "hearts!"), "the caret is behind the new word"


def test_lines_stay_under_their_words_while_a_person_types(
    demo_server: BareServer, context: Any, tmp_path: Path
) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.type("oh, ")
    assert _marked(page) == [("cats", "false")]
    assert page.locator("#cw-marks").inner_text().rstrip("\u200b") == f"oh, {CATS}"
    page.locator(".cw-doubt-chip").click()
    assert caption(page) == f"oh, {HEARTS}"
    wait_saved(page)
    page.locator("#cw-undo").click()
    wait_until(lambda: _marked(page) == [("cats", "false")], "the text with the false word is read", 30)
    page.locator("#cw-editor").focus()
    page.evaluate("document.getElementById('cw-editor').setSelectionRange(22, 22)")  # within it
    page.keyboard.type("x")
    assert _marked(page) == [], "a word that is touched is another word"
    page.keyboard.press("Backspace")
    wait_until(lambda: _marked(page) == [("cats", "false")], "it is the word that was read again")


def test_a_word_that_was_touched_while_its_line_was_on_the_way_has_it_once_it_is_as_it_was_read(
    demo_server: BareServer, context: Any, tmp_path: Path
) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    wait_until(lambda: _text(page, "#cw-read-all") == "Read all 3 captions", "nothing more is asked")
    held: list[Any] = []

    def hold(route: Any) -> None:
        if (route.request.post_data_json or {}).get("fn_name") == "reading":
            held.append(route)
        else:
            route.continue_()

    def count_held() -> int:
        page.wait_for_timeout(10)  # lets what was asked come here
        return len(held)

    page.route("**/component_server/", hold)
    page.locator("#cw-editor").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.type("oh, ")
    wait_saved(page)
    wait_until(lambda: count_held() == 1, "what was typed is to be read")
    page.locator(".cw-doubt-chip").click()
    assert _marked(page) == []
    held[0].continue_()
    wait_until(lambda: count_held() == 2, "that was read, and the better word is to be")
    assert _marked(page) == [], "the word is not there now"
    page.locator("#cw-undo").click()
    wait_until(lambda: _marked(page) == [("cats", "false")], "the word is there again")
    assert _chips(page) == ["cats? hearts"]
    held[1].continue_()


WIDTHS = (1440, 1366, 1101, 641, 390)
SAME_PLACE = """() => {
    const [text, layer] = ['cw-editor', 'cw-marks'].map((id) => document.getElementById(id));
    const [a, b] = [text, layer].map((one) => one.getBoundingClientRect());
    return [a.left + 1 - b.left, a.top + 1 - b.top, text.scrollHeight - layer.scrollHeight,
        text.clientWidth - layer.clientWidth, text.scrollTop - layer.scrollTop].map(Math.round);
}"""


def test_the_lines_wrap_and_scroll_as_the_text_does(demo_server: BareServer, context: Any, tmp_path: Path) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    long = f"{CATS}\n\nand then " + "a-very-long-word " * 40 + "   end\n"
    page.locator("#cw-editor").fill(long)
    wait_until(lambda: ("cats", "false") in _marked(page), "it is read", 30)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        drawn(page)
        page.locator("#cw-editor").evaluate("text => { text.scrollTop = text.scrollHeight / 3; }")
        drawn(page)
        assert page.evaluate(SAME_PLACE) == [0, 0, 0, 0, 0], width
    page.locator("#cw-editor").evaluate("text => { text.scrollTop = text.scrollHeight; }")
    page.keyboard.press("Shift+F8")
    top, bottom = page.evaluate(
        """() => {
            const box = document.getElementById('cw-editor').getBoundingClientRect();
            const mark = document.querySelector('#cw-marks i').getBoundingClientRect();
            return [mark.top - box.top, box.bottom - mark.bottom];
        }"""
    )
    assert top >= 0 and bottom >= 0, "it scrolls the word into sight"


def _text(page: Any, selector: str) -> str:
    return str(page.locator(selector).text_content() or "")


def _names(page: Any) -> list[str]:
    lines = page.locator(".cw-line").evaluate_all(
        "lines => lines.map((line) =>"
        " [+line.getAttribute('aria-posinset'), line.querySelector('.cw-line-name').textContent])"
    )
    return [name for _, name in sorted(lines)]


def test_a_set_is_read_and_its_doubtful_words_are_gone_through(
    demo_server: BareServer, context: Any, tmp_path: Path
) -> None:
    page = open_scenes(context, demo_server, tmp_path)
    assert page.locator("#cw-unread").is_hidden(), "nobody asked for it"
    wait_until(lambda: _text(page, "#cw-read-all") == "Read all 3 captions", "the shown one is read")
    page.locator("#cw-view [value=list]").click()
    page.locator("#cw-sort").select_option("doubtful")
    assert _text(page, "#cw-unread-text") == "3 captions were not read for doubtful words."
    page.locator("#cw-read").click()
    wait_until(
        lambda: "3 captions read; 2 of the set have a doubtful word" in _text(page, "#cw-brief"), "it is done", 60
    )
    page.locator("#cw-view [value=grid]").click()
    wait_until(lambda: page.locator(".cw-cell").count() == 4, "the left column is narrow")
    drawn(page)
    assert page.locator("#cw-brief").bounding_box()["width"] >= 150, "its button leaves the words room"
    page.locator("#cw-view [value=list]").click()
    page.locator("#cw-brief-actions button", has_text="Most doubtful first").click()
    wait_until(lambda: set(_names(page)[:2]) == {"0.png", "2.png"}, "the doubtful ones come first")
    order = _names(page)
    assert page.locator("#cw-unread").is_hidden()
    page.locator("#cw-filter").fill("score:>0.5")
    assert _text(page, "#cw-count") == "2 of 4 pictures"
    assert _text(page, "#cw-filter-problem") == ""

    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: _text(page, "#cw-count") == "2 of 4 pictures", "what was read is kept")
    wait_until(lambda: _names(page) == order[:2], "and so is the order")
    select(page, "0.png")
    page.locator("#cw-grid").focus()
    wait_until(lambda: _chips(page) == ["cats? hearts"], "it shows at once")
    page.keyboard.press("F8")
    page.keyboard.press("F8")
    wait_until(lambda: _text(page, "#cw-name") == "2.png" and _reason(page) != "", "the next picture's first word")
    page.keyboard.press("Control+Space")  # good, next
    page.locator("#cw-grid").focus()
    select(page, "0.png")
    wait_until(lambda: _chips(page) == ["cats? hearts"], "the first again")
    page.keyboard.press("F8")
    page.keyboard.press("F8")
    wait_until(lambda: "No further doubtful word" in _text(page, "#cw-brief"), "a reviewed picture is passed over")

    page.locator("#cw-unfilter").click()
    page.locator("#cw-bulk-open").click()
    page.locator("#cw-bulk [name=find]").fill("a ")
    page.locator("#cw-bulk [name=replacement]").fill("one ")
    page.locator("#cw-bulk .cw-change").first.wait_for()
    page.locator("#cw-bulk-apply").click()
    wait_until(
        lambda: "captions were not read" in _text(page, "#cw-unread-text"), "what changed is to be read again", 30
    )
    wait_until(lambda: page.locator("#cw-unread").is_visible(), "and offered")


def test_a_job_that_reads_can_be_stopped_and_says_what_it_did(
    demo_server: BareServer, context: Any, tmp_path: Path
) -> None:
    page = open_page(context, demo_server.url)
    page.set_input_files("#cw-files", scenes(tmp_path, tuple(f"{CATS} {number}" for number in range(60))))
    page.locator("#cw-read-all").wait_for(timeout=120_000)
    page.locator("#cw-read-all").click()
    page.locator("#cw-stop").wait_for()
    page.locator("#cw-stop").click()
    wait_until(lambda: "captions read, they are kept" in _text(page, "#cw-brief"), "it is stopped", 60)
    assert page.locator("#cw-brief-actions button").count() == 0, "there is nothing to undo"


# The modules on their own, with a server that answers what the test says


def _reading(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "doubts": [], "fillers": [], "said": "", "notes": [], "is_preliminary": False, **more}


FRESH = {"is_stale": False, "score": 0.7, "false_words": 1.0, "of_words": 3, "has_doubt": True}


@pytest.fixture
def reads(new_tab: Callable[[], Tab]) -> Tab:
    """A set whose first caption is "old", and a model that can read."""
    tab = new_tab()
    tab.run(
        "(async () => { window.now = await import('./workbench/set/reading_now.js');"
        " window.readings = await import('./workbench/set/readings.js'); })()"
    )
    tab.take(row("a", "old", revision=2), row("b", "other", revision=2))
    tab.run("{ announce('opened', {}); select('a'); }")
    tab.pass_ms(600)
    assert tab.run("asked.map(({ name }) => name)") == ["readings"]
    tab.answer({"can_judge": True, "readings": {}})
    _settle(tab)
    return tab


def _settle(tab: Tab) -> None:
    """Lets what waits for an answer go on."""
    for _ in range(4):
        tab.run("new Promise((done) => { Promise.resolve().then(() => Promise.resolve()).then(done); })")


def _asked(tab: Tab) -> list[Any]:
    """The texts that were asked about; None is the caption that is there."""
    return [one.get("text") for one in tab.asked() if "id" in one and "base" not in one]


def test_while_a_question_is_out_the_newest_text_waits_and_an_older_answer_is_not_shown(reads: Tab) -> None:
    reads.pass_ms(600)
    assert _asked(reads) == [None]
    for text in ("o", "ot", "oth"):
        reads.type("a", text)
    reads.pass_ms(600)
    assert _asked(reads) == [None], "one at a time"
    first = [one["id"] for one in reads.asked() if "id" in one].index("a")
    reads.run("{ asked.find(({ name }) => name === 'reading').answer(value); }", _reading("old", entry=FRESH))
    _settle(reads)
    assert first == 0
    assert reads.run("now.foundNow()") is None, "it is of a text that is gone"
    assert _asked(reads) == [None, "oth"]
    assert reads.run("readings.readingOf(page.rows[0])") is None, "nor is it the figure of what is typed"
    reads.run("{ asked.findLast(({ name }) => name === 'reading').answer(value); }", _reading("oth"))
    _settle(reads)
    assert reads.run("now.foundNow().text") == "oth"


def test_a_text_that_came_back_while_another_was_read_is_found_again(reads: Tab) -> None:
    reads.pass_ms(600)
    reads.run("{ asked.at(-1).answer(value); }", _reading("old", entry={**FRESH, "text": "old"}))
    _settle(reads)
    assert reads.run("now.foundNow().text") == "old"
    reads.type("a", "new")
    reads.pass_ms(300)
    reads.run("{ asked.at(-1).answer(value); }", saved("a", "new", 3))
    _settle(reads)
    reads.pass_ms(600)
    assert _asked(reads)[-1] is None
    number = reads.run("asked.findLastIndex(({ name }) => name === 'reading')")
    reads.take(row("a", "old", revision=4))
    reads.pass_ms(600)
    assert reads.run("asked.findLastIndex(({ name }) => name === 'reading')") == number, "one at a time"
    reads.answer(_reading("new", entry={**FRESH, "text": "new"}), number)
    _settle(reads)
    assert reads.run("readings.readingOf(page.rows[0])") is None, "the figure is the other text's"
    reads.pass_ms(600)
    reads.run("{ asked.findLast(({ name }) => name === 'reading').answer(value); }", _reading("old"))
    _settle(reads)
    assert reads.run("now.foundNow().text") == "old"


def test_an_answer_for_another_picture_is_dropped_and_kept_as_its_figure(reads: Tab) -> None:
    reads.pass_ms(600)
    reads.run("{ select('b'); }")
    reads.run("{ asked.find(({ name }) => name === 'reading').answer(value); }", _reading("old", entry=FRESH))
    _settle(reads)
    assert reads.run("now.foundNow()") is None
    assert reads.run("readings.scoreOf(page.rows[0])") == 0.7
    assert reads.run("readings.unread().map((row) => row.id)") == ["b"]


def test_other_models_make_all_be_asked_again_and_a_slider_does_not(reads: Tab) -> None:
    def names() -> list[str]:
        return list(reads.run("asked.map(({ name }) => name)"))

    values = {"captioner": "x", "captioner_on": True, "wd14": "w", "wd14_on": False, "num_beams": 3, "prefix": ""}
    reads.run("{ announce('settings', { values: value, before: null, isFirst: true }); }", values)
    reads.run(
        "{ announce('settings', { values: value, isFirst: false }); announce('stored', {}); }",
        values | {"num_beams": 4},
    )
    reads.pass_ms(1000)
    assert names().count("readings") == 1
    reads.run(
        "{ announce('settings', { values: value, isFirst: false }); announce('stored', {}); }",
        values | {"wd14_on": True},
    )
    reads.pass_ms(1000)
    assert names().count("readings") == 2
