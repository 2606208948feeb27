"""captioner.lab.record and report: a sweep as files."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageDraw

from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, ModelFailed, SettingsError
from captioner.lab.doubts import Told
from captioner.lab.figures import FIGURES, CellScore
from captioner.lab.grid import flat_in_effect, make_grid, parse_axis
from captioner.lab.measures import measure_text
from captioner.lab.record import SweepRecord, SweptPicture, swept_picture
from captioner.lab.report import Colouring, to_csv, to_html, to_json, to_png
from captioner.lab.report.fonts import Ink
from captioner.lab.run import CellResult
from captioner.lab.scores import Standing, score_caption
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
    swept = swept_picture(name, grid, base_cell, results, scores=scores)
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


def with_image(record: SweepRecord, kind: str) -> SweepRecord:
    """The record with a picture of one blue in a file of that kind."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 32), "#1234ff").save(buffer, kind)
    pictures = tuple(dataclasses.replace(picture, image=buffer.getvalue()) for picture in record.pictures)
    return dataclasses.replace(record, pictures=pictures)


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
    assert "<td class='green' style='--tint: #d7f0dc'>" in page and "<td class='base red' style=" in page
    assert "<th scope='col'>1<small>1 green</small></th><th scope='col'>2</th>" in page
    assert "<em>No memory for &lt;this&gt;.</em>" in page


def test_the_page_escapes_what_it_shows_and_marks_words_and_the_base() -> None:
    record = with_image(record_of("num_beams=1,2,3", name="<script>.png"), "WEBP")
    page = to_html(record).decode()
    assert "<script>" not in page
    assert "&lt;tokens&gt; &amp; 0.9" in page
    assert page.count("<mark>1</mark>") == page.count("<mark>2</mark>") == 1
    assert "<mark>3</mark>" not in page
    assert page.count("class='base'") == 1
    assert "http" not in page.replace("http-equiv", ""), "the page needs no other file"
    assert "data:image/webp;base64,UklGR" in page


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_page_says_of_what_kind_its_pictures_are(kind: str) -> None:
    assert f"data:image/{kind.lower()};base64," in to_html(with_image(record_of("num_beams=1,2"), kind)).decode()


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
    assert cell["parts"]["detail"] == "3 beams, 5 tokens, 09"
    page = to_html(record).decode()
    assert '<u title="beams? the captioner would rather say =dogs (+1.0), this picture speaks against' in page
    assert '<span title="How many words are expected to be false. of 5 words; most: beams' in page
    assert "Scored by echo." in page
    plain = to_html(record_of("num_beams=2,3")).decode()
    assert "<span" not in plain and "<u title" not in plain


def test_a_figure_has_its_parts_in_a_line() -> None:
    long = scored("a cat and a cat and " + "word " * 80)
    parts = long.parts(has_percentages=True)
    assert parts["tokens"] == "11 beyond the 75"
    assert parts["repetition"] == "said again: a cat and, word word word"
    assert parts["doubt"].startswith("most: cat 0.")
    assert long.parts(has_percentages=False)["doubt"] == "most: cat, a, a"


def test_a_doubtful_word_that_differs_is_underlined_and_marked() -> None:
    page = to_html(record_of("num_beams=3,4", captions=["a cat sits", "a dog sits"], is_scored=True)).decode()
    assert '<mark><u title="dog?' in page


def test_doubts_lie_where_the_sentence_lies_in_the_caption() -> None:
    score = dataclasses.replace(scored("a cat"), start=5)
    assert [(doubt.start, doubt.end) for doubt in score.doubts(Told())] == [(7, 10)]
    few, many = ([0.0] * count for count in (10, 1000))
    assert score.doubts(Told(standing=Standing.of_nats(few))) == ()  # too few words to tell a place among
    [ranked] = score.doubts(Told(standing=Standing.of_nats(many)))
    assert (ranked.probability, ranked.share, ranked.is_strong) == (None, 0.0, True)


def test_a_picture_without_cells_to_compare_has_no_letters() -> None:
    [picture] = record_of("num_beams=3").pictures
    assert isinstance(picture, SweptPicture)
    assert (picture.cells[0].letter, picture.reasons) == ("", {})


# Colours, and the PNG


def pixels(record: SweepRecord, colour_by: str = "") -> dict[str, int]:
    """How many pixels have each colour."""
    with Image.open(io.BytesIO(to_png(record, colour_by))) as image:
        found = image.convert("RGB").getcolors(2**24) or []
    return {f"#{red:02x}{green:02x}{blue:02x}": count for count, (red, green, blue) in found}  # type: ignore[misc]


def test_cells_are_coloured_by_ratings_where_there_are_some_else_by_doubt_where_that_is() -> None:
    record = record_of("num_beams=2,3", is_scored=True)
    coloured = Colouring.of(record)
    assert coloured.figure is not None and coloured.figure.name == "doubt"
    assert coloured.legend.startswith("Coloured by doubt, ") and coloured.legend.endswith("Less is better.")
    assert Colouring.of(rated(record, "green", "")).figure is None
    assert Colouring.of(record_of("num_beams=2,3")).figure is None


def test_more_is_darker_and_a_cell_without_the_score_has_no_colour() -> None:
    record = record_of("num_beams=3,4,5", captions=["a cat", "a cat on a mat in a house", None], is_scored=True)
    coloured = Colouring.of(record, "tokens")
    assert [coloured.tint(cell) for cell in record.pictures[0].cells] == ["#ffffff", "#a5c9f5", ""]


def test_what_cells_cannot_be_coloured_by_is_refused() -> None:
    with pytest.raises(SettingsError, match="coloured by 'taste'; choose one of rating, false_words"):
        Colouring.of(record_of("num_beams=2,3"), "taste")
    with pytest.raises(SettingsError, match="coloured by doubt: no cell has this score"):
        to_png(record_of("num_beams=2,3"), "doubt")


def test_the_png_shows_pictures_axes_and_cells_in_their_colours() -> None:
    record = rated(record_of("num_beams=1,2,3"), "green", "", "red")
    found = pixels(with_image(record, "PNG"))
    assert found["#1234ff"] > 1000
    assert found["#d7f0dc"] > 5000 and found["#fad9d5"] > 5000, "green and red cells"
    assert "#fdf0bf" not in found, "no yellow one"
    assert found["#2f9e4f"] > 300
    plain = pixels(record_of("num_beams=1,2,3"))
    assert not {"#d7f0dc", "#2f9e4f", "#1234ff"} & {*plain}


def test_the_png_of_a_scored_grid_is_coloured_by_the_score_that_is_asked_for() -> None:
    record = record_of("num_beams=3,4", captions=["a cat", "a cat on a mat in a house"], is_scored=True)
    assert pixels(record, "tokens")["#a5c9f5"] > 5000
    assert "#a5c9f5" not in pixels(record, "rating")


def test_a_png_grows_with_its_cells_and_is_as_legible_with_25_of_them() -> None:
    def size(*axes: str) -> tuple[int, int]:
        with Image.open(io.BytesIO(to_png(record_of(*axes)))) as image:
            return image.size

    narrow, wide = size("num_beams=1,2"), size("num_beams=1,2,3,4,5", "seed=0,1,2,3,4")
    assert (wide[0] - narrow[0]) / 3 >= 236, "each column keeps its width"
    assert wide[1] > 2 * narrow[1]
    assert size("num_beams=1,2", "seed=0,1", "top_k=1,2,3")[1] > 2 * size("num_beams=1,2", "seed=0,1")[1]


def test_a_long_caption_without_blanks_stays_in_its_cell_and_makes_its_row_higher() -> None:
    def height(caption: str) -> int:
        with Image.open(io.BytesIO(to_png(record_of("num_beams=1,2", captions=[caption, "a"])))) as image:
            return image.height

    assert height("x" * 400) > height("x" * 40) + 200


def test_a_png_that_would_be_too_large_is_refused() -> None:
    axes = ["seed=" + ",".join(map(str, range(20))), "top_k=" + ",".join(map(str, range(20)))]
    with pytest.raises(CaptionerError, match=r"the PNG would have \d+ x \d+ pixels, more than 60 million; take fewer"):
        to_png(record_of(*axes, captions=["word " * 300] * 400))


def test_letters_are_found_in_fonts_that_have_them_and_no_empty_box_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    ink = Ink(ImageDraw.Draw(Image.new("RGB", (1, 1))))
    assert ink.width("a dog, café…\n", 16) > 0
    assert ink.missing == set()
    monkeypatch.setattr("captioner.lab.report.fonts._place", lambda letter: None)
    assert ink.width("猫猫", 16) == ink.width("??", 16)
    assert ink.missing == {"猫"}


def test_the_png_says_what_it_could_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.lab.report.fonts._place", lambda letter: None if letter == "猫" else 0)
    red = pixels(record_of("num_beams=1", captions=["sks 猫 on grass"])).get("#c62828", 0)
    assert red > 50, "a line in red below"
    assert "#c62828" not in pixels(record_of("num_beams=1", captions=["sks on grass"]))


def test_the_same_record_is_the_same_file() -> None:
    record = record_of("num_beams=1,2", is_scored=True)
    assert to_png(record) == to_png(record)
