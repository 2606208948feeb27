"""The language of the filter box, and what it lists: the script's modules on their own in a blank page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.units import Tab, row

pytestmark = pytest.mark.browser

PICTURES: dict[str, dict[str, Any]] = {
    "a": {"caption": "A red car, outdoors, long hair", "tokens": 9, "score": 0.72, "isGlitch": True},
    "b": {"caption": "a blue car, long_hair", "tokens": 76, "state": "edited", "isReviewed": True, "score": 0.2},
    "c": {"caption": "", "tokens": 0, "state": "empty", "score": -1},
    "d": {"caption": "redcar in a house, car", "name": "0041.png", "folder": "10_sks dog", "state": "existing"},
}

LISTED = {
    "": "abcd",
    "car": "abd",
    "car red": "ad",
    "car RED -redcar": "a",
    '"red car"': "a",
    '-"red car" car': "bd",
    '"a red': "a",  # the other quote is still to be typed
    "-": "abcd",
    "tag:car": "d",
    'tag:"long hair"': "ab",
    "-tag:long_hair": "cd",
    "tokens:>75": "bd",  # d was not counted yet and stays listed
    "-tokens:>75": "acd",
    "tokens:<=9": "acd",
    "tokens:9": "ad",
    "tokens: >= 76 car": "bd",
    "name:41": "d",
    "folder:sks": "d",
    "10_sks": "d",
    'state:"no caption"': "c",
    "state:brought": "d",
    "state:edited": "b",
    "-state:edited car": "ad",
    "score:>0.5": "ad",  # d was not asked about yet and stays listed
    "score: <= .5 -tag:outdoors": "bcd",
    "-score:>=0.2": "cd",
    "reviewed:yes": "b",
    "reviewed:no car": "ad",
    "is:reviewed": "b",
    "is:glitch": "a",
    "-is:glitch car": "bd",
    "(red:1.2)": "",  # a weight is a word
}

PROBLEMS = {
    "tokens:many": "tokens: takes a number, such as tokens:>75.",
    "tokens:>": "tokens: takes a number, such as tokens:>75.",
    "tag:": "tag: needs a value behind it.",
    "reviewed:maybe": "reviewed: is yes or no.",
    "is:bad": "is: takes glitch or reviewed.",
    "sks:dog": "“sks:” is nothing to filter by; to look for the words, put them in quotes.",
    "constructor:x": "“constructor:” is nothing to filter by; to look for the words, put them in quotes.",
    "score:good": "score: takes a number, such as score:>0.5.",
    "state:e": 'state: is one of "no caption", "brought along", generated, edited, failed, conflict.',
}


def _found(tab: Tab, text: str) -> str:
    """The letters of the pictures that a text lists."""
    facts = []
    for name, known in PICTURES.items():
        one = {"name": f"{name}.png", "folder": "", "state": "generated", "isReviewed": False, **known}
        one["caption"] = one["caption"].lower()
        one["path"] = f"{one['folder']}/{one['name']}" if one["folder"] else one["name"]
        facts.append((name, one))
    asked = "value[1].filter(([, facts]) => query.accepts(query.parse(value[0]), facts)).map(([name]) => name).join('')"
    return str(tab.run(asked, [text, facts]))


def _problems(tab: Tab, text: str) -> list[str]:
    return list(tab.run("query.parse(value).problems", text))


def test_a_text_lists_the_pictures_that_are_as_it_says(tab: Tab) -> None:
    for text, letters in LISTED.items():
        assert (_found(tab, text), _problems(tab, text)) == (letters, []), text


def test_what_cannot_be_read_is_said_and_filters_nothing(tab: Tab) -> None:
    for text, problem in PROBLEMS.items():
        assert _problems(tab, f"car {text}") == [problem], text
        assert _found(tab, f"car {text}") == "abd", text


def test_hits_are_where_the_words_stand(tab: Tab) -> None:
    def hits(text: str, found: str, where: str = "caption") -> list[str]:
        asked = "query.hitsIn(query.parse(value[0]), value[1], value[2]).map(([from, to]) => value[1].slice(from, to))"
        return list(tab.run(asked, [text, found, where]))

    assert hits("car RED", "A red car, a Car") == ["red", "car", "Car"]
    assert hits("-car a", "a car") == ["a", "a"]
    assert hits('"red car" ca', "a red car") == ["red car"]
    assert hits("tag:car", "a car, car , cars") == ["car"]
    assert hits("name:car state:edited tokens:>2", "a car") == []
    assert hits("name:car car", "cars/car.png", "path") == ["car", "car"]
    assert hits("i", "İi") == [], "its small letters take more room"


def test_what_was_put_into_quotes_is_found_as_it_stands(tab: Tab) -> None:
    assert tab.run("query.phrase(value)", 'red "car" -x') == '"red " "car" " -x"'
    assert _found(tab, str(tab.run("query.phrase(value)", "red car"))) == "a"


def test_tokens_are_counted_when_they_are_asked_for_and_again_when_a_caption_changes(tab: Tab) -> None:
    def listed() -> list[str]:
        return list(tab.run("page.shown.map((row) => row.id)"))

    tab.take(row("a", "short", revision=2), row("b", "long", revision=2))
    tab.run("{ select('b'); page.filter = 'tokens:>75'; refilter(); }")
    assert [one["text"] for one in tab.asked()] == ["short"]
    assert listed() == ["a", "b", "c"], "nothing is known yet"
    for tokens in (5, 80, 0):
        tab.answer({"tokens": tokens})
        tab.run("new Promise((done) => { Promise.resolve().then(() => Promise.resolve()).then(done); })")
    assert listed() == ["b"]
    tab.take(row("a", "longer than ever", revision=3))
    tab.pass_ms(400)
    assert tab.asked()[-1] == {"text": "longer than ever"}
    tab.answer({"tokens": 90})
    tab.run("new Promise((done) => { Promise.resolve().then(() => Promise.resolve()).then(done); })")
    assert listed() == ["a", "b"]


def test_many_captions_are_counted_with_the_whole_set(tab: Tab) -> None:
    rows = [row(f"p{number:02}", f"caption {number}") for number in range(12)]
    tab.take(*rows)
    tab.run("{ page.filter = 'tokens:>75 caption'; refilter(); }")
    assert tab.asked() == [{"set": "SET"}]
    tab.answer({"limit": 75, "counts": {one["id"]: 70 + number for number, one in enumerate(rows)}})
    tab.run("Promise.resolve()")
    assert tab.run("page.shown.map((row) => row.id)") == [f"p{number:02}" for number in range(6, 12)]
