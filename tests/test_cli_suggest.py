"""`python -m captioner suggest`: settings that promise clearly more for a folder's pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captioner.__main__ import main
from demo.drawing import draw
from demo.scenes import scene_from_seed

DEMO = ["--models", "demo", "--device", "cpu"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(11):
        draw(scene_from_seed(4, number)).save(folder / f"{number:02}.png")
    return folder


def test_settings_are_listed_with_what_they_promise_and_proposals_as_flags(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    assert main(["suggest", str(photos), "--preset", "blip-paper", *DEMO]) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["true", "false,", "at", "least", "gain", "settings"]
    assert lines[1].endswith("  as now")
    assert "clearly better" in captured.out
    assert any(line.startswith("  --method beam --num-beams ") for line in lines)
    assert "note: Clearly better is a gain in true words of more than twice its error" in captured.err
    assert "broken.png: " in captured.err
    assert captured.err.splitlines()[-1] == "11 pictures tried, 1 failed"


def test_for_programs_there_is_one_object_of_a_sample(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suggest", str(photos), "--pictures", "2", "--json", *DEMO]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pictures"], len(found["dots"]), found["proposals"]) == (2, 22, [])
    assert found["fitted"]["examples"] or found["fitted"]["differing"] == 0
    assert any("fewer than 10" in caution for caution in found["cautions"])


def test_wrong_use_is_said(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suggest", str(photos), "--pictures", "few", *DEMO]) == 2
    assert "--pictures is 'few'; it must be a number from 1 on, or all." in capsys.readouterr().err
    assert main(["suggest", str(photos), "--captioner", "", "--wd14", "wd14-demo", *DEMO]) == 2
    assert "no captioner is on" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["suggest", str(empty), *DEMO]) == 2
    assert "empty has no pictures in it" in capsys.readouterr().err
