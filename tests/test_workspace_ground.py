"""The database's files taken away under a running workspace: what was acknowledged is there after a restart."""

import contextlib
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from captioner.errors import StoreError
from captioner.workspace import Workspace
from tests.workspace_makers import filled

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows does not let go of an open file's name")
FILES = ("captions.sqlite", "captions.sqlite-wal", "captions.sqlite-shm")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "work"


def texts(workspace, set_id):
    return [view.text for view in workspace.views(set_id)]


def backed_up(folder, tmp_path):
    """A copy of the database as a backup program makes one."""
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as source:
        with contextlib.closing(sqlite3.connect(tmp_path / "backup.sqlite")) as target:
            source.backup(target)
    return tmp_path / "backup.sqlite"


@pytest.mark.parametrize(
    "gone", [FILES, FILES[:1], FILES[1:2], FILES[2:], FILES[1:]], ids=["all", "database", "wal", "shm", "logs"]
)
@pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
def test_deleted_files_are_written_again_with_all_that_was_acknowledged(folder, tmp_path, gone, is_killed):
    workspace = Workspace(folder)
    set_id, ids = filled(workspace, 3)
    workspace.save_edit(set_id, ids[0], "before", 0)
    for name in gone:
        (folder / name).unlink()
    assert workspace.save_edit(set_id, ids[1], "after", 0).ok
    assert texts(workspace, set_id) == ["before", "after", None]
    assert "another program deleted" in workspace.notices[0] and "it was written again" in workspace.notices[0]
    assert workspace.save_edit(set_id, ids[2], "goes on", 0).ok
    assert len(workspace.notices) == 1
    if is_killed:  # what is on the disk now, with the lock let go
        shutil.copytree(folder, tmp_path / "left")
        folder = tmp_path / "left"
    workspace.close()
    with Workspace(folder) as again:
        assert texts(again, set_id) == ["before", "after", "goes on"]
        assert again.notices == ()
        while again.undo(set_id):
            pass
        assert texts(again, set_id) == [None] * 3


@pytest.mark.parametrize("with_logs", [False, True])
def test_a_file_that_was_put_in_its_place_stays_and_saves_go_on_beside_it(folder, tmp_path, with_logs):
    workspace = Workspace(folder)
    set_id, ids = filled(workspace, 3)
    backup = backed_up(folder, tmp_path)
    workspace.save_edit(set_id, ids[0], "before", 0)
    backup.replace(folder / "captions.sqlite")
    if with_logs:
        (folder / "captions.sqlite-wal").unlink()
        (folder / "captions.sqlite-wal").write_bytes(b"theirs")
    assert workspace.save_edit(set_id, ids[1], "after", 0).ok
    assert workspace.save_edit(set_id, ids[2], "goes on", 0).ok
    [rescue] = folder.glob("captions.rescue-*.sqlite")
    assert "put something else in place of" in workspace.notices[0] and str(rescue) in workspace.notices[0]
    workspace.close()
    if with_logs:  # a log that is not ours is not ours to delete
        assert (folder / "captions.sqlite-wal").read_bytes() == b"theirs"
        (folder / "captions.sqlite-wal").unlink()
    with Workspace(folder) as again:
        assert texts(again, set_id) == [None] * 3  # the file that was put there, as it was
        assert f"{rescue} holds what was saved" in again.notices[0]
        assert "move captions.sqlite away, and rename" in again.notices[0]
    (folder / "captions.sqlite").unlink()
    rescue.rename(folder / "captions.sqlite")
    with Workspace(folder) as again:
        assert texts(again, set_id) == ["before", "after", "goes on"]
        assert again.notices == ()


def test_a_rescue_file_of_a_killed_process_is_whole_and_taken_where_there_is_no_other(folder, tmp_path):
    workspace = Workspace(folder)
    set_id, ids = filled(workspace, 2)
    backed_up(folder, tmp_path).replace(folder / "captions.sqlite")
    workspace.save_edit(set_id, ids[0], "after", 0)
    shutil.copytree(folder, tmp_path / "left")
    workspace.close()
    (tmp_path / "left" / "captions.sqlite").unlink()
    with Workspace(tmp_path / "left") as again:
        assert texts(again, set_id) == ["after", None]
        assert list((tmp_path / "left").glob("captions.rescue-*")) == []


def test_reading_notices_it_too_and_never_reads_the_other_file(folder, tmp_path):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 1)
        backup = backed_up(folder, tmp_path)
        workspace.save_edit(set_id, ids[0], "mine", 0)
        backup.replace(folder / "captions.sqlite")
        assert texts(workspace, set_id) == ["mine"]
        assert workspace.notices


@pytest.mark.parametrize("is_in_memory", [False, True])
def test_a_backup_that_is_copied_over_the_open_file_is_told_and_not_written_into(folder, tmp_path, is_in_memory):
    workspace = Workspace(folder)
    set_id, ids = filled(workspace, 30)
    backup = backed_up(folder, tmp_path)
    workspace.apply_edits(set_id, dict.fromkeys(ids, "text " * 1_900), "Fill")
    writer = workspace._database._writer
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if not is_in_memory:
        writer.execute("PRAGMA shrink_memory")
    workspace.save_edit(set_id, ids[0], "in the log", 1)
    (folder / "captions.sqlite").write_bytes(backup.read_bytes())
    os.utime(folder / "captions.sqlite", (2_000_000_000, 2_000_000_000))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"another program wrote into .*: nothing more is saved.*rescue") as caught:
            workspace.save_edit(set_id, ids[1], "after", 1)
        assert caught.value.code == "moved"
    with pytest.raises(StoreError, match="nothing more is saved"):
        workspace.views(set_id)
    workspace.close()
    shutil.copytree(folder, tmp_path / "left")  # another process; this one still has the old file open
    with Workspace(tmp_path / "left") as again:
        assert texts(again, set_id) == [None] * 30  # the backup, whole
        assert "holds what was saved" in again.notices[0]


def test_a_file_that_is_only_touched_by_our_own_writes_is_ours(folder):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 20)
        for revision in range(30):  # the log is worked into the file again and again
            workspace.apply_edits(set_id, dict.fromkeys(ids, f"{revision} " * 3_000), "Fill")
        assert workspace.notices == ()
    assert sorted(path.name for path in folder.glob("captions*")) == ["captions.sqlite"]


def test_a_file_system_whose_clock_is_another_one_is_no_other_program(folder, monkeypatch):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 20)
        monkeypatch.setattr("captioner.workspace.ground.time.time", lambda: 1_000.0)
        for revision in range(20):
            workspace.apply_edits(set_id, dict.fromkeys(ids, f"{revision} " * 3_000), "Fill")
            workspace.views(set_id)
        assert workspace.notices == ()


def test_a_damaged_rescue_file_keeps_nobody_from_starting(folder):
    Workspace(folder).close()
    (folder / "captions.rescue-2026-01-01-000000.sqlite").write_bytes(b"half" * 1_000)
    with Workspace(folder) as workspace:
        assert "captions.rescue-2026-01-01-000000.sqlite holds what was saved" in workspace.notices[0]


def test_a_workspace_folder_that_is_gone_is_said_and_work_goes_on_when_it_is_back(folder, tmp_path):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 2)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(
            StoreError, match=r"the workspace folder .* is gone: nothing can be saved; put it"
        ) as caught:
            workspace.save_edit(set_id, ids[0], "lost", 0)
        assert caught.value.code == "moved"
        (tmp_path / "elsewhere").rename(folder)
        assert workspace.save_edit(set_id, ids[0], "kept", 0).ok
        assert texts(workspace, set_id) == ["kept", None]


def test_many_threads_settle_on_one_file(folder, tmp_path):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 8)
        backup = backed_up(folder, tmp_path)

        def work(picture_id):
            for revision in range(20):
                assert workspace.save_edit(set_id, picture_id, f"{revision}", revision).ok
                workspace.views(set_id)

        with ThreadPoolExecutor(len(ids)) as pool:
            done = [pool.submit(work, picture_id) for picture_id in ids]
            backup.replace(folder / "captions.sqlite")
        for future in done:
            future.result()
        assert texts(workspace, set_id) == ["19"] * 8
    assert len(list(folder.glob("captions.rescue-*.sqlite"))) == 1
