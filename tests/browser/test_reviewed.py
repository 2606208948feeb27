"""The reviewer's mark in the browser: shown at once, sent in order, and where it goes next."""

from __future__ import annotations

import pytest

from tests.browser.units import Tab, row, saved

pytestmark = pytest.mark.browser


def _marked(tab: Tab) -> list[str]:
    return list(tab.run("page.rows.filter(reviewed.isReviewed).map((row) => row.id)"))


def _answer(tab: Tab, *marked: str) -> None:
    """The server has marked these; then the next step goes out."""
    tab.answer({"rows": [row(id, is_reviewed=True) for id in marked]})
    tab.run("Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve())")


def test_a_mark_shows_at_once_and_the_next_one_waits_for_its_turn(tab: Tab) -> None:
    tab.run("{ reviewed.mark(['a'], true); reviewed.mark(['b', 'a'], true); reviewed.mark(['a'], false); }")
    assert _marked(tab) == ["b"]
    assert tab.asked() == [{"set": "SET", "ids": ["a"], "is_reviewed": True}]
    _answer(tab, "a")
    assert _marked(tab) == ["b"], "an answer is older than what was done since"
    assert tab.asked()[1] == {"set": "SET", "ids": ["b"], "is_reviewed": True}
    _answer(tab, "b")
    assert tab.asked()[2] == {"set": "SET", "ids": ["a"], "is_reviewed": False}
    tab.answer({"rows": [row("a", is_reviewed=False)]})
    assert _marked(tab) == ["b"]
    assert tab.run("reviewed.allSent()")


def test_what_was_typed_is_saved_before_its_picture_is_marked(tab: Tab) -> None:
    tab.type("a", "a cat")
    tab.run("{ reviewed.mark(['a'], true); }")
    assert tab.texts() == ["a cat"]
    tab.answer(saved("a", "a cat", 2))
    tab.run("Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve())")
    assert tab.asked()[1] == {"set": "SET", "ids": ["a"], "is_reviewed": True}


def test_a_mark_that_did_not_get_through_is_sent_again_and_a_refused_one_goes(tab: Tab) -> None:
    tab.run("{ reviewed.mark(['a'], true); }")
    tab.answer(None)
    tab.pass_ms(1500)
    assert len(tab.asked()) == 2
    assert _marked(tab) == ["a"]
    tab.answer({"error": {"code": "unknown_picture", "message": "it was removed"}})
    assert _marked(tab) == []
    assert "it was removed" in tab.run("document.getElementById('cw-notices').textContent")


def test_the_next_one_without_a_mark_is_found_from_here_on_and_then_from_the_first(tab: Tab) -> None:
    tab.take(row("b", is_reviewed=True))
    tab.run("{ select('a'); }")
    following = "reviewed.nextUnreviewed(value)?.id ?? null"
    assert tab.run(following, ["a"]) == "c"
    tab.run("{ select('c'); }")
    assert tab.run(following, ["c"]) == "a"
    assert tab.run(following, ["a", "c"]) is None


def test_what_is_marked_leaves_a_list_of_those_without_when_one_goes_on(tab: Tab) -> None:
    tab.run("{ select('a'); page.state = 'unreviewed'; refilter(); reviewed.mark(['a'], true); select('b'); }")
    _answer(tab, "a")
    assert tab.run("page.shown.map((row) => row.id)") == ["b", "c"]
    tab.run("{ page.state = ''; page.filter = 'reviewed:yes'; refilter(); }")
    assert tab.run("page.shown.map((row) => row.id)") == ["a"]
