"""`python -m captioner sweep`: grids of settings as files, from the command line."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.__main__ import main
from captioner.contract import inputs
from captioner.errors import ModelFailed
from captioner.formats.earlier import INDEX_NAME
from captioner.lab.presets import NAMED_GRIDS
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.models.manager import ModelManager
from tests.tiny_models import random_picture, save_tiny_blip


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
        f"{stem}.{suffix}" for stem in ("cat", "cat_2", "sweep") for suffix in ("csv", "html", "json")
    ]
    assert "sweep.html" in captured.out
    together = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    assert [picture["picture"] for picture in together["pictures"]] == ["cat.png", "cat.webp"]
    value = json.loads((tmp_path / "out" / "cat.json").read_text(encoding="utf-8"))
    captioner = BlipCaptioner.load(Path(tiny), device="cpu")
    assert len(value["pictures"][0]["cells"]) == 4
    for cell in value["pictures"][0]["cells"]:
        settings = {**value["settings"], **cell["settings"]}
        own = {field.name: settings[field.name] for field in SamplingSettings.fields() if field.name in settings}
        assert cell["caption"] == captioner.caption(inputs([random_picture(1)]), SamplingSettings(**own))[0].text
        assert own["num_beams"] == 2
    assert "data:image/webp;base64,UklGR" in (tmp_path / "out" / "cat.html").read_text(encoding="utf-8")


def test_a_sweep_has_scores_where_they_are_asked_for(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sweep_words(tiny, tmp_path, "a.png", "b.png"), "--score"]) == 0
    assert f"note: scored by {tiny}." in capsys.readouterr().err
    value = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    assert all(cell["scores"]["doubt"] > 0 for cell in value["pictures"][0]["cells"])
    assert value["scored_by"] == [tiny]


def test_a_named_grid_with_judges_that_add_no_tags_and_a_png(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random_picture(0).save(tmp_path / "a.png")
    words = ["sweep", str(tmp_path / "a.png"), "--models", "demo", "--device", "cpu", "--out", str(tmp_path / "out")]
    judges = ["--score", "--judge", "clip", "--judge", "wd14-demo", "--colour", "tokens"]
    assert main([*words, "--grid", "everydream-beam", *judges, "--num-beams", "2", "--png"]) == 0
    assert "scored by blip-demo, clip-demo, wd14-demo." in capsys.readouterr().err
    value = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    assert [axis["name"] for axis in value["axes"]] == ["q_factor", "min_length"]
    assert (len(value["pictures"][0]["cells"]), value["base_cell"]) == (25, 12)
    assert (value["settings"]["num_beams"], value["settings"]["max_length"]) == (2, 48)
    assert {cell["model"] for cell in value["pictures"][0]["cells"]} == {"blip-demo"}
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.width > 1400


def test_a_cell_that_fails_is_said_and_the_others_are_there(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(tiny, tmp_path, "a.png")
    original = BlipCaptioner.caption_grid

    def caption_grid(self: Any, shown: Any, grid: Any) -> Any:
        if any(cell.num_beams == 2 for cell in grid):
            raise ModelFailed("2 beams are too many.")
        return original(self, shown, grid)

    monkeypatch.setattr(BlipCaptioner, "caption_grid", caption_grid)
    assert main([*words, "--score"]) == 0
    assert "some cells failed: 2 beams are too many." in capsys.readouterr().err
    first, second = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))["pictures"][0]["cells"]
    assert first["caption"] and first["scores"] and first["error"] is None
    assert (second["caption"], second["scores"], second["error"]) == ("", {}, "2 beams are too many.")


def test_the_files_of_all_pictures_are_replaced_only_by_those_of_the_same(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sweep_words(tiny, tmp_path, "a.png", "b.png")
    out = tmp_path / "out"
    assert main(words) == main(words) == 0
    assert not (out / "sweep_2.html").exists()
    (out / "sweep.csv").write_text("looked at")
    assert main(words) == 1
    assert "all pictures together: " in capsys.readouterr().err
    assert (out / "sweep.csv").read_text() == "looked at"
    assert main(sweep_words(tiny, tmp_path, "c.png", "d.png")) == 0
    assert (out / "sweep_2.html").is_file()


def test_the_named_grids_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--list-grids"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("everydream-beam: ")
    assert lines[1].strip() == "q_factor=0.01,0.6,1,1.4,5 x min_length=5,15,22,30,48"
    assert len(lines) == 2 * len(NAMED_GRIDS)


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
        (["--x", "min_length=5", "--out", ""], "--out DIR is missing"),
        (["--x", "colour=1", "--out", "out"], "'colour' is no setting"),
        (["--x", "min_length=5,48", "--out", "out"], "the cell min_length=48 is not possible"),
        (["--out", "out"], "the grid is missing; give --grid NAME"),
        (["--grid", "everydream", "--out", "out"], "no grid is called 'everydream'; the grids are everydream-beam"),
        (["--grid", "beams", "--x", "seed=1", "--out", "out"], "--grid beams has its own --x and --y"),
        (["--x", "seed=1,2", "--out", "out", "--judge", "wd14"], "--judge has no effect without --score"),
        (["--x", "seed=1,2", "--out", "out", "--colour", "doubt"], "--colour has no effect without --score"),
        (["--x", "seed=1,2", "--out", "out", "--score", "--colour", "taste"], "coloured by 'taste'"),
        (["--x", "seed=1,2", "--out", "out", "--score", "--judge", "me"], "--judge me is no tagger"),
        (["--x", "min_length=5"], "--out"),
        (["--x", "min_length=5", "--out", "out", "--captioner", ""], "no model is on in any cell"),
        (["--x", "captioner=", "--out", "out"], "needs values"),
        (["--x", "captioner=blip-demo,blip-bse", "--out", "out"], "'blip-bse'"),
        (["--x", "min_length=5", "--out", "out", "--device", "tpu"], "--device is 'tpu'"),
        (["--x", "min_length=5", "--out", "out", "--flavors", "3"], "--flavors has no effect without --clip"),
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
