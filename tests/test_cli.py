"""captioner.__main__ and captioner.cli: the command line, from flags to files and exit status."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner import pipeline
from captioner.captions.groups import setting_groups
from captioner.cli.progress import Progress
from captioner.formats.earlier import INDEX_NAME
from captioner.formats.sidecars import WRITERS
from captioner.models import registry
from captioner.models.blip import PRESETS
from captioner.models.blip.settings import Q_FACTOR
from tests.fakes import NEW_FAMILY, POISON, FakeCaptioner, FakeClip, FakeModel, fake_models
from tests.shell import Shell
from tests.zips import own_names

FIELDS = [(group, field) for group in setting_groups() for field in group.fields()]
RED = "a red picture 40 wide under beam 3"
BLUE = "a blue picture 40 wide under beam 3"


# What is printed


def test_captions_are_printed_one_a_line(shell: Shell) -> None:
    shell.picture("b.png", "blue")
    shell.picture("a.png")
    ran = shell.caption(".")
    assert (ran.status, ran.out) == (0, f"a.png: {RED}\nb.png: {BLUE}\n")
    assert ran.summary == "2 captioned, 0 failed"
    assert shell.files() == {}


def test_json_is_one_object_a_line_of_the_promised_shape(shell: Shell) -> None:
    shell.picture("a.png")
    (shell.folder / "b.png").write_bytes(b"")
    ran = shell.caption("a.png", "b.png", "--wd14", "default", "--json")
    assert ran.status == 1
    assert ran.objects == [
        {
            "picture": "a.png",
            "caption": f"{RED}, nami (one piece), red background, long hair, hair",
            "sentence": RED,
            "tags": [
                {"name": "nami_(one_piece)", "score": 0.97, "source": "wd14"},
                {"name": "red_background", "score": 0.9, "source": "wd14"},
                {"name": "long_hair", "score": 0.6, "source": "wd14"},
                {"name": "hair", "score": 0.5, "source": "wd14"},
            ],
            "asked": None,
            "redrawn": 0,
            "glitch": None,
            "error": None,
        },
        {
            "picture": "b.png",
            "caption": None,
            "sentence": None,
            "tags": [],
            "asked": None,
            "redrawn": 0,
            "glitch": None,
            "error": {"code": "empty", "message": "The file is empty (0 bytes); copy or export it again."},
        },
    ]
    assert ran.summary == "1 captioned, 1 failed"


def test_a_long_preparation_is_foretold_with_the_way_around_it(shell: Shell) -> None:
    shell.picture("a.png")
    FakeClip.unprepared = 1000
    ran = shell.caption("a.png", "--clip", "default")
    assert ran.status == 0
    assert (
        "note: fake-clip has 1,000 labels to embed once, about 17 min; Ctrl+C keeps what is done. --published-labels "
        "would download published ones instead (155 MB).\n"
    ) in ran.err
    assert "note:" not in shell.caption("a.png", "--clip", "default").err


def test_nothing_is_prepared_where_every_picture_keeps_its_caption(shell: Shell) -> None:
    shell.picture("a.png")
    (shell.folder / "a.txt").write_text("a caption")
    FakeClip.unprepared = 1000
    ran = shell.caption("a.png", "--clip", "default")
    assert (ran.status, FakeClip.unprepared) == (0, 1000)
    assert "labels to embed" not in ran.err


def test_published_labels_are_fetched_where_they_are_asked_for(shell: Shell) -> None:
    shell.picture("a.png")
    FakeClip.unprepared = 1000
    FakeClip.hub_is_away = True
    ran = shell.caption("a.png", "--clip", "default", "--published-labels")
    assert ran.status == 2
    assert ran.summary == "captioner: the file of label embeddings could not be downloaded from the hub."
    FakeClip.hub_is_away = False
    ran = shell.caption("a.png", "--clip", "default", "--published-labels")
    assert (ran.status, "has no effect" in ran.err) == (0, False)
    ran = shell.caption("a.png", "--clip", "default", "--published-labels")
    assert ran.status == 0
    assert "note: --published-labels has no effect: none are missing that somebody published.\n" in ran.err
    ran = shell.caption("a.png", "--wd14", "default", "--published-labels")
    assert ran.status == 2
    assert "--published-labels has no effect: no model that is on has labels to embed; add --clip default." in ran.err


@pytest.fixture
def own_words(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two labels, and a place of the test's own where such files are kept."""
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(shell.folder / "kept"))
    path = shell.folder / "colours.txt"
    path.write_text("ein Rot\nein Blau\n", encoding="utf-8")
    return path


def test_a_vocabulary_of_ones_own_is_given_as_a_file_or_by_the_name_it_got(shell: Shell, own_words: Path) -> None:
    shell.picture("a.png")
    words = ["a.png", "--clip", "default", "--captioner", "", "--flavors", "0", "--own-labels", "1", "--own-vocabulary"]
    ran = shell.caption(*words, own_words)
    assert (ran.status, ran.out) == (0, "a.png: ein Rot, an icon, cubism, by Ada\n")
    [kept] = (shell.folder / "kept").iterdir()
    own_words.unlink()
    assert shell.caption(*words, kept.stem).out == ran.out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "words.txt is not a file; a vocabulary is a text file with one label a line."),
        ("eins\nfünf\n".encode("latin-1"), "words.txt is not UTF-8 text (line 2); save it as UTF-8."),
        (b"\n \n", "words.txt has no label; write one label a line."),
        (b"a\n" * 1_000_001, "words.txt has 1,000,001 lines; a vocabulary may have 1,000,000. Split it."),
    ],
)
def test_a_vocabulary_that_will_not_do_is_refused_before_a_model_is_loaded(
    shell: Shell, own_words: Path, data: bytes | None, message: str
) -> None:
    shell.picture("a.png")
    if data is not None:
        (shell.folder / "words.txt").write_bytes(data)
    ran = shell.caption("a.png", "--clip", "default", "--own-vocabulary", "words.txt")
    assert (ran.status, ran.err) == (2, f"captioner: {message}\n")
    assert FakeModel.calls == []


def test_one_bad_picture_costs_one_picture(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b.png", POISON)
    (shell.folder / "c.png").write_bytes(b"GIF89a")
    shell.picture("d.png", "blue")
    ran = shell.caption(".", "missing.png", "--out", "out")
    assert ran.status == 1
    assert ran.out == f"a.png: {RED}\nd.png: {BLUE}\n"
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == [
        "b.png",
        "c.png",
        "missing.png",
        "2 captioned, 3 failed",
    ]
    assert shell.files("out") == {"a.txt": RED, "d.txt": BLUE}


@pytest.mark.parametrize("poison", [MemoryError(), RuntimeError("boom"), ValueError("boom")], ids=repr)
@pytest.mark.parametrize("command", ["caption", "sweep"])
def test_whatever_a_model_raises_costs_one_picture(shell: Shell, poison: Exception, command: str) -> None:
    FakeModel.poison = poison
    shell.picture("a.png")
    shell.picture("b.png", POISON)
    shell.picture("d.png", "blue")
    flags = ("--x", "num_beams=2,3") if command == "sweep" else ()
    ran = shell(command, ".", "--out", "out", *flags, "--models", shell.models, "--device", "cpu")
    assert ran.status == 1, ran.err
    assert "2 " in ran.err.splitlines()[-1] and "1 failed" in ran.err.splitlines()[-1]
    assert [name for name in shell.files("out") if name.startswith("b")] == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="such names cannot be there")
def test_names_that_no_terminal_shows_do_no_harm(shell: Shell) -> None:
    picture = shell.picture("a.png")
    raw = os.fsencode(shell.folder) + b"/bad\xff\x1b[2J\n.png"
    picture.rename(os.fsdecode(raw))
    ran = shell.caption(".")
    assert ran.status == 0 and "\x1b" not in ran.out and len(ran.out.splitlines()) == 1
    [shown] = shell.caption(".", "--json").objects
    assert os.fsencode(shown["picture"]) == b"bad\xff\x1b[2J\n.png"


# Which pictures


def test_subfolders_are_looked_into_only_when_asked(shell: Shell) -> None:
    for name in ("set/b.png", "set/sub/a.png", "set/.hidden/c.png", "set/notes.md"):
        shell.picture(name)
    (shell.folder / "set/._b.png").write_bytes(b"what macOS leaves")
    assert [shown["picture"] for shown in shell.caption("set", "--json").objects] == ["set/b.png"]
    ran = shell.caption("set", "--json", "--recursive")
    assert [shown["picture"] for shown in ran.objects] == ["set/b.png", "set/sub/a.png"]


def test_the_same_file_is_captioned_once(shell: Shell) -> None:
    shell.picture("set/a.png")
    ran = shell.caption("set/a.png", "set", "./set/../set/a.png", shell.folder / "set" / "a.png", "--json")
    assert [shown["picture"] for shown in ran.objects] == ["set/a.png"]


def test_links_are_followed_and_a_folder_is_looked_into_once(shell: Shell) -> None:
    shell.picture("elsewhere/a.png")
    (shell.folder / "set").mkdir()
    (shell.folder / "set/link.png").symlink_to("../elsewhere/a.png")
    (shell.folder / "set/loop").symlink_to(".")
    (shell.folder / "set/folder").symlink_to("../elsewhere")
    (shell.folder / "set/broken.png").symlink_to("nowhere")
    ran = shell.caption("set", "--recursive", "--json")
    assert [(shown["picture"], (shown["error"] or {}).get("code")) for shown in ran.objects] == [
        ("set/broken.png", "unreadable"),
        ("set/link.png", None),
        ("set/folder/a.png", None),
    ]
    assert "note: 1 passed over as links to folders that are looked into already: set/loop.\n" in ran.err


def test_a_pipe_is_refused_and_not_waited_for(shell: Shell) -> None:
    os.mkfifo(shell.folder / "a.png")
    [shown] = shell.caption(".", "--json").objects
    assert shown["error"]["code"] == "not_a_file"


def test_a_folder_without_pictures_is_wrong_use(shell: Shell) -> None:
    shell.picture("set/sub/a.png")
    ran = shell.caption("set")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "captioner: set has no pictures in it; --recursive looks into its subfolders too.\n"


def test_a_name_that_cannot_be_is_that_pictures_error(shell: Shell) -> None:
    shell.picture("a.png")
    ran = shell.caption("a.png", "x" * 300, "--out", "out")
    assert (ran.status, ran.summary, shell.files("out")) == (1, "1 captioned, 1 failed", {"a.txt": RED})
    assert "x: The file cannot be read (File name too long)" in ran.err


def test_an_empty_name_is_wrong_use(shell: Shell) -> None:
    shell.picture("a.png")
    ran = shell.caption("")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("captioner: an empty name is no picture;")


# Where captions go


@pytest.mark.parametrize("kind", list(WRITERS))
def test_caption_files_mirror_the_subfolders(shell: Shell, kind: str) -> None:
    shell.picture("set/a.png")
    shell.picture("set/sub/a.png", "blue")
    ran = shell.caption("set", "--recursive", "--out", "deep/out", "--format", kind)
    assert ran.status == 0
    assert shell.files("deep/out") == {f"a.{kind}": RED, f"sub/a.{kind}": BLUE}


def test_a_zip_has_the_same_files(shell: Shell) -> None:
    shell.picture("set/a.png")
    shell.picture("set/sub/a.png", "blue")
    assert shell.caption("set", "--recursive", "--zip", "new/set.zip").status == 0
    with zipfile.ZipFile("new/set.zip") as archive:
        assert {name: archive.read(name).decode() for name in own_names(archive)} == {"a.txt": RED, "sub/a.txt": BLUE}


def test_two_pictures_with_one_stem_both_survive_and_it_is_said(shell: Shell) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    ran = shell.caption(".", "--out", "out")
    assert shell.files("out") == {"a.txt": RED, "a_2.txt": BLUE}
    assert "note: The caption of a.png is in a_2.txt; rename that picture to a_2" in ran.err
    ran = shell.caption(".", "--zip", "set.zip", "--with-pictures")
    assert "note: a.png was exported as a_2.png with a_2.txt." in ran.err
    with zipfile.ZipFile("set.zip") as archive:
        assert own_names(archive) == ["a.jpg", "a.txt", "a_2.png", "a_2.txt"]


def test_pictures_are_never_copied_over_themselves(shell: Shell) -> None:
    shell.picture("set/a.png")
    ran = shell.caption("set", "--out", "set", "--with-pictures")
    assert ran.status == 2 and "name another folder" in ran.err
    assert FakeModel.calls == []


@pytest.mark.parametrize("flag", ["--out", "--zip"])
def test_an_unwritable_target_is_known_before_a_model_runs(shell: Shell, flag: str) -> None:
    shell.picture("a.png")
    (shell.folder / "file").write_text("mine", encoding="utf-8")
    for target in ("file/x", "/proc/x", "x" * 300):
        ran = shell.caption("a.png", flag, target)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith("captioner: ") and ran.err.count("\n") == 1
    assert FakeModel.calls == []
    assert (shell.folder / "file").read_text(encoding="utf-8") == "mine"


def test_a_failing_start_leaves_no_empty_folder(shell: Shell) -> None:
    shell.picture("a.png")
    assert shell.caption("a.png", "--out", "out", "--captioner", "nowhere").status == 2
    assert not (shell.folder / "out").exists()


def test_a_full_disk_stops_the_run_and_keeps_what_is_whole(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        shell.picture(f"{number}.png")
    calls = iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) >= 3:  # the index and two captions
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    ran = shell.caption(".", "--out", "out")
    assert ran.status == 1
    assert "captioner: out/2.txt cannot be written: No space left on device" in ran.err
    assert ran.summary == "2 captioned, 2 failed"
    assert sorted(path.name for path in (shell.folder / "out").iterdir()) == [INDEX_NAME, "0.txt", "1.txt"]
    assert FakeModel.calls == [1, 3]


def interrupt_the_third_copy(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    original, calls = shutil.copyfileobj, iter(range(100))

    def copy(source: Any, target: Any, length: int = 0) -> None:
        if next(calls) == 2:
            target.write(source.read(40))
            raise error
        original(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", copy)


def test_a_zip_that_cannot_take_a_picture_leaves_none(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        shell.picture(f"{number}.png")
    shell.caption("0.png", "--zip", "set.zip")
    old = (shell.folder / "set.zip").read_bytes()
    interrupt_the_third_copy(monkeypatch, OSError(28, "No space left on device"))
    ran = shell.caption(".", "--zip", "set.zip", "--with-pictures")
    assert (ran.status, ran.err.splitlines()) == (
        1,
        [
            "captioner: set.zip cannot be written: No space left on device. Free space or name another place.",
            "0 captioned, 4 failed",
        ],
    )
    assert (shell.folder / "set.zip").read_bytes() == old
    assert not list(shell.folder.rglob("*.part"))


def test_a_disk_that_is_full_when_the_zip_ends_is_said_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.picture("a.png")

    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    ran = shell.caption(".", "--zip", "set.zip")
    assert (ran.status, ran.summary, ran.err.count("No space left")) == (1, "0 captioned, 1 failed", 1)
    assert [path.name for path in shell.folder.iterdir()] == ["a.png"]


def test_ctrl_c_within_a_picture_leaves_a_zip_of_whole_ones(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        shell.picture(f"{number}.png", tuple(range(number, number + 3)))
    interrupt_the_third_copy(monkeypatch, KeyboardInterrupt())
    ran = shell.caption(".", "--zip", "set.zip", "--with-pictures")
    assert (ran.status, ran.summary) == (130, "2 captioned, 0 failed")
    with zipfile.ZipFile("set.zip") as archive:
        assert archive.testzip() is None
        assert own_names(archive) == ["0.png", "0.txt", "1.png", "1.txt"]
        assert archive.read("1.png") == (shell.folder / "1.png").read_bytes()


def test_ctrl_c_before_the_first_caption_leaves_an_older_zip(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.picture("a.png")
    shell.caption("a.png", "--zip", "set.zip")
    old = (shell.folder / "set.zip").read_bytes()

    def caption(self: Any, pictures: Any, settings: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeCaptioner, "caption", caption)
    ran = shell.caption(".", "--zip", "set.zip")
    assert (ran.status, ran.summary) == (130, "0 captioned, 0 failed")
    assert (shell.folder / "set.zip").read_bytes() == old


def test_a_picture_with_the_longest_name_gets_a_caption_that_fits(shell: Shell) -> None:
    shell.picture("x" * 251 + ".png")
    ran = shell.caption(".", "--out", "out", "--format", "caption")
    assert ran.status == 0 and "rename that picture" in ran.err
    [name] = shell.files("out")
    assert len(name) <= 255 and name.endswith("x.caption")


# Existing captions


@pytest.mark.parametrize(
    ("policy", "written"),
    [("ignore", RED), ("keep", "mine"), ("prepend", f"mine, {RED}"), ("append", f"{RED}, mine")],
)
def test_existing_captions_are_ignored_kept_or_joined(shell: Shell, policy: str, written: str) -> None:
    shell.picture("set/a.png")
    (shell.folder / "set/a.caption").write_text("mine\n", encoding="utf-8")
    ran = shell.caption("set", "--out", "out", "--existing", policy)
    assert ran.status == 0
    assert shell.files("out") == {"a.txt": written}
    assert shell.files("set") == {"a.caption": "mine\n"}


def test_keep_is_the_default_runs_no_model_and_says_so(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b.png", "blue")
    (shell.folder / "a.txt").write_text("mine\nsecond line", encoding="utf-8")
    ran = shell.caption(".", "--out", ".")
    assert ran.out == f"a.png: mine second line\nb.png: {BLUE}\n"
    assert shell.files() == {"a.txt": "mine\nsecond line", "b.txt": BLUE}
    assert FakeModel.calls == [1]
    assert "note: 1 picture had a caption and keeps it; --existing ignore makes new ones." in ran.err
    assert ran.summary == "2 captioned, 0 failed"


def test_a_second_run_goes_on_where_the_first_one_stopped(shell: Shell) -> None:
    shell.picture("set/a.png")
    shell.caption("set", "--out", "out")
    shell.picture("set/b.png")
    FakeModel.calls.clear()
    assert shell.caption("set", "--out", "out").summary == "2 captioned, 0 failed"
    assert FakeModel.calls == [1]


def test_an_unreadable_existing_caption_is_that_pictures_error(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b.png")
    (shell.folder / "a.txt").write_bytes("Mädchen".encode("latin-1"))
    ran = shell.caption(".", "--json")
    assert [(shown["error"] or {}).get("code") for shown in ran.objects] == ["bad_caption", None]
    assert shell.caption(".", "--existing", "ignore").status == 0


def test_two_pictures_with_one_stem_have_captions_of_their_own_in_their_own_folder(shell: Shell) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    for _ in range(2):
        assert shell.caption(".", "--out", ".").status == 0
        assert shell.files() == {"a.txt": RED, "a_2.txt": BLUE}
    assert FakeModel.calls == [1, 1]


@pytest.mark.parametrize("policy", ["prepend", "append"])
def test_a_second_run_joins_each_pictures_own_caption(shell: Shell, policy: str) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    shell.caption(".", "--out", ".", "--existing", policy)
    assert shell.files() == {"a.txt": RED, "a_2.txt": BLUE}
    shell.caption(".", "--out", ".", "--existing", policy, "--num-beams", "4")
    red, blue = (text.replace("beam 3", "beam 4") for text in (RED, BLUE))
    joined = {"a.txt": (RED, red), "a_2.txt": (BLUE, blue)}
    assert shell.files() == {
        name: ", ".join(texts if policy == "prepend" else reversed(texts)) for name, texts in joined.items()
    }


# Settings


def test_the_help_names_every_flag_preset_and_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        command_line.main(["caption", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0
    for _, field in FIELDS:
        assert f"{field.flag} " in shown or f"{field.flag}," in shown
        assert " ".join(field.plain_help.rstrip(".").split())[1:] in shown
    for name in (*PRESETS, *(f"--{family}" for family in registry.tag_families()), Q_FACTOR.flag):
        assert name in shown


def test_flags_reach_the_models(shell: Shell) -> None:
    shell.picture("a.png")
    words = ["--num-beams", "7", "--prefix", "ohwx", "--wd14", "default", "--general-threshold", "0.7"]
    words += ["--character-threshold", "1", "--ignore", "*_background", "--no-underscores-to-spaces"]
    assert shell.caption("a.png", *words).out == "a.png: ohwx, a red picture 40 wide under beam 7\n"
    ran = shell.caption("a.png", "--preset", "everydream-nucleus", "--seed", "5", "--q-factor", "20")
    assert ran.out == "a.png: a red picture 40 wide under nucleus seed 5\n"
    assert "note: q_factor 20 was taken as top_p 1" in ran.err
    words = ["--captioner", "", "--clip", "fake-clip", "--flavors", "1", "--mediums", "0"]
    assert shell.caption("a.png", *words).out == "a.png: red tones, cubism, by Ada\n"


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        (["--top-p", "0.5"], ["--top-p 0.5 has no effect under --method beam, only under nucleus."]),
        (
            ["--seed", "5", "--preset", "blip-paper"],
            ["--seed 5 has no effect under --method beam, only under nucleus."],
        ),
        (
            ["--method", "nucleus", "--num-beams", "5", "--top-k", "9"],
            ["--num-beams 5 has no effect under --method nucleus, only under beam."],
        ),
        (
            ["--q-factor", "0.8", "--repetition-penalty", "2"],
            ["--repetition-penalty 2 has no effect: --q-factor 0.8 takes its place."],
        ),
        (
            ["--clip", "default", "--mode", "best", "--no-chain-artist"],
            ["--no-chain-artist has no effect under --mode best, only under chain."],
        ),
        (["--method", "nucleus", "--q-factor", "0.8", "--repetition-penalty", "2", "--seed", "5"], []),
    ],
)
def test_settings_without_effect_are_said_so(shell: Shell, words: list[str], notes: list[str]) -> None:
    shell.picture("a.png")
    ran = shell.caption("a.png", *words)
    assert ran.status == 0
    assert ran.err.splitlines() == [*(f"note: {note}" for note in notes), "1 captioned, 0 failed"]


def test_a_new_family_brings_its_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    with fake_models(tmp_path / "models", NEW_FAMILY) as models:
        words = [str(tmp_path / "a.png"), "--shapes", "default", "--shapes-max-shapes", "2", "--models", models]
        assert command_line.main(["caption", *words, "--device", "cpu"]) == 0
    assert capsys.readouterr().out.endswith(f"{RED}, circle, square\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-beams", "21"], "num_beams is 21; it must be a whole number between 1 and 20."),
        (["--num-beams", "many"], "num_beams is 'many'; it must be a whole number between 1 and 20."),
        (["--num-beams", "2.5"], "num_beams is '2.5'; it must be a whole number between 1 and 20."),
        (["--top-p", "nan"], "top_p is nan; it must be a number between 0.01 and 1."),
        (["--temperature", "inf"], "temperature is inf; it must be a number between 0.1 and 2."),
        (["--length-penalty", "-9"], "length_penalty is -9.0; it must be a number between -3 and 3."),
        (["--method", "greedy"], "method is 'greedy'; it must be one of beam, nucleus."),
        (["--min-length", "30"], "min_length is 30 and max_length is 20; min_length must not be above max_length."),
        (["--preset", "nope"], "no preset is called 'nope'; the presets are " + ", ".join(PRESETS) + "."),
        (["--num-beam", "3"], "--num-beam is not known; did you mean --num-beams?"),
        (["--zzzzz"], "--zzzzz is not known; see python -m captioner caption --help."),
        (["--general-threshold", "0.5"], "--general-threshold has no effect without --wd14; add --wd14 default."),
        (["--captioner", ""], "there is nothing to run: --captioner is empty and no tagger is named."),
        (
            ["--captioner", "", "--wd14", "default", "--seed", "1"],
            "--seed has no effect without --captioner; add --captioner default.",
        ),
        (["--captioner", "", "--wd14", "default", "--q-factor", "1"], "--q-factor has no effect without --captioner"),
        (["--wd14", "clip-v1"], "clip-v1 is a clip model; wd14 takes one of"),
        (["--captioner", "nowhere"], "no blip model is called 'nowhere' and there is no such folder"),
        (["--device", "gpu"], "--device is 'gpu'; it must be auto, cpu, cuda or cuda:N."),
        (["--format", "jason"], "'jason' is no export format; did you mean json?"),
        (["--out", "x", "--zip", "y"], "argument --zip: not allowed with argument --out"),
        (["--out", ""], "--out is empty; give --out DIR, or leave it out"),
        (["--zip", "", "--with-pictures"], "--zip is empty; give --zip FILE, or leave it out"),
        (["--with-pictures"], "--with-pictures needs --out DIR or --zip FILE"),
        (["--existing", "copy"], "existing is 'copy'; it must be one of ignore, keep, prepend, append."),
        (["--q-factor", "0"], "q_factor is 0.0; it must be a number between 0.01 and 10000."),
        (["--replace", "a=b"], "replace has 'a=b'; each entry must read: old tag -> new tag."),
    ],
)
def test_wrong_use_is_one_sentence_and_no_model_runs(shell: Shell, words: list[str], message: str) -> None:
    shell.picture("a.png")
    ran = shell.caption("a.png", "--device", "cpu", *words) if "--device" not in words else None
    if ran is None:
        ran = shell("caption", "a.png", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"captioner: {message}")
    assert ran.err.count("\n") == 1
    assert FakeModel.calls == []


def test_a_missing_model_names_the_demo_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    with fake_models(tmp_path / "models"):
        assert command_line.main(["caption", str(tmp_path / "a.png"), "--captioner", "fake-blip"]) == 2
    assert "--models demo" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["caption"], ["captoin"], ["--zzz"]])
def test_a_command_line_without_sense_is_wrong_use(shell: Shell, words: list[str]) -> None:
    ran = shell(*words)
    assert ran.status == 2 and ran.err.startswith("captioner: ") and ran.err.count("\n") == 1


@pytest.mark.parametrize("words", [["--json", "caption", "P"], ["--json=1", "caption"], ["--json"]])
def test_a_flag_before_the_subcommand_is_told_where_it_goes(shell: Shell, words: list[str]) -> None:
    ran = shell(*words)
    assert ran.status == 2
    assert ran.err == (
        "captioner: --json is too early; flags come after the subcommand: python -m captioner caption --json\n"
    )


def test_other_peoples_warnings_stay_off_stderr(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "warnoptions", [])
    picture = shell.picture("a.png")

    original = FakeCaptioner.caption

    def caption(self: Any, pictures: Any, settings: Any) -> Any:
        warnings.warn("of no interest", stacklevel=1)
        return original(self, pictures, settings)

    monkeypatch.setattr(FakeCaptioner, "caption", caption)
    ran = shell.caption(picture)
    assert ran.status == 0 and ran.err == "1 captioned, 0 failed\n"


# Stopping


def test_ctrl_c_keeps_what_is_done(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        shell.picture(f"{number}.png")
    original = FakeCaptioner.caption

    def caption(self: Any, pictures: Any, settings: Any) -> Any:
        if len(FakeModel.calls) == 2:  # the first picture, and four together
            raise KeyboardInterrupt
        return original(self, pictures, settings)

    monkeypatch.setattr(FakeCaptioner, "caption", caption)
    monkeypatch.setattr(pipeline, "models_at_once", lambda: 1)
    for target in (["--out", "out"], ["--zip", "set.zip"]):
        FakeModel.calls.clear()
        ran = shell.caption(".", *target)
        assert ran.status == 130
        assert "captioner: stopped; 2 pictures were not reached." in ran.err
        assert ran.summary == "5 captioned, 0 failed"
    assert shell.files("out") == {f"{number}.txt": RED for number in range(5)}
    with zipfile.ZipFile("set.zip") as archive:
        assert own_names(archive) == [f"{number}.txt" for number in range(5)]
    assert not list(shell.folder.rglob("*.part"))


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_on_a_terminal_and_cleared() -> None:
    stream = Terminal()
    with Progress(4, "picture", stream=stream) as progress:
        progress.step(2)
        progress.clear()
    assert "[###############...............] 2 of 4 pictures" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_elsewhere_a_short_run_writes_nothing_and_a_long_one_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(100, "picture", stream=stream) as progress:
        for done in range(1, 101):
            now[0] += 1.0
            progress.step(done)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[0] == "10 of 100 pictures, 1 min 30 s left"


def test_pictures_that_keep_their_caption_do_not_hasten_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(10, "picture", stream=stream) as progress:
        for done in (1, 2, 3, 4):
            progress.step(done, quick=done)
        now[0] = 60.0  # the models were loaded
        progress.step(5, quick=4)
        assert "left" not in stream.getvalue()
        now[0] = 62.0
        progress.step(6, quick=4)
    assert "6 of 10 pictures, 8 s left" in stream.getvalue()


def test_pictures_of_the_first_batch_do_not_hasten_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    now = [60.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(24, "picture", stream=stream) as progress:
        for done in range(1, 9):
            progress.step(done)
        assert "left" not in stream.getvalue()
        now[0] = 64.0
        for done in range(9, 17):
            progress.step(done)
    assert "16 of 24 pictures, 4 s left" in stream.getvalue()


# The other subcommand, and whole processes


def test_models_lists_the_registry(shell: Shell) -> None:
    ran = shell("models")
    assert ran.status == 0
    for spec in registry.MODELS:
        assert spec.name in ran.out and spec.licence in ran.out
    assert "1,080 MB   1.0 GiB, 0.5 on a card" in ran.out and "tasks beams draws" in ran.out
    rows = shell("models", "--json").objects
    assert [row["name"] for row in rows] == [spec.name for spec in registry.MODELS]
    assert {"name", "family", "repo", "is_demo", "licence", "download_mb", "is_here"} <= set(rows[0])


def run_process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, check=False, **options)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from captioner.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = ['torch', 'transformers', 'open_clip', 'onnxruntime', 'gradio']\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    for words in (["--help"], ["caption", "--help"]):
        ran = run_process("-c", script, *words)
        assert ran.stdout.strip().splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "captioner", "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1
