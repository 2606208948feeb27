"""Temporary files: ours go when they are old or their process is gone, others' stay."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from captioner import temporary

LONG_AGO = time.time() - 100_000


@pytest.fixture
def base(tmp_path, monkeypatch):
    """The system's temporary folder, for one test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(path):
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def test_the_folder_is_gone_afterwards_and_holds_python_s_own_temporary_files(base):
    with temporary.folder() as files:
        assert files.is_dir() and base in files.parents
        with tempfile.NamedTemporaryFile() as file:
            assert files.parent in Path(file.name).parents
    assert list(base.iterdir()) == []
    assert tempfile.gettempdir() == str(base)


def test_the_folder_of_a_killed_process_goes_and_that_of_a_running_one_stays(base):
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]; from captioner import temporary\n"
        "with temporary.folder() as files: (files / 'x').write_text('x'); print(files.parent, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        left = Path(child.stdout.readline().strip())
        age(left / temporary.LOCK_NAME)
        temporary.remove_left()
        assert (left / "files" / "x").exists()
        child.send_signal(signal.SIGKILL)
        child.wait()
    age(left / temporary.LOCK_NAME)
    temporary.remove_left()
    assert not left.exists()


def test_what_is_not_provably_ours_stays(base):
    (base / "captioner-without-lock").mkdir()
    (base / "captioner-file").write_text("theirs")
    workspace = base / "captioner-work"
    workspace.mkdir()
    (workspace / "workspace.lock").touch()
    age(workspace / "workspace.lock")
    fresh = base / "captioner-fresh"
    fresh.mkdir()
    (fresh / temporary.LOCK_NAME).touch()
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / temporary.LOCK_NAME).touch()
    age(elsewhere / temporary.LOCK_NAME)
    (base / "captioner-link").symlink_to(elsewhere)
    before = sorted(base.rglob("*"))
    temporary.remove_left()
    assert sorted(base.rglob("*")) == before


def test_old_uploads_and_exports_go_while_the_app_runs(base, monkeypatch):
    monkeypatch.setattr(temporary, "LOOK_EVERY_S", 0.02)
    with temporary.folder() as files:
        for name in ("export-old", "half-an-upload", "export-new"):
            (files / name).mkdir()
            (files / name / "set.zip").write_text("x")
        for name in ("export-old", "half-an-upload"):
            age(files / name / "set.zip")
        deadline = time.monotonic() + 20
        while (files / "export-old" / "set.zip").exists() or (files / "half-an-upload" / "set.zip").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (files / "export-new" / "set.zip").exists()


def test_a_folder_goes_when_it_is_old_and_empty(base):
    (base / "a" / "b").mkdir(parents=True)
    (base / "c").mkdir()
    age(base / "a" / "b")
    temporary.remove_old(base)
    assert not (base / "a" / "b").exists()
    assert (base / "c").exists()
