"""`caption --format TRAINER`: a whole set in a zip or a folder, or nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from captioner import pipeline
from captioner.formats import set_folder, targets
from captioner.formats.trainers.registry import TARGETS
from tests.fakes import FakeModel
from tests.shell import Shell
from tests.trainer_readers import SET_READERS

RED = "a red picture 40 wide under beam 3"
BLUE = "a blue picture 40 wide under beam 3"


def left(folder: Path) -> list[str]:
    """Everything in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", SET_READERS)
def test_a_format_alone_makes_a_complete_set(shell: Shell, name: str) -> None:
    picture = shell.picture("photos/a.png")
    (shell.folder / "photos/a.caption").write_text("one, two")
    shell.picture("photos/b.png", "blue")
    ran = shell.caption("photos", "--format", name, "--out", "my set")
    assert ran.status == 0, ran.err
    read = dict(sorted(SET_READERS[name](shell.folder / "my set").items(), key=lambda found: found[1] == BLUE))
    texts = ["one,  two" if name == "ai-toolkit" else "one, two", BLUE]
    assert list(read.values()) == texts
    if name != "webdataset":
        assert (shell.folder / "my set" / next(iter(read))).read_bytes() == picture.read_bytes()
    assert (shell.folder / "my set/START.txt").is_file() == TARGETS[name].is_trainer
    zipped = [shell.caption("photos", "--format", name, "--zip", f"{number}/set.zip") for number in (1, 2)]
    assert [run.status for run in zipped] == [0, 0]
    assert (shell.folder / "1/set.zip").read_bytes() == (shell.folder / "2/set.zip").read_bytes()


def test_flags_fill_the_config(shell: Shell) -> None:
    shell.picture("photos/a.png")
    flags = ["--base-model", "sd15", "--repeats", "7", "--set-folder", "/data/cats"]
    ran = shell.caption("photos", "--format", "Kohya_SS", "--zip", "set.zip", *flags)
    assert (ran.status, ran.out) == (0, f"photos/a.png: {RED}\n")
    assert "1 captioned, 0 failed, written to set.zip\n" in ran.err
    with zipfile.ZipFile(shell.folder / "set.zip") as archive:
        config = archive.read("set/dataset.toml").decode()
        start = archive.read("set/START.txt").decode()
        assert archive.namelist()[:2] == ["set/img/7_set/a.png", "set/img/7_set/a.txt"]
    assert 'image_dir = "/data/cats/img/7_set"\nnum_repeats = 7\n' in config and "resolution = 512" in config
    assert "train_network.py" in start and "to train SD 1.5" in start and "FIRST" not in start


@pytest.mark.parametrize(("model", "count", "said"), [("sdxl", 40, False), ("sdxl", 80, True), ("flux1", 80, False)])
def test_start_speaks_of_the_token_limit_where_a_caption_is_over_it(
    shell: Shell, model: str, count: int, said: bool
) -> None:
    shell.picture("photos/a.png")
    words = " ".join(["cat"] * count)
    ran = shell.caption("photos", "--format", "kohya", "--base-model", model, "--prefix", words, "--out", "set")
    assert ran.status == 0, ran.err
    start = (shell.folder / "set/START.txt").read_text()
    assert ("raise the limit with --max_token_length 150 or 225" in start) == said


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--format", "kohia", "--zip", "s.zip"], "'kohia' is no export format; did you mean kohya?"),
        (["--format", "kohya"], "--format kohya makes a whole set; add --zip FILE or --out DIR."),
        (["--format", "kohya", "--beside"], "--format kohya makes a whole set; add --zip FILE or --out DIR."),
        (["--repeats", "2", "--zip", "s.zip"], "--repeats needs --format with a trainer's name, such as kohya."),
        (
            ["--format", "kohya", "--zip", "s.zip", "--trigger-word", "sks"],
            "--trigger-word has no effect with --format kohya. --prefix puts a word before every caption.",
        ),
        (
            ["--format", "filename", "--zip", "s.zip", "--no-with-pictures"],
            "--with-pictures has no effect with --format filename.",
        ),
        (
            ["--format", "musubi", "--zip", "s.zip", "--base-model", "sdxl"],
            "musubi-tuner does not train SDXL; it trains qwen-image, other.",
        ),
        (["--format", "kohya", "--zip", "s.zip", "--base-model", "sd9"], "base_model is 'sd9'; it must be one of"),
        (["--format", "musubi", "--out", "set [1]"], "has [ in it, and musubi-tuner looks for its cache by a pattern"),
        (["--format", "kohya", "--out", "photos"], "some of the pictures are in photos; name another folder"),
        (["--format", "kohya", "--out", "."], "some of the pictures are in .; name another folder"),
        (["--format", "kohya", "--out", "full"], "full has files in it; name a new folder, or give --overwrite"),
        (["--format", "kohya", "--out", "full/x"], "x cannot be a folder, since a file of that name is there"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_no_model_runs(shell: Shell, flags: list[str], sentence: str) -> None:
    shell.picture("photos/a.png")
    (shell.folder / "full").mkdir()
    (shell.folder / "full/x").write_text("mine")
    before = left(shell.folder)
    FakeModel.calls.clear()
    ran = shell.caption("photos", *flags)
    assert (ran.status, ran.out) == (2, "")
    assert sentence in ran.err and len(ran.err.splitlines()) == 1
    assert FakeModel.calls == [] and left(shell.folder) == before


def test_overwrite_keeps_the_folder_that_was_there(shell: Shell) -> None:
    shell.picture("photos/a.png")
    (shell.folder / "set").mkdir()
    (shell.folder / "set/mine.txt").write_text("mine")
    ran = shell.caption("photos", "--format", "kohya", "--out", "set", "--overwrite")
    assert ran.status == 0
    assert (shell.folder / "set.bak/mine.txt").read_text() == "mine"
    assert left(shell.folder / "set") == ["START.txt", "captioner-recipe.json", "dataset.toml", "img"]


@pytest.mark.parametrize("where", [["--out", "set"], ["--zip", "set.zip"]])
@pytest.mark.parametrize("name", ["kohya", "webdataset", "diffusers"])
def test_a_full_disk_leaves_nothing_under_the_name(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, where: list[str], name: str
) -> None:
    shell.picture("photos/a.png")
    shell.picture("photos/b.png", "blue")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = left(shell.folder)
    monkeypatch.setattr(targets.ZipTarget, "write", _explained(full))
    monkeypatch.setattr(set_folder.FolderTarget, "write", _explained(full))
    ran = shell.caption("photos", "--format", name, *where)
    assert ran.status != 0
    assert "No space left on device. Free space or name another place." in ran.err
    assert left(shell.folder) == before
    assert ran.summary == "0 captioned, 2 failed"


def _explained(fail: object) -> object:
    def write(self: targets.ZipTarget, *_: object) -> None:
        with targets.explained(self.path):
            fail()  # type: ignore[operator]

    return write


def test_a_picture_that_cannot_be_opened_is_left_out_of_the_set(shell: Shell) -> None:
    shell.picture("photos/10_x/a.png")
    (shell.folder / "photos/b.png").write_bytes(b"no picture")
    ran = shell.caption("photos", "--recursive", "--format", "kohya", "--out", "set")
    assert ran.status == 1
    assert list(SET_READERS["kohya"](shell.folder / "set")) == ["img/10_x/a.png"]  # no folder that is not there


def test_ctrl_c_leaves_a_whole_set_of_what_is_done(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.picture("photos/a.png")
    shell.picture("photos/b.png")
    caption = pipeline.caption_pictures

    def stopped(*arguments: object, **keywords: object) -> object:
        yield next(iter(caption(*arguments, **keywords)))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "caption_pictures", stopped)
    assert shell.caption("photos", "--format", "kohya", "--out", "set").status == 130
    assert SET_READERS["kohya"](shell.folder / "set") == {"img/1_set/a.png": RED}


def test_help_names_every_target(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        shell("caption", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    for name in (*TARGETS, "--base-model sdxl|sd15", "--repeats N", "--trigger-word TEXT", "--set-folder TEXT"):
        assert name in shown


@pytest.mark.parametrize("where", [["--out", "set"], ["--zip", "set.zip"]])
def test_a_set_of_no_picture_is_not_made(shell: Shell, where: list[str]) -> None:
    (shell.folder / "photos").mkdir()
    (shell.folder / "photos/b.png").write_bytes(b"no picture")
    before = left(shell.folder)
    ran = shell.caption("photos", "--format", "kohya", *where)
    assert (ran.status, ran.summary) == (1, "0 captioned, 1 failed")
    assert "no picture has a caption to leave with, so no set was made." in ran.err
    assert left(shell.folder) == before
