"""captioner.lab.grid and `python -m captioner sweep`: grids of settings, what is equal in them, and why."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from captioner.__main__ import main
from captioner.contract import PictureInput, inputs
from captioner.errors import SettingsError
from captioner.formats.earlier import INDEX_NAME
from captioner.lab.grid import MAX_CELLS, CellScore, compare, make_grid, parse_axis, sweep_picture
from captioner.lab.measures import measure_text
from captioner.lab.report import to_csv, to_html, to_json
from captioner.lab.scores import score_caption
from captioner.models.blip import PRESETS, BlipCaptioner, SamplingSettings
from captioner.models.manager import ModelManager
from captioner.readings import Rival, not_read
from captioner.records import Sentence
from tests.tiny_models import random_picture, save_tiny_blip

BASE = SamplingSettings(max_length=60)


class Echo:
    """A captioner that says its settings, and notes how often it was asked."""

    select = staticmethod(BlipCaptioner.select)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def caption_grid(self, shown: PictureInput, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        self.asked.append(len(grid))
        return [Sentence(f"{cell.num_beams} beams, {cell.min_length} <tokens> & {cell.top_p}") for cell in grid]


def echo(x: str, y: str | None = None, base: SamplingSettings = BASE) -> Any:
    grid = make_grid(parse_axis(x, SamplingSettings), parse_axis(y, SamplingSettings) if y else None, base)
    return sweep_picture(random_picture(0), grid, Echo())


def test_a_grid_has_a_cell_for_each_combination_row_by_row() -> None:
    grid = make_grid(
        parse_axis("repetition_penalty=0.6,1,1.4", SamplingSettings),
        parse_axis("min_length=5,15", SamplingSettings),
        BASE,
    )
    assert [(cell.min_length, cell.repetition_penalty) for cell in grid.cells] == [
        *[(5, penalty) for penalty in (0.6, 1.0, 1.4)],
        *[(15, penalty) for penalty in (0.6, 1.0, 1.4)],
    ]
    assert grid.where(5) == {"repetition_penalty": "1.4", "min_length": "15"}
    assert grid.where(grid.centre) == {"repetition_penalty": "1", "min_length": "15"}
    assert all(cell.max_length == 60 for cell in grid.cells)


def test_one_axis_alone_is_one_row() -> None:
    sweep = echo("num_beams=1,8,16,20")
    assert [sentence.text.split()[0] for sentence in sweep.sentences] == ["1", "8", "16", "20"]
    assert sweep.groups == ("", "", "", "")


def test_flags_spelling_is_understood_in_axes() -> None:
    assert parse_axis("--min-length=5, 6", SamplingSettings).values == (5, 6)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("min_lenght=5", "'min_lenght' is no setting that an axis can have; did you mean min_length?"),
        ("colour=5", "'colour' is no setting that an axis can have; the settings are method, num_beams"),
        ("min_length=5,76", "min_length is 76; it must be a whole number between 1 and 75 tokens"),
        ("min_length=5,nan", "min_length is 'nan'"),
        ("repetition_penalty=nan", "repetition_penalty is nan"),
        ("method=beam,fast", "method is 'fast'; it must be one of beam, nucleus"),
        ("min_length", "needs values: min_length=VALUE"),
        ("min_length=", "needs values"),
        ("min_length=5,,6", "needs values"),
        ("min_length=5,05", "has the value 05 twice"),
        ("q_factor=much", "q_factor is 'much'; it must be a number"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(axis: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        parse_axis(axis, SamplingSettings)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("min_length=5,61", None, "the cell min_length=61 is not possible: min_length is 61 and max_length is 60"),
        ("min_length=5,6", "min_length=7,8", "both axes set min_length"),
        ("q_factor=1,2", "repetition_penalty=1,2", "both axes set repetition_penalty"),
        ("q_factor=1,9", None, "the cell q_factor=9.0 is not possible: q_factor is 9; under beam search"),
        (
            "seed=" + ",".join(map(str, range(21))),
            "min_length=" + ",".join(map(str, range(1, 21))),
            f"the grid has 420 cells; it may have {MAX_CELLS}",
        ),
    ],
)
def test_a_grid_that_cannot_be_is_refused(x: str, y: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        make_grid(parse_axis(x, SamplingSettings), parse_axis(y, SamplingSettings) if y else None, BASE)


def test_equal_settings_are_searched_once_and_said_to_be_equal_and_why() -> None:
    grid = make_grid(parse_axis("q_factor=0.01,1,20,100,200", SamplingSettings), None, PRESETS["everydream-nucleus"])
    captioner = Echo()
    sweep = sweep_picture(random_picture(0), grid, captioner)
    assert captioner.asked == [2]
    assert sweep.groups == ("", "A", "A", "A", "A")
    assert "q_factor is top_p here, where these values mean the same" in sweep.reasons["A"]
    assert "q_factor=20; q_factor=100" in sweep.reasons["A"]
    assert len(grid.notes) == 3


def test_a_setting_without_effect_is_named_as_the_reason() -> None:
    sweep = echo("top_p=0.1,0.9", "min_length=5,6")
    assert sweep.groups == ("A", "A", "B", "B")
    assert "top_p has an effect only under nucleus" in sweep.reasons["A"]


def test_equal_captions_of_different_settings_are_said_to_be_found_twice() -> None:
    grid = make_grid(parse_axis("min_length=5,6,7", SamplingSettings), None, BASE)
    sweep = compare(grid, [Sentence("a dog"), Sentence("a cat"), Sentence("a dog")])
    assert sweep.groups == ("A", "", "A")
    assert sweep.reasons["A"].startswith("the same sentence was found with different settings (min_length=5; min")


def test_the_csv_has_a_line_a_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(echo("num_beams=1,2", "min_length=5,6"), "cat, 1.png").decode())))
    assert [(row["num_beams"], row["min_length"]) for row in rows] == [("1", "5"), ("2", "5"), ("1", "6"), ("2", "6")]
    assert {row["picture"] for row in rows} == {"cat, 1.png"}
    assert rows[0]["caption"] == "1 beams, 5 <tokens> & 0.9"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    swept = echo("length_penalty=-1,2")
    [first, _] = csv.DictReader(io.StringIO(to_csv(swept, f"{start}cmd()|x.png").decode(), newline=""))
    assert first["picture"] == f"'{start}cmd()|x.png"
    assert first["length_penalty"] == "-1", "a number is no formula"
    said = dataclasses.replace(swept, sentences=(Sentence(f"{start}1+1"), Sentence("a cat - a dog")))
    captions = [row["caption"] for row in csv.DictReader(io.StringIO(to_csv(said, "a.png").decode(), newline=""))]
    assert captions == [f"'{start}1+1", "a cat - a dog"]


def test_a_name_that_is_no_utf_8_is_spelt_out_everywhere() -> None:
    swept = echo("num_beams=1,2")
    name = b"\xff\xfe.png".decode(errors="surrogateescape")
    for written in (to_csv(swept, name), to_json(swept, name, name), to_html(swept, name, name, "AAAA")):
        assert "udcff" in written.decode()
        assert "\ufffd" not in written.decode()


def test_the_json_says_everything() -> None:
    value = json.loads(to_json(echo("num_beams=1,2"), "cat.png", "blip-demo"))
    assert (value["picture"], value["model"], value["x"]["values"], value["y"]) == (
        "cat.png",
        "blip-demo",
        [1, 2],
        None,
    )
    assert [cell["settings"]["num_beams"] for cell in value["cells"]] == [1, 2]


def test_the_page_escapes_what_it_shows_and_marks_words_and_the_centre() -> None:
    page = to_html(echo("num_beams=1,2,3"), "<script>.png", "m<del", "AAAA").decode()
    assert "<script>" not in page
    assert "m&lt;del" in page
    assert "&lt;tokens&gt; &amp; 0.9" in page
    assert page.count("<mark>1</mark>") == page.count("<mark>3</mark>") == 1
    assert page.count("class='centre'") == 1
    assert "http" not in page.replace("http-equiv", ""), "the page needs no other file"


def scored(sweep: Any) -> Any:
    """The sweep with scores in which the second word of each caption is doubtful."""
    scores = []
    for sentence in sweep.sentences:
        reading = not_read(sentence.text, "")
        rival = Rival("=dogs", sentence.text, 1.0)
        words = [dataclasses.replace(word, is_read=True) for word in reading.words]
        words[1] = dataclasses.replace(words[1], rivals=(rival,), evidence=-3.0)
        accuracy = score_caption(dataclasses.replace(reading, words=tuple(words)), {})
        scores.append(CellScore(sentence.text, accuracy, measure_text(sentence.text)))
    return dataclasses.replace(sweep, scores=tuple(scores))


def test_scores_stand_in_all_three_files() -> None:
    sweep = scored(echo("num_beams=2,3"))
    row = next(csv.DictReader(io.StringIO(to_csv(sweep, "cat.png").decode())))
    assert (row["doubtful"], row["tokens"], row["detail"], row["agreement"]) == ("beams", "11", "3", "")
    assert 0.5 < float(row["false_words"]) < 1.5
    cell = json.loads(to_json(sweep, "cat.png", "echo"))["cells"][1]
    assert cell["accuracy"]["words"][1]["better"] == "=dogs"
    assert (cell["tokens"], cell["repetition"]) == (11, 0)
    page = to_html(sweep, "cat.png", "echo", "").decode()
    assert '<u title="beams? the captioner would rather say =dogs (+1.0), this picture speaks against' in page
    assert "expected false words" in page
    plain = to_html(echo("num_beams=2,3"), "cat.png", "echo", "").decode()
    assert "expected false words" not in plain and "<u title" not in plain


# The command line, with a tiny model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny"))


def test_the_command_writes_a_page_a_csv_and_a_json_for_each_picture(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    random_picture(1).save(tmp_path / "pictures" / "cat.png")
    random_picture(2).save(tmp_path / "pictures" / "cat.webp")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    words = [
        "sweep",
        str(tmp_path / "pictures"),
        "--captioner",
        tiny,
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "out"),
    ]
    words += ["--x", "repetition_penalty=0.6,1.4", "--y", "min_length=5,12", "--num-beams", "2"]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == "2 swept, 1 failed"
    assert "broken.png: " in captured.err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [INDEX_NAME] + [
        f"cat{more}.{suffix}" for more in ("", "_2") for suffix in ("csv", "html", "json")
    ]
    value = json.loads((tmp_path / "out" / "cat.json").read_text(encoding="utf-8"))
    captioner = BlipCaptioner.load(Path(tiny), device="cpu")
    for cell in value["cells"]:
        alone = captioner.caption(inputs([random_picture(1)]), SamplingSettings.from_mapping(cell["settings"]))[0]
        assert cell["caption"] == alone.text
        assert cell["settings"]["num_beams"] == 2
    assert "data:image/webp;base64,UklGR" in (tmp_path / "out" / "cat.html").read_text(encoding="utf-8")


def test_a_sweep_has_scores_where_they_are_asked_for(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sweep_words(tiny, tmp_path, "a.png", "b.png"), "--score"]) == 0
    assert f"note: scored by {tiny}." in capsys.readouterr().err
    value = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    assert all(cell["accuracy"]["words"] for cell in value["cells"])


def sweep_words(tiny: str, folder: Path, *names: str) -> list[str]:
    for number, name in enumerate(names):
        random_picture(number).save(folder / name)
    words = ["sweep", *(str(folder / name) for name in names), "--captioner", tiny, "--device", "cpu"]
    return [*words, "--x", "num_beams=1,2", "--out", str(folder / "out")]


def test_a_name_that_the_terminal_cannot_show_does_no_harm(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = sweep_words(tiny, tmp_path, "\u732b.png")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(words) == 0
    assert (tmp_path / "out" / "\u732b.html").is_file()
    terminal.seek(0)
    assert terminal.read().endswith("?.html\n")


def test_ctrl_c_keeps_the_grids_that_are_whole_and_lets_go_of_the_model(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(tiny, tmp_path, "a.png", "b.png", "c.png")
    original, asked, closed = BlipCaptioner.decode_grid, [0], []

    def decode_grid(self: Any, encoding: Any, grid: Any) -> Any:
        asked[0] += 1
        if asked[0] == 2:
            raise KeyboardInterrupt
        return original(self, encoding, grid)

    monkeypatch.setattr(BlipCaptioner, "decode_grid", decode_grid)
    close = ModelManager.close
    monkeypatch.setattr(ModelManager, "close", lambda manager: closed.append(close(manager)))
    assert main(words) == 130
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "captioner: stopped; 2 pictures were not reached.",
        "1 swept, 0 failed",
    ]
    assert closed == [None]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [INDEX_NAME, "a.csv", "a.html", "a.json"]


def test_a_grid_replaces_only_what_a_sweep_wrote_of_the_same_picture(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(tiny, tmp_path, "a.png")
    out = tmp_path / "out"
    assert main(words) == main(words) == 0
    random_picture(7).save(tmp_path / "a.png")
    assert main(words) == 0
    assert (out / "a_2.html").is_file()
    (out / "a_2.csv").write_text("looked at")
    assert main(words) == 1
    assert f"{out}/a_2.csv is not as a sweep wrote it; --overwrite replaces it" in capsys.readouterr().err
    assert (out / "a_2.csv").read_text() == "looked at"
    assert main([*words, "--overwrite"]) == 0
    assert (out / "a_2.csv.bak").read_text() == "looked at"
    assert not (out / "a_2.html.bak").exists()


def test_a_full_disk_ends_the_sweep_with_its_summary(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    words = sweep_words(tiny, tmp_path, "a.png", "b.png")
    monkeypatch.setattr(os, "fsync", fsync)
    assert main(words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "No space left on device" in lines[-2] and lines[-1] == "0 swept, 2 failed"


def test_settings_without_effect_are_said_so_unless_they_are_an_axis(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(tiny, tmp_path, "a.png")
    assert main([*words, "--top-p", "0.5"]) == 0
    assert "note: --top-p 0.5 has no effect under --method beam, only under nucleus." in capsys.readouterr().err
    words[words.index("num_beams=1,2")] = "method=beam,nucleus"
    assert main([*words, "--top-p", "0.5"]) == 0
    assert "note:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "min_length=5", "--out", ""], "--out is empty"),
        (["--x", "colour=1", "--out", "out"], "'colour' is no setting"),
        (["--x", "min_length=5,48", "--out", "out"], "the cell min_length=48 is not possible"),
        (["--out", "out"], "--x"),
        (["--x", "min_length=5"], "--out"),
        (["--x", "min_length=5", "--out", "out", "--captioner", ""], "needs a captioner"),
        (["--x", "min_length=5", "--out", "out", "--wd14", "wd14-demo"], "--wd14 has no effect without --score"),
        (["--x", "min_length=5", "--out", "out", "--device", "tpu"], "--device is 'tpu'"),
        (["--x", "min_length=5", "--out", "out", "--flavors", "3"], "--flavors is not known"),
    ],
)
def test_wrong_use_is_one_sentence_before_any_model_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    random_picture(1).save("cat.png")
    assert main(["sweep", "cat.png", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
