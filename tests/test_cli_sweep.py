"""`python -m captioner sweep`: grids of settings as files, from the command line."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from captioner.__main__ import main
from captioner.contract import inputs
from captioner.formats.earlier import INDEX_NAME
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
        f"cat{more}.{suffix}" for more in ("", "_2") for suffix in ("csv", "html", "json")
    ]
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
