"""What was typed is never lost: the module that holds unsaved edits, with a server that answers what the test says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.browser.conftest import wait_until
from tests.browser.units import PREFIX, Tab, conflict, row, saved

pytestmark = pytest.mark.browser

SEND_MS = 250
NewTab = Callable[[], Tab]


def _leave(tab: Tab, owner: str, id: str, text: str, *, base: int = 1) -> None:
    """What a tab that died left in localStorage."""
    entry = {"text": text, "base": base, "sent": [], "conflict": None, "isStep": False}
    tab.run("{ localStorage.setItem(...value); }", [f"{PREFIX}SET/{id}/{owner}", json.dumps(entry)])


def _replay(tab: Tab, *, living_tabs: int = 0) -> None:
    """Takes over what dead tabs left, once those that live have had time to say so."""
    tab.run(
        """{
          window.heard = [];
          window.listening ??= new BroadcastChannel('captioner/tabs');
          listening.onmessage = ({ data }) => data.here && heard.push(data.here);
          window.replaying = unsaved.replay();
        }"""
    )
    wait_until(lambda: len(tab.run("heard")) == living_tabs, "the living tabs have answered")
    tab.pass_ms(150)
    tab.run("replaying")


def test_each_keystroke_is_kept_in_the_browser_before_anything_is_sent(tab: Tab) -> None:
    for text in ("c", "ca", "cat"):
        tab.type("a", text)
        assert tab.stored_texts() == [text]
    assert tab.asked() == []


def test_a_text_is_sent_a_moment_after_the_last_keystroke_with_the_revision_it_was_written_on(tab: Tab) -> None:
    tab.take(row("a", revision=7))
    tab.type("a", "c")
    tab.pass_ms(SEND_MS - 10)
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS - 10)
    assert tab.asked() == []
    tab.pass_ms(10)
    assert tab.asked() == [{"set": "SET", "id": "a", "text": "cat", "base": 7, "kind": "", "is_step": False}]


def test_a_text_is_dropped_when_the_server_acknowledged_it(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    assert tab.stored_texts() == ["cat"]
    tab.answer(saved("a", "cat", 2))
    assert tab.stored() == {}
    assert tab.entry("a") is None
    tab.pass_ms(60_000)
    assert tab.texts() == ["cat"]


def test_an_answer_to_an_earlier_text_drops_nothing_and_the_newer_one_goes_out_on_its_revision(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    tab.type("a", "cat, dog")
    tab.answer(saved("a", "cat", 2))
    assert tab.stored_texts() == ["cat, dog"]
    tab.pass_ms(1)
    assert [(request["text"], request["base"]) for request in tab.asked()] == [("cat", 1), ("cat, dog", 2)]
    tab.answer(saved("a", "cat, dog", 3))
    assert tab.stored() == {}


def test_only_one_text_of_a_picture_is_on_its_way_at_a_time(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    tab.type("a", "cat, dog")
    tab.type("b", "bird")
    tab.pass_ms(10_000)
    assert tab.texts() == ["cat", "bird"]


def test_a_text_that_got_no_answer_is_sent_again_after_growing_waits(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    for number, wait_ms in enumerate((500, 1000, 2000, 4000, 4000), start=1):
        tab.answer(None)
        assert tab.run("unsaved.isFailing()")
        tab.pass_ms(wait_ms - 10)
        assert tab.texts() == ["cat"] * number
        tab.pass_ms(10)
        assert tab.texts() == ["cat"] * (number + 1)
        assert tab.stored_texts() == ["cat"]
    tab.answer(saved("a", "cat", 2))
    assert not tab.run("unsaved.isFailing()")
    assert tab.stored() == {}


def test_a_refused_text_is_kept_with_the_reason_and_tried_again_later(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    tab.answer({"error": {"code": "store", "message": "the disk is full"}})
    assert (tab.entry("a") or {})["refused"] == "the disk is full"
    assert tab.stored_texts() == ["cat"]
    tab.pass_ms(9_990)
    assert tab.texts() == ["cat"]
    tab.pass_ms(10)
    assert tab.texts() == ["cat", "cat"]


def test_two_texts_for_one_picture_wait_for_the_person(tab: Tab) -> None:
    tab.type("a", "mine")
    tab.pass_ms(SEND_MS)
    tab.answer(conflict("a", "theirs", 5))
    entry = tab.entry("a") or {}
    assert (entry["text"], entry["conflict"]) == ("mine", {"theirs": "theirs", "revision": 5})
    assert tab.run("stateOf(rowOf.get('a'))") == "conflict"
    tab.pass_ms(60_000)
    tab.run("{ unsaved.flushAll(); }")
    assert tab.texts() == ["mine"]
    assert tab.stored_texts() == ["mine"]


def test_typing_goes_on_while_two_texts_wait(tab: Tab) -> None:
    tab.type("a", "mine")
    tab.pass_ms(SEND_MS)
    tab.answer(conflict("a", "theirs", 5))
    tab.type("a", "mine and more")
    tab.pass_ms(60_000)
    assert (tab.entry("a") or {})["conflict"] == {"theirs": "theirs", "revision": 5}
    assert tab.stored_texts() == ["mine and more"]
    assert tab.texts() == ["mine"]


def test_the_text_that_the_person_kept_is_sent_on_the_other_one_s_revision(tab: Tab) -> None:
    tab.type("a", "mine")
    tab.pass_ms(SEND_MS)
    tab.answer(conflict("a", "theirs", 5))
    tab.run("{ unsaved.settle('a', true); }")
    tab.pass_ms(1)
    assert [(request["text"], request["base"]) for request in tab.asked()] == [("mine", 1), ("mine", 5)]


def test_the_text_that_the_person_gave_up_is_dropped_and_not_sent(tab: Tab) -> None:
    tab.type("a", "mine")
    tab.pass_ms(SEND_MS)
    tab.answer(conflict("a", "theirs", 5))
    tab.run("{ unsaved.settle('a', false); }")
    tab.pass_ms(60_000)
    assert tab.texts() == ["mine"]
    assert tab.stored() == {}
    assert tab.run("captionOf(rowOf.get('a'))") == "theirs"


def test_an_earlier_text_of_our_own_whose_answer_was_lost_is_no_conflict(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.pass_ms(SEND_MS)
    tab.type("a", "cat, dog")
    tab.answer(None)
    tab.pass_ms(500)
    tab.answer(conflict("a", "cat", 2))
    assert (tab.entry("a") or {})["conflict"] is None
    tab.pass_ms(1)
    assert [(request["text"], request["base"]) for request in tab.asked()][-1] == ("cat, dog", 2)


def test_a_removed_edit_shows_the_generated_caption_and_is_sent_as_none(tab: Tab) -> None:
    tab.take(row("a", "a generated one", revision=2))
    tab.type("a", "mine")
    tab.type("a", None)
    assert tab.run("captionOf(rowOf.get('a'))") == "a generated one"
    tab.pass_ms(SEND_MS)
    assert tab.asked()[-1]["text"] is None


def test_a_button_s_text_is_a_step_of_its_own_after_what_was_typed(tab: Tab) -> None:
    tab.type("a", "typed")
    tab.run("{ unsaved.edit('a', 'by a button', { isStep: true }); }")
    assert tab.texts() == ["typed"]
    tab.answer(saved("a", "typed", 2))
    tab.pass_ms(1)
    assert [(request["text"], request["is_step"]) for request in tab.asked()] == [
        ("typed", False),
        ("by a button", True),
    ]


def test_what_was_typed_while_an_earlier_text_was_on_its_way_is_saved_before_a_button_s(tab: Tab) -> None:
    tab.type("a", "ca")
    tab.pass_ms(SEND_MS)
    tab.type("a", "cat")
    tab.run("{ unsaved.edit('a', 'by a button', { isStep: true }); }")
    assert tab.texts() == ["ca"]
    for text, revision in (("ca", 2), ("cat", 3), ("by a button", 4)):
        tab.answer(saved("a", text, revision))
        tab.pass_ms(1)
    assert [(request["text"], request["base"], request["is_step"]) for request in tab.asked()] == [
        ("ca", 1, False),
        ("cat", 2, False),
        ("by a button", 3, True),
    ]
    assert tab.entry("a") is None


def test_what_was_typed_before_a_button_s_text_holds_it_up_no_longer_once_it_is_refused(tab: Tab) -> None:
    tab.type("a", "ca")
    tab.pass_ms(SEND_MS)
    tab.type("a", "too long")
    tab.run("{ unsaved.edit('a', 'by a button', { isStep: true }); }")
    tab.answer(saved("a", "ca", 2))
    tab.pass_ms(1)
    tab.answer({"error": {"code": "settings", "message": "it is too long"}})
    tab.pass_ms(1)
    assert tab.texts() == ["ca", "too long", "by a button"]
    tab.answer(saved("a", "by a button", 3))
    tab.pass_ms(1)
    assert tab.entry("a") is None


def test_a_full_storage_is_told_and_the_text_is_sent_all_the_same(tab: Tab) -> None:
    tab.type("a", "c")
    assert not tab.run("unsaved.isStorageFull()")
    tab.limit_storage()
    tab.type("a", "cat")
    assert tab.run("unsaved.isStorageFull()")
    tab.pass_ms(SEND_MS)
    assert tab.texts() == ["cat"]
    tab.limit_storage(is_full=False)
    tab.type("a", "cat, dog")
    assert not tab.run("unsaved.isStorageFull()")
    assert tab.stored_texts() == ["cat, dog"]


def test_a_picture_that_is_not_here_takes_no_text(tab: Tab) -> None:
    tab.type("nobody", "cat")
    tab.pass_ms(SEND_MS)
    assert tab.stored() == {}
    assert tab.asked() == []


def test_what_a_dead_tab_left_is_taken_over_shown_and_sent(tab: Tab) -> None:
    _leave(tab, "dead", "a", "typed before the crash", base=3)
    _replay(tab)
    assert tab.run("captionOf(rowOf.get('a'))") == "typed before the crash"
    assert "SET/a/dead" not in tab.stored()
    assert tab.stored_texts() == ["typed before the crash"]
    tab.pass_ms(1)
    assert [(request["text"], request["base"]) for request in tab.asked()] == [("typed before the crash", 3)]


def test_where_no_tab_left_anything_none_is_waited_for(tab: Tab) -> None:
    tab.run("unsaved.replay()")  # no time passes


def test_what_was_left_for_another_set_or_is_no_entry_stays_where_it_is(tab: Tab) -> None:
    others = {f"{PREFIX}OTHER/a/dead": '{"text": "x", "base": 1, "sent": []}', f"{PREFIX}SET/b/dead": "{broken"}
    for key, text in others.items():
        tab.run("{ localStorage.setItem(...value); }", [key, text])
    _replay(tab)
    tab.pass_ms(1)
    assert tab.asked() == []
    assert tab.run("Object.fromEntries(Object.entries(localStorage))") == others


def test_what_a_dead_tab_left_beside_an_own_text_waits_for_the_person(tab: Tab) -> None:
    tab.type("a", "mine")
    _leave(tab, "dead", "a", "left", base=3)
    _replay(tab)
    found = (tab.entry("a") or {})["conflict"]
    assert found["theirs"] == "left"
    tab.pass_ms(60_000)
    assert tab.asked() == []
    tab.run("{ unsaved.settle('a', false); }")
    tab.pass_ms(1)
    assert [(request["text"], request["base"]) for request in tab.asked()] == [("left", 3)]


def test_what_a_dead_tab_left_stays_in_a_browser_whose_storage_is_full(tab: Tab) -> None:
    dead = "a-tab-s-name-is-so-long"
    _leave(tab, dead, "a", "typed before the crash")
    tab.limit_storage()
    _replay(tab)
    assert tab.stored_texts() == ["typed before the crash"]
    assert f"SET/a/{dead}" not in tab.stored()


def test_a_tab_that_lives_keeps_what_is_typed_there(new_tab: NewTab) -> None:
    first, second = new_tab(), new_tab()
    first.type("a", "typed in the first")
    wait_until(lambda: second.stored_texts() == ["typed in the first"], "the other tab sees the storage")
    _replay(second, living_tabs=1)
    assert second.entry("a") is None
    assert second.stored_texts() == ["typed in the first"]
    first.page.close()
    _replay(second)
    assert (second.entry("a") or {})["text"] == "typed in the first"


def test_two_tabs_never_overwrite_each_other_s_texts(new_tab: NewTab) -> None:
    first, second = new_tab(), new_tab()
    first.type("a", "from the first")
    second.type("a", "from the second")
    for tab in (first, second):
        wait_until(lambda tab=tab: tab.stored_texts() == ["from the first", "from the second"], "both are kept")
    first.pass_ms(SEND_MS)
    first.answer(saved("a", "from the first", 2))
    for tab in (first, second):
        wait_until(lambda tab=tab: tab.stored_texts() == ["from the second"], "the saved one is gone")


def test_all_is_saved_once_the_server_has_everything(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.run("{ window.isSaved = null; unsaved.allSaved().then((answer) => { window.isSaved = answer; }); }")
    assert tab.texts() == ["cat"]  # at once, not a moment after the last keystroke
    tab.pass_ms(1000)
    assert tab.run("isSaved") is None
    tab.answer(saved("a", "cat", 2))
    tab.pass_ms(100)
    assert tab.run("isSaved") is True


def test_not_all_is_saved_when_the_server_stays_silent_or_two_texts_wait(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.run("{ window.isSaved = null; unsaved.allSaved().then((answer) => { window.isSaved = answer; }); }")
    tab.pass_ms(4100)
    assert tab.run("isSaved") is False


def test_what_was_typed_on_a_removed_picture_does_not_keep_the_others_waiting(tab: Tab) -> None:
    tab.type("a", "cat")
    tab.run("{ takeRows([], { removed: ['a'] }); }")
    tab.run("{ window.isSaved = null; unsaved.allSaved().then((answer) => { window.isSaved = answer; }); }")
    tab.pass_ms(100)
    assert tab.run("isSaved") is True
    assert tab.stored_texts() == ["cat"]  # undo may bring the picture back


def test_what_changed_while_a_save_was_on_its_way_is_looked_at_again(tab: Tab) -> None:
    """Its answer may be older than what was looked at meanwhile: a frame that the settings put around texts, say."""
    told = {"rows": [], "removed": [], "whole": False, "warnings": [], "notices": []}
    tab.page.evaluate("import('./workbench/set/sync.js')")
    tab.run("{ announce('opened', { cursor: 5 }); }")
    tab.type("a", "a cat")
    tab.run("{ unsaved.flush('a'); }")
    save = len(tab.asked()) - 1
    tab.pass_ms(3_000)
    assert tab.asked()[-1]["since"] == 5
    framed = row("a", "a cat", revision=2, state="edited") | {"caption": "ohwx, a cat"}
    tab.answer({**told, "cursor": 9, "rows": [framed]})
    tab.answer(saved("a", "a cat", 2), save)
    tab.pass_ms(200)
    assert tab.asked()[-1]["since"] == 5, "not 9"
    tab.answer({**told, "cursor": 9, "rows": [framed]})
    assert tab.run("captionOf(rowOf.get('a'))") == "ohwx, a cat"
    tab.pass_ms(3_000)
    assert tab.asked()[-1]["since"] == 9
