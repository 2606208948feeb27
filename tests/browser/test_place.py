"""Where a person was in a set, as the browser keeps it: what is taken up again, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.units import Tab, row

pytestmark = pytest.mark.browser

KEY = "captioner/place/SET"


def _open(tab: Tab, kept: Any) -> dict[str, Any]:
    """The page's values once the modules found this in the browser and the set's pictures came."""
    tab.run("{ localStorage.setItem(value[0], value[1]); }", [KEY, kept if isinstance(kept, str) else json.dumps(kept)])
    tab.run("import('./workbench/set/place.js').then((place) => { window.place = place; })")
    tab.run("{ takeRows(value, { whole: true }); }", [row(id) for id in "abc"])
    names = ["current", "filter", "state", "sort", "view", "size"]
    return dict(tab.run("Object.fromEntries(value.map((name) => [name, page[name]]))", names))


def test_a_place_is_taken_up_again_and_kept_as_one_goes_on(tab: Tab) -> None:
    kept = {"id": "b", "name": "b.png", "filter": "nothing", "state": "empty", "sort": "longest", "view": "list"}
    assert _open(tab, {**kept, "size": 120}) == {
        **{name: value for name, value in kept.items() if name not in ("id", "name")},
        "current": "b",
        "size": 120,
    }
    assert tab.run("page.shown.map((row) => row.id)") == ["b"], "it stays listed whatever the filter says"
    tab.run("{ page.filter = ''; refilter(); select('c'); }")
    assert tab.run("place.placeIn('SET')") == {**kept, "id": "c", "name": "c.png", "filter": "", "size": 120}


def test_a_place_that_is_no_more_or_means_nothing_is_passed_over(tab: Tab) -> None:
    usual = {"current": "a", "filter": "", "state": "", "sort": "folder", "view": "grid", "size": 0}
    strange = {"id": "z", "name": "z", "filter": 7, "state": "x", "sort": "toString", "view": "<b>", "size": "9"}
    assert _open(tab, strange) == usual


def test_what_is_no_place_at_all_is_none(tab: Tab) -> None:
    assert _open(tab, "{")["current"] == "a"
    for text in ("null", "7", "[]", '{"id": 7, "name": "x"}'):
        tab.run("{ localStorage.setItem('captioner/place/OTHER', value); }", text)
        assert tab.run("place.placeIn('OTHER')") is None, text
