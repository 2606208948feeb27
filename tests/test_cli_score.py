"""`python -m captioner score`: captions beside pictures, the most doubtful first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captioner.__main__ import main
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.shell import Shell

DEMO = ["--models", "demo", "--device", "cpu"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two green hearts with a caption that calls them purple; three yellow moons with a true one; one without."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("hearts", "moons", "bare")):
        draw(scene_from_seed(90_909, number), 256).save(folder / f"{name}.png")
    (folder / "hearts.txt").write_text("zwx, two large purple hearts, on a sandy beach\n", encoding="utf-8")
    (folder / "moons.txt").write_text("three yellow moons\nunder a dark night sky", encoding="utf-8")
    return folder


def test_the_table_begins_with_the_worst_caption_and_marks_its_false_word(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    (photos / "broken.txt").write_text("a cat", encoding="utf-8")
    assert main(["score", str(photos), "--own", "--name", "zwx", *DEMO]) == 1
    captured = capsys.readouterr()
    _, worst, calm = captured.out.splitlines()
    assert worst.split()[0].endswith("%")
    assert "zwx, two large [purple? green " in worst
    assert worst.endswith(", on a sandy beach")
    assert calm.endswith("moons.png: three yellow moons under a dark night sky")
    assert "note: asked: blip-demo." in captured.err
    assert "broken.png: " in captured.err
    assert captured.err.splitlines()[-1] == "2 scored, 1 failed, 1 without a caption"


def test_for_programs_there_is_an_object_a_picture_and_one_of_the_set(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(photos), "--json", "--top", "1", *DEMO, "--wd14", "default", "--clip", "default"]) == 0
    first, over = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert Path(first["picture"]).name == "hearts.png"
    assert "purple" in [one["word"] for one in first["doubtful"]]
    purple = next(word for word in first["score"]["words"] if word["text"] == "purple")
    assert {"captioner", "clip", "change", "picture"} <= {*purple["parts"]}
    assert purple["changed"] == "zwx, two large green hearts, on a sandy beach"
    assert (first["error"], first["tokens"], first["detail"]) == (None, 12, 3)
    assert over["asked"] == ["blip-demo", "clip-demo", "wd14-demo"]
    assert (over["is_calibrated"], over["set"]["captions"]) == (True, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photos"], "none of the pictures has a caption beside it (NAME.txt); there is nothing to score."),
        (["photos", "--top", "0"], "--top is 0; it must be at least 1."),
        (["photos", "--device", "tpu"], "--device is 'tpu'"),
    ],
)
def test_wrong_use_is_one_sentence(shell: Shell, words: list[str], message: str) -> None:
    shell.picture("photos/a.png")
    ran = shell("score", *words, "--models", shell.models)
    assert ran.status == 2
    assert message in ran.err.splitlines()[-1]


def test_a_name_that_is_not_there_is_said_so(shell: Shell) -> None:
    ran = shell("score", "nowhere.png", "--models", shell.models)
    assert ran.status == 1
    assert ran.err.splitlines()[-2:] == [
        "nowhere.png: there is no such file; check the name.",
        "0 scored, 1 failed",
    ]


def test_a_captioner_that_cannot_read_is_said_so(shell: Shell) -> None:
    shell.picture("photos/a.png")
    (shell.folder / "photos/a.txt").write_text("a cat", encoding="utf-8")
    ran = shell("score", "photos", "--models", shell.models, "--device", "cpu")
    assert ran.status == 2
    assert "nobody can judge captions here. fake-blip cannot read captions" in ran.err
