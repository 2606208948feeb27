"""The command line with the demo models: what a newcomer tries first, offline."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from captioner import __main__ as command_line
from demo import scenes
from demo.truth import check

SEED = 4_711
COUNT = 12
TRIO = ["--models", "demo", "--device", "cpu", "--clip", "default", "--wd14", "default", "--preset", "blip-paper"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes that no training saw, with truth.jsonl beside them."""
    folder = tmp_path_factory.mktemp("scenes")
    scenes.write_scenes(SEED, COUNT, folder, 256)
    return folder


def objects(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert command_line.main(["caption", *map(str, words), *TRIO, "--json"]) == 0
    shown = capsys.readouterr()
    said = [line for line in shown.err.splitlines() if "pictures" not in line]  # progress, on a slow machine
    made = [json.loads(line) for line in shown.out.splitlines()]
    assert said == [f"{len(made)} captioned, 0 failed"]
    return made


def test_the_trio_says_what_is_in_the_pictures(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["picture"]: row for row in map(json.loads, (drawn / "truth.jsonl").read_text("utf-8").splitlines())}
    shown = objects(capsys, drawn)
    assert [Path(one["picture"]).name for one in shown] == sorted(rows)
    right = tagged = 0
    for one in shown:
        truth = rows[Path(one["picture"]).name]
        right += check(one["sentence"], truth).nouns_and_colours_are_right
        names = {tag["name"] for tag in one["tags"] if tag["source"] == "wd14"}
        tagged += all(thing["noun"] in names for thing in truth["objects"])
        assert {tag["source"] for tag in one["tags"]} == {"clip", "wd14"}
        assert one["caption"].startswith(one["sentence"])
    assert right >= COUNT * 2 // 3
    assert tagged >= COUNT // 2


def test_a_second_run_says_the_same_and_writes_it(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = objects(capsys, drawn, "--out", tmp_path / "out")
    again = objects(capsys, drawn, "--zip", tmp_path / "set.zip")
    assert again == first
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        for one in first:
            name = Path(one["picture"]).with_suffix(".txt").name
            assert archive.read(name).decode() == one["caption"] == (tmp_path / "out" / name).read_text("utf-8")


def test_nucleus_sampling_follows_its_seed(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = sorted(drawn.glob("*.png"))[:3]
    nucleus = ["--method", "nucleus", "--top-p", "0.95"]
    one, same, other = (
        [shown["sentence"] for shown in objects(capsys, *few, *nucleus, "--seed", seed)] for seed in ("1", "1", "2")
    )
    assert one == same != other
