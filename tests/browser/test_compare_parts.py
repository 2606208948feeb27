"""Where a comparison's cells stand, what arrows lead to, what a caption's words are, and which values an axis takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.units import Tab

pytestmark = pytest.mark.browser

AXES = [
    {"name": "q", "title": "Repetition penalty", "values": ["1", "1.2", "1.4"]},
    {"name": "l", "title": "Min length", "values": ["5", "22"]},
]
SWEEP = {"axes": AXES, "base_cell": 1}
LENGTHS = {"title": "Min length", "kind": "whole", "min": 1, "max": 100, "choices": []}


def _of(tab: Tab, module: str, expression: str, value: Any = None) -> Any:
    """What an expression gives in which the module is `it`."""
    return tab.run(f"import('./workbench/lab/{module}.js').then((it) => {expression})", value)


def test_cells_stand_in_rows_and_the_first_axis_runs_along_them(tab: Tab) -> None:
    third = {"name": "m", "title": "Captioner", "values": ["base", "large"]}
    sweep = {**SWEEP, "axes": [*AXES, third]}
    assert _of(tab, "layout", "it.rowsOf(value)", sweep) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert _of(tab, "layout", "it.placesOf(value, 10)", sweep) == [1, 1, 1]
    assert _of(tab, "layout", "it.whereWords(value, 8)", sweep) == (
        "Repetition penalty 1.4, Min length 5, Captioner large"
    )


@pytest.mark.parametrize(
    ("at", "arrow", "to"),
    [
        (("a", 0), (1, 0), ("a", 1)),
        (("a", 0), (0, 1), ("a", 3)),
        (("a", 4), (0, 1), ("b", 1)),  # from the last row to the next picture's first
        (("b", 1), (0, -1), ("a", 4)),
        (("a", 5), (1, 0), ("b", 3)),  # from a row's end to the next picture's same row
        (("b", 3), (-1, 0), ("a", 5)),
        (("a", 0), (-1, 0), ("a", 0)),  # nothing is before the first picture
        (("b", 5), (0, 1), ("b", 5)),
    ],
)
def test_an_arrow_at_the_edge_leads_to_the_next_picture(
    tab: Tab, at: tuple[str, int], arrow: tuple[int, int], to: tuple[str, int]
) -> None:
    value = [SWEEP, ["a", "b"], {"picture": at[0], "cell": at[1]}, *arrow]
    assert _of(tab, "layout", "it.neighbour(...value)", value) == {"picture": to[0], "cell": to[1]}


def test_a_tally_in_words_leaves_out_what_nothing_has(tab: Tab) -> None:
    rated = [{"rating": rating} for rating in ["red", "green", "green", None]]
    assert _of(tab, "layout", "it.tallyWords(it.tally([...value, undefined]))", rated) == "2 green, 1 red"
    assert _of(tab, "layout", "it.tallyWords(it.tally([]))") == ""


def test_a_caption_is_cut_where_marks_and_doubts_begin_and_end_also_behind_signs_of_two_units(tab: Tab) -> None:
    text = "🐟 a red fish"
    marks = [[4, 7]]
    doubts = [{"start": 4, "end": 12, "why": "?"}]
    pieces = _of(tab, "layout", "it.piecesOf(...value)", [text, marks, doubts])
    assert [(one["text"], one["isChanged"], bool(one.get("doubt"))) for one in pieces] == [
        ("🐟 a ", False, False),
        ("red", True, True),
        (" fish", False, True),
    ]
    assert _of(tab, "layout", "it.piecesOf('', [], [])") == []


def test_the_best_score_has_the_strongest_shade(tab: Tab) -> None:
    shades = "(([values, better]) => values.map(it.shades(values, better).of))(value)"
    assert _of(tab, "layout", shades, [[1, 3, 2], "high"]) == [0, 1, 0.5]
    assert _of(tab, "layout", shades, [[1, 3, 2], "low"]) == [1, 0, 0.5]
    assert _of(tab, "layout", shades, [[1, 3, 2], ""]) == [0, 1, 0.5]
    assert _of(tab, "layout", shades, [[2, 2], "high"]) == [0.5, 0.5]
    assert _of(tab, "layout", "it.shades([], 'high')") is None


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("22", ""),
        ("many", "“many” is not a whole number."),
        ("2.5", "“2.5” is not a whole number."),
        ("NaN", "“NaN” is not a whole number."),
        ("", "“” is not a whole number."),
        ("500", "500 is out of range: Min length lies between 1 and 100."),
        ("5.0", "5.0 is there already."),
    ],
)
def test_a_value_that_will_not_do_is_told_with_the_reason(tab: Tab, value: str, wrong: str) -> None:
    assert _of(tab, "values", "it.wrongWith(...value)", [LENGTHS, value, ["5", "15"]]) == wrong


def test_a_text_holds_values_at_its_commas_and_lines(tab: Tab) -> None:
    assert _of(tab, "values", "it.written(value)", " 5, 15;22\n\n30,") == ["5", "15", "22", "30"]


def test_the_number_of_cells_is_none_while_an_axis_has_no_value(tab: Tab) -> None:
    assert _of(tab, "values", "it.cellsOf(value)", AXES) == 6
    assert _of(tab, "values", "it.cellsOf(value)", [{"values": []}, *AXES]) == 0
    assert _of(tab, "values", "it.cellsOf([])") == 0
