"""The file below the workspace: how it is opened, migrated and held, and what happens when file or disk fail."""

import contextlib
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from captioner.errors import StoreError
from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from captioner.workspace.schema import APPLICATION_ID, SCHEMA_VERSION, migrate, schema_version
from tests.workspace_makers import filled, png, said

VERSION_2 = Path(__file__).with_name("workspace_version_2.sql")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "work"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("captions.sqlite")}


def limit(workspace, extra_pages):
    """Make the disk full for the database, as SQLite itself reports it, after so many more pages."""
    writer = workspace._database._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + extra_pages}")


# Durability


def test_every_connection_waits_for_the_disk(folder):
    with Workspace(folder) as workspace:
        with workspace._database.write() as writer, workspace._database.read() as reader:
            for connection in (writer, reader):
                assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
                assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
                assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
                assert connection.execute("PRAGMA fullfsync").fetchone()[0] == 1
            assert reader.execute("PRAGMA query_only").fetchone()[0] == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells a descriptor's file by /proc")
def test_a_picture_is_synced_before_its_row_is_written(folder, monkeypatch):
    with Workspace(folder) as workspace:
        set_id = workspace.create_set()
        synced = []
        really = os.fsync

        def watched(descriptor):
            synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            assert workspace.views(set_id) == ()
            really(descriptor)

        monkeypatch.setattr(os, "fsync", watched)
        picture = workspace.add_picture(set_id, "a.png", png())
        monkeypatch.undo()
    pictures = folder / "pictures"
    assert any(name.startswith(str(pictures / picture.digest[:2] / picture.digest)) for name in synced)
    assert {str(folder), str(pictures), str(pictures / picture.digest[:2])} <= set(synced)


def test_the_folder_is_for_its_owner_only(folder):
    with Workspace(folder):
        assert folder.stat().st_mode & 0o077 == 0


# One process at a time


def test_a_second_opening_is_refused_and_names_the_folder(folder):
    with Workspace(folder):
        with pytest.raises(StoreError, match=f"{folder} is already open in another Captioner .process {os.getpid()}"):
            Workspace(folder)
    Workspace(folder).close()


def test_a_killed_process_lets_the_folder_go(folder):
    code = (
        "import sys; from captioner.workspace import Workspace;"
        " workspace = Workspace(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline().strip() == b"open"
        with pytest.raises(StoreError, match=f"already open in another Captioner .process {child.pid}.; close that"):
            Workspace(folder)
        child.send_signal(signal.SIGKILL)
        child.wait()
    Workspace(folder).close()


def test_a_failed_opening_lets_the_folder_go(folder):
    folder.mkdir()
    (folder / "captions.sqlite").write_bytes(b"x" * 5000)
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            Workspace(folder)


# Versions


def make_version_1(folder):
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        migrate(db, upto=1)
        db.execute("INSERT INTO sets (key, id, name, created_at, changed_at) VALUES (1, 'old', 'my dogs', 1, 2)")
        db.execute(
            "INSERT INTO pictures (set_key, id, name, digest, width, height, notes, added_at, text, revision, version)"
            " VALUES (1, 'p', 'a.png', 'd', 3, 4, '[\"rotated by EXIF\"]', 1, 'an old edit', 5, 0)"
        )


def test_a_file_of_version_1_is_migrated_with_everything_in_it(folder):
    make_version_1(folder)
    with Workspace(folder) as workspace:
        view = workspace.view("old", "p")
        assert (view.text, view.revision, view.notes) == ("an old edit", 5, ("rotated by EXIF",))
        assert workspace.history("old") == ()
        workspace.save_edit("old", "p", "a new edit", 5)
        workspace.undo("old")
        assert workspace.view("old", "p").text == "an old edit"
        with workspace._database.read() as db:
            assert schema_version(db) == SCHEMA_VERSION


def test_a_migration_leaves_a_copy_of_the_old_file(folder):
    make_version_1(folder)
    Workspace(folder).close()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite.version-1")) as copy:
        assert schema_version(copy) == 1
        assert copy.execute("SELECT text FROM pictures").fetchall() == [("an old edit",)]
    assert not (folder / "captions.sqlite.version-1.new").exists()


@pytest.fixture
def version_2(folder):
    """A workspace as the version before checksums left it, with something of everything."""
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSION_2.read_text())
    return folder, "set-of-version-2-aaaaa"


def test_a_file_of_version_2_opens_unchanged(version_2):
    folder, set_id = version_2
    with Workspace(folder) as workspace:
        found = workspace.find_set(set_id)
        assert (found.name, found.picture_count, found.version) == ("my döggies", 3, 10)
        assert workspace.settings(set_id) == {"prefix": "sks cat", "num_beams": 4}
        assert workspace.damage(set_id) == ()
        views = workspace.views(set_id)
        assert [(view.name, view.text, view.revision, view.existing, view.folder) for view in views] == [
            ("a.png", "bulk one", 3, "an old caption", ""),
            ("b 少女.png", "bulk two 🐈", 3, "", ""),
            ("d.png", None, 0, "", ""),
        ]
        assert [view.state for view in views] == ["edited", "edited", "failed"]
        assert views[2].failure == ("model_failed", "no sentence")
        blip, wd14 = workspace.layers(set_id, views[0].id)
        assert (blip.sentence.text, blip.sentence.alternatives[0].text) == ("a dog", "a cat")
        assert [(tag.name, tag.score) for tag in wd14.tags] == [("1dog", 0.9), ("smile", 0.5)]


def test_a_file_of_version_2_keeps_its_whole_journal(version_2):
    folder, set_id = version_2
    with Workspace(folder) as workspace:
        b = workspace.views(set_id)[1].id
        workspace.redo(set_id)
        assert workspace.view(set_id, b).text == "undone later"
        undone = []
        while change := workspace.undo(set_id):
            undone.append(change.entry.kind)
        assert undone == ["edit", "remove", "settings", "bulk", "edit", "run"]
        assert [view.text for view in workspace.views(set_id)] == [None] * 4
        assert workspace.settings(set_id) == {"prefix": "sks dog", "num_beams": 3}
        while workspace.redo(set_id):
            pass
        assert workspace.view(set_id, b).text == "undone later"
        assert workspace.settings(set_id) == {"prefix": "sks cat", "num_beams": 4}


def test_a_file_of_version_2_takes_edits_and_pictures(version_2):
    folder, set_id = version_2
    with Workspace(folder) as workspace:
        a = workspace.views(set_id)[0].id
        assert workspace.save_edit(set_id, a, "now", 3).ok
        added = workspace.add_picture(set_id, "e.png", png("pink"), folder="new/pictures")
    with Workspace(folder) as workspace:
        assert workspace.view(set_id, a).text == "now"
        assert workspace.view(set_id, added.id).folder == "new/pictures"
        assert not any(view.is_damaged for view in workspace.views(set_id))


def test_a_migration_that_fails_changes_nothing(folder, monkeypatch):
    make_version_1(folder)
    broken = ("", "CREATE TABLE half (key INTEGER); INSERT INTO nowhere VALUES (1);")
    with monkeypatch.context() as patched:
        patched.setattr("captioner.workspace.schema.MIGRATIONS", broken)
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            Workspace(folder)
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as db:
        assert schema_version(db) == 1
        assert db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall() == []
    with Workspace(folder) as workspace:
        assert workspace.view("old", "p").text == "an old edit"


def test_a_migrated_file_has_the_tables_of_a_new_one(folder, tmp_path):
    def tables(where):
        with contextlib.closing(sqlite3.connect(where / "captions.sqlite")) as db:
            return db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()

    make_version_1(folder)
    Workspace(folder).close()
    Workspace(tmp_path / "new").close()
    assert tables(folder) == tables(tmp_path / "new")


def test_a_file_of_a_newer_captioner_is_refused_and_left(folder):
    Workspace(folder).close()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    before = contents(folder)
    with pytest.raises(StoreError, match=rf"a newer .*99, this one knows {SCHEMA_VERSION}\); update"):
        Workspace(folder)
    assert contents(folder)["captions.sqlite"] == before["captions.sqlite"]


def test_a_database_of_another_program_is_refused_and_left(folder):
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = contents(folder)
    with pytest.raises(StoreError, match="was not made by Captioner; give another folder with --workspace"):
        Workspace(folder)
    assert contents(folder) == before


# Damage


def overwrite_header(data):
    return b"not a database!!" + data[16:]


def overwrite_middle(data):
    middle = len(data) // 2
    return data[:middle] + os.urandom(8192) + data[middle + 8192 :]


def cut_in_half(data):
    return data[: len(data) // 2]


def empty(data):
    return b""


def zeroes(data):
    return bytes(len(data))


@pytest.mark.parametrize("damage", [overwrite_header, overwrite_middle, cut_in_half, empty, zeroes])
def test_a_damaged_file_is_named_and_never_overwritten(folder, damage):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 200)
        workspace.apply_edits(set_id, dict.fromkeys(ids, "text " * 50), "Fill")
    path = folder / "captions.sqlite"
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"the database {path} is damaged .*; it was left as it is. Put a backup in"):
        Workspace(folder)
    assert path.read_bytes() == before


def test_a_damaged_file_keeps_the_log_beside_it(folder):
    """A log that was not yet worked into the file when the process was killed may be all there is to rescue."""
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 200)
        workspace.apply_edits(set_id, dict.fromkeys(ids, "text " * 50), "Fill")
        saved = contents(folder)
    for name, data in saved.items():
        (folder / name).write_bytes(data)
    (folder / "captions.sqlite").write_bytes(overwrite_header(saved["captions.sqlite"]))
    with pytest.raises(StoreError, match="damaged"):
        Workspace(folder)
    assert len(saved["captions.sqlite-wal"]) > 10_000
    assert contents(folder)["captions.sqlite-wal"] == saved["captions.sqlite-wal"]


def test_a_log_without_its_database_is_refused_and_left(folder):
    folder.mkdir()
    (folder / "captions.sqlite-wal").write_bytes(b"log")
    with pytest.raises(StoreError, match=r"damaged \(it is missing while captions.sqlite-wal is there\)"):
        Workspace(folder)
    assert contents(folder) == {"captions.sqlite-wal": b"log"}


def test_damage_found_while_working_is_an_error_and_not_a_guess(folder, monkeypatch):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 2_000)
        workspace.apply_edits(set_id, dict.fromkeys(ids, "text " * 50), "Fill")
    path = folder / "captions.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + os.urandom(len(data) - len(data) // 3))
    monkeypatch.setattr("captioner.workspace.database.CHECKED_UP_TO_BYTES", 0)
    with Workspace(folder) as workspace, pytest.raises(StoreError, match="is damaged"):
        workspace.views(set_id)
        workspace.undo(set_id)


def test_an_unfinished_new_database_is_made_again(folder):
    folder.mkdir()
    (folder / "captions.sqlite.new").write_bytes(b"half")
    (folder / "captions.sqlite.new-journal").write_bytes(b"half")
    with Workspace(folder) as workspace:
        assert workspace.views(workspace.create_set()) == ()
    with contextlib.closing(sqlite3.connect(folder / "captions.sqlite")) as db:
        assert db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID


# A full disk


def test_a_full_disk_is_said_and_what_was_acknowledged_stays(folder):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 50)
        limit(workspace, 30)
        acknowledged = {}
        with pytest.raises(
            StoreError, match=f"the disk that holds {folder} is full: the last change was not"
        ) as caught:
            for picture_id in ids:
                workspace.save_edit(set_id, picture_id, picture_id * 800, 0)
                acknowledged[picture_id] = picture_id * 800
        assert caught.value.code == "disk_full"
        assert 0 < len(acknowledged) < 50
        for do in (
            lambda: workspace.apply_edits(set_id, dict.fromkeys(ids, "x" * 9_000), "Bulk"),
            lambda: workspace.put_layers(set_id, [said(picture_id, "x" * 9_000) for picture_id in ids]),
        ):
            with pytest.raises(StoreError, match="is full"):
                do()
        assert {view.id: view.text for view in workspace.views(set_id) if view.text} == acknowledged
        limit(workspace, 10_000)
        assert workspace.save_edit(set_id, ids[-1], "room again", 0).ok
    with Workspace(folder) as workspace:
        assert {view.id: view.text for view in workspace.views(set_id) if view.text} == {
            **acknowledged,
            ids[-1]: "room again",
        }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_picture_that_no_longer_fits_leaves_nothing_half_written(folder, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    with Workspace(folder) as workspace:
        set_id = workspace.create_set()
        kept = workspace.add_picture(set_id, "a.png", png("red"))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            for add in (
                lambda: workspace.add_picture(set_id, "b.png", png("blue")),
                lambda: workspace.add_pictures(set_id, [Upload("b.png", png("blue"))]),
            ):
                with pytest.raises(StoreError, match="is full") as caught:
                    add()
                assert caught.value.code == "disk_full"
        assert workspace.pictures(set_id) == (kept,)
        assert [path.name for path in (folder / "pictures").rglob("*") if path.is_file()] == [kept.digest]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file/work cannot be read or written"):
        Workspace(tmp_path / "file" / "work")


def test_another_program_that_holds_the_file_is_named_as_the_cause(folder, monkeypatch):
    monkeypatch.setattr("captioner.workspace.database.BUSY_TIMEOUT_S", 0.05)
    with Workspace(folder) as workspace:
        with contextlib.closing(sqlite3.connect(folder / "captions.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"another program holds .*captions.sqlite; close it and try again"):
                workspace.create_set()
        workspace.create_set()


def test_a_copied_folder_is_a_workspace(folder, tmp_path):
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 1)
        workspace.save_edit(set_id, ids[0], "mine", 0)
    shutil.copytree(folder, tmp_path / "copy")
    with Workspace(tmp_path / "copy") as copy:
        assert copy.view(set_id, ids[0]).text == "mine"
        assert copy.thumbnail_bytes(set_id, ids[0])
