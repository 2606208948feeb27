"""What the page takes for a caption, lists and escapes: the script's modules, each on its own in a blank page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.units import Tab, conflict, row

pytestmark = pytest.mark.browser


def _listed(tab: Tab, **filters: Any) -> list[str]:
    """The ids that are listed under these filters."""
    return list(tab.run("(Object.assign(page, value), refilter(), page.shown.map((row) => row.id))", filters))


def test_values_in_html_are_text(tab: Tab) -> None:
    evil = "<img src=x onerror=alert(1)> & \"double\" 'single'"
    assert tab.run('String(html`<b title="${value}">${value}</b>`)', evil).count("<") == 2
    shown = tab.run(
        """(() => {
          const box = document.createElement('div');
          render(box, html`<b title="${value}">${value}</b>`);
          return [box.children.length, box.firstChild.title, box.textContent, box.firstChild.children.length];
        })()""",
        evil,
    )
    assert shown == [1, evil, evil, 0]


def test_markup_in_html_is_markup_once_also_in_lists(tab: Tab) -> None:
    assert tab.run("String(html`<ul>${['<', '&'].map((text) => html`<li>${text}</li>`)}</ul>`)") == (
        "<ul><li>&lt;</li><li>&amp;</li></ul>"
    )


def test_a_list_of_texts_in_html_is_escaped(tab: Tab) -> None:
    assert tab.run("String(html`${['<b>', ['<i>']]}`)") == "&lt;b&gt;&lt;i&gt;"


def test_nothing_in_html_is_an_empty_text_and_zero_is_not(tab: Tab) -> None:
    assert tab.run("String(html`${null}${undefined}|${0}|${false}`)") == "|0|false"


@pytest.mark.parametrize("shown", ["'<b>bold</b>'", "{ toString: () => '<b>' }", "[html`<b></b>`]", "null"])
def test_only_what_the_template_made_can_be_shown(tab: Tab, shown: str) -> None:
    refusal = f"(() => {{ try {{ render(document.body, {shown}); }} catch (error) {{ return error.name; }} }})()"
    assert tab.run(refusal) == "TypeError"


def test_an_answer_that_did_not_come_and_a_refusal_are_two_things(tab: Tab) -> None:
    kind = "ask('name', {}).catch((error) => [error.constructor.name, error.message, error.code ?? null])"
    tab.run(f"{{ window.answers = [{kind}, {kind}]; }}")
    tab.answer(None, 0)
    tab.answer({"error": {"code": "unknown_set", "message": "no such set"}}, 1)
    assert tab.run("Promise.all(answers)") == [
        ["Unreachable", "the server does not answer", None],
        ["Refused", "no such set", "unknown_set"],
    ]


def test_what_was_typed_is_the_caption_until_it_is_saved(tab: Tab) -> None:
    tab.take(row("a", "from the server", revision=2))
    assert tab.run("[captionOf(rowOf.get('a')), stateOf(rowOf.get('a'))]") == ["from the server", "generated"]
    tab.type("a", "")
    assert tab.run("[captionOf(rowOf.get('a')), stateOf(rowOf.get('a'))]") == ["", "edited"]


def test_a_removed_edit_that_met_another_text_is_a_conflict(tab: Tab) -> None:
    tab.type("a", None)
    tab.pass_ms(250)
    tab.answer(conflict("a", "theirs", 5))
    assert tab.run("[captionOf(rowOf.get('a')), stateOf(rowOf.get('a'))]") == ["theirs", "conflict"]


def test_a_caption_s_parts_are_what_stands_between_its_commas(tab: Tab) -> None:
    assert tab.run("partsOf(' a cat,, long hair ,,\\n1girl,')") == ["a cat", "long hair", "1girl"]


def test_the_filter_finds_names_and_captions_as_they_are_typed(tab: Tab) -> None:
    tab.take(row("a", "A red Cat", revision=2))
    tab.type("b", "a CAT nobody saved")
    assert _listed(tab, filter="cat") == ["a", "b"]
    assert _listed(tab, filter="c.png") == ["c"]
    assert _listed(tab, filter="dog") == []


def test_a_caption_that_was_typed_over_is_not_found_by_its_old_words(tab: Tab) -> None:
    tab.take(row("a", "a red cat", revision=2))
    tab.type("a", "a blue one")
    assert _listed(tab, filter="cat") == []


def test_filters_are_joined(tab: Tab) -> None:
    tab.take(row("a", "cat", revision=2), row("b", "cat", revision=2))
    tab.type("b", "cat, mine")
    assert _listed(tab, filter="cat", state="edited") == ["b"]
    assert _listed(tab, filter="cat", state="generated") == ["a"]
    tab.run("{ page.only = { ids: new Set(['b', 'c']), title: 'some' }; }")
    assert _listed(tab, filter="", state="") == ["b", "c"]
    assert tab.run("isFiltered()")


def test_equal_ones_stay_in_the_order_of_their_names(tab: Tab) -> None:
    tab.take(row("c", "long caption", revision=2), row("d", "cat"), row("b", "dog", revision=2))
    assert _listed(tab, sort="longest") == ["c", "b", "d", "a"]
    assert _listed(tab, sort="shortest") == ["a", "b", "d", "c"]
    assert _listed(tab, sort="state") == ["a", "b", "c", "d"]


def test_what_the_server_tells_leaves_the_current_picture_listed(tab: Tab) -> None:
    tab.run("{ select('a'); }")
    _listed(tab, state="empty")
    tab.take(row("a", "captioned now", revision=2), row("b", "captioned too", revision=2))
    assert tab.run("page.shown.map((row) => row.id)") == ["a", "c"]


def test_an_older_answer_overwrites_no_newer_row(tab: Tab) -> None:
    tab.take(row("a", "newer", revision=5))
    tab.take(row("a", "older", revision=4))
    assert tab.run("captionOf(rowOf.get('a'))") == "newer"
    tab.run("{ takeRows(value, { whole: true }); }", [row("a", "older", revision=4)])
    assert tab.run("page.rows.map((row) => captionOf(row))") == ["newer"]


def test_pictures_are_in_the_order_of_their_names_with_numbers_as_numbers(tab: Tab) -> None:
    rows = [{**row(id), "name": name} for id, name in (("x", "10.png"), ("y", "9.png"), ("z", "B.png"))]
    tab.run("{ takeRows(value, { whole: true }); }", rows)
    assert tab.run("page.shown.map((row) => row.name)") == ["9.png", "10.png", "B.png"]


def test_another_picture_is_shown_when_the_current_one_is_removed(tab: Tab) -> None:
    tab.run("{ select('b'); page.selection.add('b'); takeRows([], { removed: ['b'] }); }")
    assert tab.run("[page.current, page.rows.length, page.selection.size]") == ["a", 2, 0]


def test_moving_stays_at_the_ends_of_what_is_listed(tab: Tab) -> None:
    tab.run("{ select('a'); move(-1); }")
    assert tab.run("page.current") == "a"
    tab.run("{ move(99); }")
    assert tab.run("page.current") == "c"


def _parts(tab: Tab, call: str, *values: Any) -> Any:
    return tab.run(f"import('./workbench/set/parts.js').then((parts) => parts.{call}(...value))", list(values))


def test_a_sentence_with_commas_is_one_part_of_a_caption(tab: Tab) -> None:
    text = "a cat, a dog,sea , A cat"
    assert _parts(tab, "partsIn", text, []) == ["a cat", "a dog", "sea", "A cat"]
    assert _parts(tab, "partsIn", text, ["A cat, a dog.", "sea, sky", "a dog"]) == ["a cat, a dog", "sea", "A cat"]
    assert _parts(tab, "partsIn", " , ", ["a, b"]) == []


def test_what_is_added_to_a_caption_leaves_its_text_as_it_is(tab: Tab) -> None:
    assert _parts(tab, "withAtEnd", "a  cat,dog, ", ["Dog", "sea", "a  cat, dog"]) == "a  cat,dog, sea"
    assert _parts(tab, "withAtEnd", "", ["sea"]) == "sea"
    assert _parts(tab, "withAtEnd", "a cat", ["a cat"]) == "a cat"
