"""captioner.lab.record and report: a sweep as files."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from captioner.captions.plan import Plan
from captioner.errors import ModelFailed
from captioner.lab.figures import FIGURES, CellScore
from captioner.lab.grid import flat_in_effect, make_grid, parse_axis
from captioner.lab.measures import measure_text
from captioner.lab.record import SweepRecord, SweptPicture, swept_picture
from captioner.lab.report import to_csv, to_html, to_json
from captioner.lab.run import CellResult
from captioner.lab.scores import score_caption
from captioner.readings import Rival, not_read

BASE = Plan.from_flat({"max_length": 60}, "demo")


def record_of(
    *axes: str,
    name: str = "cat.png",
    captions: Sequence[str | None] | None = None,
    is_scored: bool = False,
    pictures: int = 1,
) -> SweepRecord:
    """A sweep that says its settings, or the captions; None is a cell that failed."""
    grid = make_grid([parse_axis(axis, BASE) for axis in axes], BASE, "demo")
    settings = [cell.captioner.settings.to_mapping() for cell in grid.cells]
    said = captions or [f"{one['num_beams']} beams, {one['min_length']} <tokens> & {one['top_p']}" for one in settings]
    results = [
        CellResult(cell=cell, error=ModelFailed("No memory for <this>."))
        if text is None
        else CellResult(cell=cell, caption=text, sentence=text, score=-0.25)
        for cell, text in enumerate(said)
    ]
    base_cell = grid.base_cell(BASE)
    scores = [scored(result.caption) if is_scored and not result.error else None for result in results]
    swept = swept_picture(name, grid, base_cell, results, image=b"RIFF", scores=scores)
    return SweepRecord(
        name=name,
        axes=grid.axes,
        settings=tuple(map(flat_in_effect, grid.cells)),
        base_cell=base_cell,
        pictures=(swept,) * pictures,
        asked=("echo",) if is_scored else (),
    )


def scored(caption: str) -> CellScore:
    """A score in which the second word is doubtful."""
    reading = not_read(caption, "")
    words = [dataclasses.replace(word, is_read=True) for word in reading.words]
    words[1] = dataclasses.replace(words[1], rivals=(Rival("=dogs", caption, 1.0),), evidence=-3.0)
    accuracy = score_caption(dataclasses.replace(reading, words=tuple(words)), {})
    return CellScore(accuracy, measure_text(caption))


def rated(record: SweepRecord, *ratings: Any) -> SweepRecord:
    [picture] = record.pictures
    cells = [dataclasses.replace(cell, rating=rating) for cell, rating in zip(picture.cells, ratings, strict=True)]
    return dataclasses.replace(record, pictures=(dataclasses.replace(picture, cells=tuple(cells)),))


def rows_of(record: SweepRecord) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(record).decode(), newline="")))


def test_a_record_marks_the_words_that_differ_from_the_base_cell() -> None:
    [picture] = record_of("num_beams=3,4,5", captions=["a red cat", "a red dog sits", "a cat"]).pictures
    assert [cell.marks for cell in picture.cells] == [(), ((6, 14),), ()]
    assert [cell.letter for cell in picture.cells] == ["", "", ""]


def test_the_csv_has_a_line_a_cell() -> None:
    rows = rows_of(record_of("num_beams=1,2", "min_length=5,6", name="cat, 1.png"))
    assert [(row["num_beams"], row["min_length"]) for row in rows] == [("1", "5"), ("2", "5"), ("1", "6"), ("2", "6")]
    assert {row["picture"] for row in rows} == {"cat, 1.png"}
    assert (rows[0]["caption"], rows[0]["likelihood"]) == ("1 beams, 5 <tokens> & 0.9", "-0.25")
    assert not {"doubt", "rating"} & {*rows[0]}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    record = record_of("length_penalty=-1,2", name=f"{start}cmd()|x.png", captions=[f"{start}1+1", "a cat - a dog"])
    first, second = rows_of(record)
    assert first["picture"] == f"'{start}cmd()|x.png"
    assert first["length_penalty"] == "-1", "a number is no formula"
    assert (first["caption"], second["caption"]) == (f"'{start}1+1", "a cat - a dog")


def test_a_name_that_is_no_utf_8_is_spelt_out_everywhere() -> None:
    record = record_of("num_beams=1,2", name=b"\xff\xfe.png".decode(errors="surrogateescape"))
    for written in (to_csv(record), to_json(record), to_html(record)):
        assert "udcff" in written.decode()
        assert "\ufffd" not in written.decode()


def test_the_json_says_everything() -> None:
    value = json.loads(to_json(record_of("num_beams=1,3", "seed=0,1", pictures=2)))
    assert value["axes"] == [{"name": "num_beams", "values": [1, 3]}, {"name": "seed", "values": [0, 1]}]
    assert (value["base_cell"], [picture["picture"] for picture in value["pictures"]]) == (1, ["cat.png"] * 2)
    cells = value["pictures"][0]["cells"]
    assert [(cell["num_beams"], cell["seed"]) for cell in cells] == [(1, 0), (3, 0), (1, 1), (3, 1)]
    assert [cell["settings"] for cell in cells] == [{"num_beams": 1}, {}] * 2
    assert [Plan.from_flat({**value["settings"], **cell["settings"]}).captioner.settings for cell in cells[:2]] == [
        BASE.captioner.settings.replaced(num_beams=beams) for beams in (1, 3)
    ]
    assert [cell["equal"] for cell in cells] == ["A", "B", "A", "B"]
    assert "A" in value["pictures"][0]["reasons"]


def test_ratings_and_failed_cells_are_in_all_files() -> None:
    record = rated(record_of("num_beams=1,2,3", captions=["a", None, "b"]), "green", "", "red")
    assert [(row["rating"], row["error"]) for row in rows_of(record)] == [
        ("green", ""),
        ("", "No memory for <this>."),
        ("red", ""),
    ]
    cells = json.loads(to_json(record))["pictures"][0]["cells"]
    assert [(cell["rating"], cell["error"]) for cell in cells] == [
        ("green", None),
        (None, "No memory for <this>."),
        ("red", None),
    ]
    page = to_html(record).decode()
    assert "<td class='green'>" in page and "<td class='base red'>" in page
    assert "<em>No memory for &lt;this&gt;.</em>" in page


def test_the_page_escapes_what_it_shows_and_marks_words_and_the_base() -> None:
    page = to_html(record_of("num_beams=1,2,3", name="<script>.png")).decode()
    assert "<script>" not in page
    assert "&lt;tokens&gt; &amp; 0.9" in page
    assert page.count("<mark>1</mark>") == page.count("<mark>2</mark>") == 1
    assert "<mark>3</mark>" not in page
    assert page.count("class='base'") == 1
    assert "http" not in page.replace("http-equiv", ""), "the page needs no other file"
    assert "data:image/webp;base64,UklGRg==" in page


def test_the_page_has_a_table_for_each_value_of_a_third_axis_and_a_section_for_each_picture() -> None:
    page = to_html(record_of("num_beams=1,2", "min_length=5,6", "top_k=1,2,3", pictures=2)).decode()
    assert page.count("<table>") == 6
    assert page.count("<h3>top_k 2</h3>") == page.count("<section>") == 2


def test_scores_stand_in_all_files_with_what_they_mean() -> None:
    record = record_of("num_beams=2,3", is_scored=True)
    row = rows_of(record)[0]
    assert (row["doubtful"], row["tokens"], row["detail"], row["agreement"]) == ("beams", "11", "3", "")
    assert 0.5 < float(row["false_words"]) < 1.5
    cell = json.loads(to_json(record))["pictures"][0]["cells"][1]
    assert (cell["doubts"][0]["better"], cell["doubts"][0]["start"]) == ("=dogs", 2)
    assert (cell["scores"]["tokens"], cell["scores"]["repetition"]) == (11, 0)
    assert {*cell["scores"]} == {figure.name for figure in FIGURES}
    assert cell["parts"]["false_words"].startswith("of 5 words; most: beams 0.")
    page = to_html(record).decode()
    assert '<u title="beams? the captioner would rather say =dogs (+1.0), this picture speaks against' in page
    assert '<span title="How many words are expected to be false. of 5 words; most: beams' in page
    assert "Scored by echo." in page
    plain = to_html(record_of("num_beams=2,3")).decode()
    assert "<span" not in plain and "<u title" not in plain


def test_a_doubtful_word_that_differs_is_underlined_and_marked() -> None:
    page = to_html(record_of("num_beams=3,4", captions=["a cat sits", "a dog sits"], is_scored=True)).decode()
    assert '<mark><u title="dog?' in page


def test_doubts_lie_where_the_sentence_lies_in_the_caption() -> None:
    score = dataclasses.replace(scored("a cat"), start=5)
    assert [(doubt.start, doubt.end) for doubt in score.doubts] == [(7, 10)]


def test_a_picture_without_cells_to_compare_has_no_letters() -> None:
    [picture] = record_of("num_beams=3").pictures
    assert isinstance(picture, SweptPicture)
    assert (picture.cells[0].letter, picture.reasons) == ("", {})
