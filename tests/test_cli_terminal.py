"""What the command line lets a terminal see of names that somebody else gave."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.__main__ import main
from captioner.cli.progress import Progress
from captioner.cli.terminal import note, printable, quiet, say, say_json
from tests.fakes import fake_models
from tests.shell import Ran, Shell
from tests.test_cli_sweep import sweep_words
from tests.tiny_models import save_tiny_blip

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\r\nnote: all good\u2028\u202e"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its file names hold no control characters")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with fake_models(tmp_path / "models") as models:
        yield Shell(folder, models, capsys)


def assert_harmless(ran: Ran) -> None:
    for line in (*ran.out.split("\n"), *ran.err.split("\n")):
        assert line.isprintable(), line
        assert not line.startswith("note: all good"), "a name has begun a line"


@pytest.mark.parametrize(
    "more", [(), ("--json",), ("--out", "out"), ("--wd14", "default", "--out", "out", "--with-pictures")]
)
def test_a_hostile_name_moves_no_cursor_and_begins_no_line(shell: Shell, more: tuple[str, ...]) -> None:
    shell.picture(f"{HOSTILE}.png")
    shell.picture(f"{HOSTILE}a:b.png")
    shell.picture("twin.png")
    (shell.folder / f"{HOSTILE} broken.png").write_bytes(b"no picture")
    (shell.folder / "twin.webp").write_bytes(b"no picture")
    ran = shell.caption(".", *more)
    assert ran.status == 1
    assert ran.summary == "3 captioned, 2 failed"
    assert_harmless(ran)
    if more == ("--json",):
        assert {Path(one["picture"]).name for one in ran.objects} >= {f"{HOSTILE}.png", f"{HOSTILE} broken.png"}


@pytest.mark.parametrize(
    "words",
    [
        (f"{HOSTILE}.png",),
        (f"{HOSTILE}",),
        ("a.png", "--captioner", HOSTILE),
        ("a.png", "--clip", HOSTILE),
        ("a.png", "--preset", HOSTILE),
        ("a.png", f"--{HOSTILE}"),
        ("a.png", "--num-beams", HOSTILE),
        ("a.png", "--seed", "9" * 400),
        ("a.png", "--num-beams", "9" * 5_000),
        ("a.png", "--q-factor", "9" * 400),
        ("a.png", "--prefix", "half \ud83d"),
        ("a.png", "--source-order", HOSTILE),
        ("a.png", "--replace", HOSTILE),
        ("a.png", "--out", f"{HOSTILE}\0"),
        ("a.png", "--format", HOSTILE),
    ],
)
def test_a_hostile_word_of_the_command_line_is_refused_in_harmless_words(shell: Shell, words: tuple[str, ...]) -> None:
    shell.picture("a.png")
    ran = shell.caption(*words)
    assert ran.status in (1, 2)
    assert ran.err
    assert_harmless(ran)


def test_an_empty_folder_s_hostile_name_is_refused_in_harmless_words(shell: Shell) -> None:
    (shell.folder / HOSTILE).mkdir()
    for words in (
        ("caption", HOSTILE),
        ("sweep", HOSTILE, "--x", "num_beams=1", "--out", "out"),
        ("sweep", ".", "--x", "num_beams=1", "--out", "out", "--device", HOSTILE),
        (HOSTILE,),
        ("models", HOSTILE),
    ):
        ran = shell(*words)
        assert ran.status == 2
        assert_harmless(ran)


def test_a_sweep_goes_on_over_names_that_are_hostile_or_no_utf_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = str(save_tiny_blip(tmp_path / "models" / "tiny"))
    odd = b"\xff\xfe.png".decode(errors="surrogateescape")
    command, *words = sweep_words(tiny, tmp_path, odd, f"{HOSTILE}.png", "=cmd()|x.png")
    (tmp_path / f"{HOSTILE} broken.png").write_bytes(b"no picture")
    status = main([command, str(tmp_path / f"{HOSTILE} broken.png"), *words])
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == "3 swept, 1 failed"
    assert_harmless(Ran(status, captured.out, captured.err))
    values = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "out").glob("[!.]*.json")]
    assert {value["pictures"][0]["picture"] for value in values} == {
        "\\udcff\\udcfe.png",
        f"{HOSTILE}.png",
        "=cmd()|x.png",
    }
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").glob("*.csv")]
    assert sum("'=cmd()|x.png" in text for text in texts) == 2, "its own and the one of all pictures"
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").glob("*.html")]
    assert sum("\\udcff\\udcfe.png" in page for page in pages) == 2


def test_everything_printed_is_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    note(HOSTILE)
    say_json({HOSTILE: HOSTILE})
    captured = capsys.readouterr()
    assert_harmless(Ran(0, captured.out, captured.err))
    first, second = captured.out.splitlines()
    assert first == captured.err.strip() == printable(HOSTILE)
    assert json.loads(second) == {HOSTILE: HOSTILE}


def test_a_progress_bar_is_named_harmlessly() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    with Progress(3, HOSTILE, HOSTILE, stream=stream) as progress:
        progress.step(1)
    drawn = stream.getvalue().replace("\r\x1b[2K", "")
    assert drawn.isprintable()


def test_what_is_logged_is_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        assert logging.lastResort is not None
        record = logging.LogRecord("captioner", logging.WARNING, "", 0, "%s is not used", (HOSTILE,), None)
        logging.lastResort.handle(record)
    captured = capsys.readouterr()
    assert "is not used" in captured.err
    assert "\x1b" not in captured.err and "\x9b" not in captured.err and "\r" not in captured.err
