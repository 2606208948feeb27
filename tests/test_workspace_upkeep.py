"""Looking after a workspace: disk use, a check, a backup made while the app goes on, and giving space back."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.__main__ import main
from captioner.errors import StoreError
from captioner.workspace import Workspace, upkeep
from captioner.workspace.database import DATABASE_NAME
from tests.workspace_makers import png


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "vocabularies"))
    return tmp_path / "work"


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace(folder) as opened:
        yield opened


def _two_sets(workspace: Workspace) -> tuple[str, str]:
    """A set of a red and a blue picture, and one of the same red one."""
    first, second = workspace.create_set("first"), workspace.create_set("second")
    for colour in ("red", "blue"):
        workspace.add_picture(first, f"{colour}.png", png(colour))
    picture = workspace.add_picture(second, "red.png", png("red"))
    workspace.save_edit(second, picture.id, "a red picture", 0)
    return first, second


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "pictures").rglob("*") if path.is_file())


def test_disk_use_is_told_set_by_set_while_the_workspace_is_open(workspace: Workspace, folder: Path) -> None:
    first, second = _two_sets(workspace)
    use = upkeep.disk_use(folder)
    red, blue = len(png("red")), len(png("blue"))
    assert [(one.id, one.name, one.pictures) for one in use.sets] == [(first, "first", 2), (second, "second", 1)]
    assert [(one.picture_bytes, one.own_bytes) for one in use.sets] == [(red + blue, blue), (red, 0)]
    assert use.picture_bytes == red + blue
    assert use.database_bytes > 0 and use.thumbnail_bytes > 0


def test_a_backup_is_of_one_moment_and_a_workspace_by_itself(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    _, second = _two_sets(workspace)
    words = tmp_path / "words-1.txt"
    words.write_text("a word\n")
    assert upkeep.backup(folder, tmp_path / "copy.zip", beside=lambda is_used: {"vocabularies/words-1.txt": words}) == 2
    [view] = workspace.views(second)
    workspace.save_edit(second, view.id, "changed after it", view.revision)
    with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
        assert archive.testzip() is None
        assert "vocabularies/words-1.txt" in archive.namelist()
        archive.extractall(tmp_path / "again")
    with Workspace(tmp_path / "again") as again:
        [found] = again.views(second)
        assert found.text == "a red picture"
        assert again.picture_bytes(second, found.id) == png("red")
        assert again.thumbnail_bytes(second, found.id)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("captioner-backup-")] == []


def test_a_file_from_before_zips_could_tell_the_time_is_backed_up_too(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    """As one that was written before a machine knew what day it is."""
    _two_sets(workspace)
    words = tmp_path / "words.txt"
    words.write_text("red\n")
    for path in (words, *_files(folder)):
        os.utime(path, (0, 0))
    assert upkeep.backup(folder, tmp_path / "copy.zip", beside=lambda is_used: {"vocabularies/words.txt": words}) == 2


def test_a_set_that_is_deleted_while_it_is_copied_makes_no_half_backup(
    workspace: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _two_sets(workspace)
    copied, times = upkeep._copied, []

    def copy_then_delete(*given: Any) -> Any:
        digests, extra = copied(*given)
        times.append(len(digests))
        if len(times) == 1:
            workspace.delete_set(first)
        return digests, extra

    monkeypatch.setattr(upkeep, "_copied", copy_then_delete)
    assert upkeep.backup(folder, tmp_path / "copy.zip") == 1
    assert times == [2, 1]


def test_what_is_missing_or_damaged_is_found(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    _two_sets(workspace)
    assert list(upkeep.faults(folder)) == []
    gone, damaged = _files(folder)
    gone.unlink()
    damaged.write_bytes(b"something else")
    assert sorted(upkeep.faults(folder)) == sorted(
        [
            f"the picture file {gone} is missing; put it back from a backup, or add the picture again.",
            f"the picture file {damaged} was damaged; put it back from a backup, or add the picture again.",
        ]
    )
    with pytest.raises(StoreError, match="is missing, so that no whole backup can be made"):
        upkeep.backup(folder, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


def test_what_deleted_sets_leave_is_given_back(workspace: Workspace, folder: Path) -> None:
    set_id = workspace.create_set("large")
    picture = workspace.add_picture(set_id, "a.png", png())
    for number in range(40):
        workspace.save_edit(set_id, picture.id, f"{number} " + "words " * 1500, number, is_autosave=False)
    kept = workspace.create_set("kept")
    with pytest.raises(StoreError, match="already open in another Captioner"):
        upkeep.compact(folder)
    workspace.delete_set(set_id)
    workspace.close()
    before = (folder / DATABASE_NAME).stat().st_size
    assert upkeep.compact(folder).database_bytes > 100_000
    assert (folder / DATABASE_NAME).stat().st_size < before - 100_000
    with Workspace(folder) as again:
        assert again.find_set(kept).name == "kept"


def test_the_command_line_looks_after_a_workspace(
    workspace: Workspace, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = _two_sets(workspace)

    def run(*words: str) -> tuple[int, str]:
        status = main(["workspace", *words, "--workspace", str(folder)])
        captured = capsys.readouterr()
        return status, captured.out or captured.err

    status, out = run("info")
    assert status == 0 and f"{first}  first: 2 pictures" in out
    assert json.loads(run("info", "--json")[1].splitlines()[0])["set"] == first
    assert run("check") == (0, f"{folder}: all is whole.\n")
    target = tmp_path / "copy.zip"
    assert run("backup", str(target))[0] == 0
    status, out = run("backup", str(target))
    assert status == 2 and "is there already; add --overwrite" in out
    assert run("backup", str(target), "--overwrite")[0] == 0
    assert run("backup") == (2, "captioner: backup needs the FILE to write.\n")
    assert run("info", "extra.zip") == (2, "captioner: info takes no FILE.\n")
    status, out = run("compact")
    assert status == 2 and "already open in another Captioner" in out
    _files(folder)[0].unlink()
    status, out = run("check")
    assert status == 1 and "is missing" in out
    assert main(["workspace", "info", "--workspace", str(tmp_path / "nothing")]) == 2
    assert "there is no workspace in" in capsys.readouterr().err


def test_empty_deletes_the_bin_and_removed_pictures_at_once_and_says_what_became_free(
    workspace: Workspace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = _two_sets(workspace)
    workspace.remove_pictures(first, [one.id for one in workspace.pictures(first)])
    workspace.bin.put(second)
    workspace.close()
    status = main(["workspace", "empty", "--workspace", str(folder), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 0 and (told["sets"], told["set_pictures"], told["removed_pictures"]) == (1, 1, 2)
    assert told["file_bytes"] > len(png("red")) + len(png("blue")) and _files(folder) == []
    assert told["freed_bytes"] == told["file_bytes"] + told["database_bytes"]
    assert [one.id for one in upkeep.disk_use(folder).sets] == [first]
