"""Files that are settings are deleted into a bin, come back from it, and go for good when no set uses them."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.__main__ import main
from captioner.errors import BadVocabulary, CaptionerError
from captioner.file_bin import KEPT_DAYS, FileBin
from captioner.service.kept_files import KeptFiles
from captioner.service.service import Service
from captioner.ui import asking
from captioner.ui.keeping_functions import keeping_script_functions
from captioner.workspace import Workspace
from taggers import vocabularies
from tests.service_makers import RED, page_values, set_with
from tests.workspace_makers import Clock

BLUE = (30, 30, 200)
FIELD = "own_vocabulary"
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the service's workspace, as the app names it."""
    folder = tmp_path / "work" / "vocabularies"
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(folder))
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(service: Service, clock: Clock) -> KeptFiles:
    return KeptFiles(service.choices.groups, service.workspace, clock)


def _added(kept: KeptFiles) -> str:
    return str(kept.add(FIELD, "colours.txt", b"rot\nblau\n")["name"])


def _set_with(service: Service, name: str) -> str:
    set_id = str(service.new_set()["set"])
    service.settings_changed(set_id, page_values(service, **{FIELD: name}))
    return set_id


def test_a_deleted_file_waits_in_the_bin_and_comes_back(kept: KeptFiles, clock: Clock) -> None:
    name = _added(kept)
    clock.now = 5 * DAY_S
    assert kept.delete(FIELD, name) == {}
    assert kept.listed(FIELD, [name]) == {
        "files": [],
        "bin": [{"name": name, "text": "colours (2 labels)", "goes_at": (5 + KEPT_DAYS) * DAY_S}],
    }
    with pytest.raises(BadVocabulary, match="was deleted and waits in the bin; restore it"):
        vocabularies.own(name)
    kept.restore(FIELD, name)
    assert vocabularies.own(name).labels == ("rot", "blau")
    assert kept.listed(FIELD, [name])["bin"] == []
    for does in (kept.restore, kept.delete_for_good):
        with pytest.raises(BadVocabulary, match="is in the bin; add its file again"):
            does(FIELD, name)


def test_a_deleted_file_that_is_added_again_is_there_and_no_longer_in_the_bin(kept: KeptFiles) -> None:
    name = _added(kept)
    kept.delete(FIELD, name)
    assert _added(kept) == name
    assert kept.listed(FIELD, [name]) == {"files": [{"name": name, "text": "colours (2 labels)"}], "bin": []}


def test_a_file_that_another_set_uses_is_not_deleted(kept: KeptFiles, service: Service) -> None:
    name = _added(kept)
    mine = _set_with(service, name)
    other = _set_with(service, name)
    with pytest.raises(CaptionerError, match=r"1 other set uses it, .*; choose another file there first") as no:
        kept.delete(FIELD, name, mine)
    assert no.value.code == "in_use"
    service.delete_for_good(other)
    kept.delete(FIELD, name, mine)
    with pytest.raises(BadVocabulary, match="there is no vocabulary of your own called"):
        kept.delete(FIELD, name, mine)


def test_after_thirty_days_it_goes_unless_an_undo_brought_it_back_into_use(
    kept: KeptFiles, service: Service, clock: Clock
) -> None:
    used, unused = _added(kept), str(kept.add(FIELD, "other.txt", b"gelb\n")["name"])
    mine = _set_with(service, used)
    kept.delete(FIELD, used, mine)
    kept.delete(FIELD, unused)
    clock.now += KEPT_DAYS * DAY_S
    again = KeptFiles(service.choices.groups, service.workspace, clock)
    assert [one["name"] for one in again.listed(FIELD, [used, unused])["bin"]] == [used]
    again.delete_for_good(FIELD, used)
    assert again.listed(FIELD, [used]) == {"files": [], "bin": []}


def test_each_workspace_keeps_its_own_and_empties_nobody_elses(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(vocabularies.FOLDER_VARIABLE)
    monkeypatch.setattr(vocabularies, "data_folder", lambda: tmp_path / "data")
    used, unused = (vocabularies.add_own(name, b"rot\n") for name in ("used.txt", "unused.txt"))
    _set_with(service, used)
    monkeypatch.setenv(vocabularies.FOLDER_VARIABLE, str(vocabularies.folder_of(tmp_path / "work")))
    kept = KeptFiles(service.choices.groups, service.workspace)
    assert [one["name"] for one in kept.listed(FIELD, [used, unused])["files"]] == [used], "sets here name that one"
    kept.delete(FIELD, used, service.workspace.space.sets_naming(used)[0])
    kept.delete_for_good(FIELD, used)
    assert sorted(path.stem for path in (tmp_path / "data" / "vocabularies").iterdir()) == sorted([used, unused])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A vocabulary in the platform's place for user data, where this workspace is not."""
    monkeypatch.setattr(vocabularies, "data_folder", lambda: tmp_path / "data")
    with monkeypatch.context() as patched:
        patched.delenv(vocabularies.FOLDER_VARIABLE)
        return vocabularies.add_own("used.txt", b"rot\n")


def test_what_another_workspace_deleted_is_taken_over_where_sets_use_it(
    tmp_path: Path, service: Service, elsewhere: str
) -> None:
    """All workspaces had one folder once, and the bin of one did not know the sets of another."""
    FileBin(tmp_path / "data" / "vocabularies").put(f"{elsewhere}.txt", 5.0)
    _set_with(service, elsewhere)
    kept = KeptFiles(service.choices.groups, service.workspace)
    assert kept.listed(FIELD, [elsewhere]) == {"files": [{"name": elsewhere, "text": "used (1 label)"}], "bin": []}


def test_a_folder_that_is_called_as_a_vocabulary_is_passed_over(
    tmp_path: Path, service: Service, elsewhere: str
) -> None:
    path = tmp_path / "data" / "vocabularies" / f"{elsewhere}.txt"
    path.unlink()
    path.mkdir()
    _set_with(service, elsewhere)
    kept = KeptFiles(service.choices.groups, service.workspace)
    assert kept.listed(FIELD, [elsewhere]) == {"files": [], "bin": []}


def test_what_waits_in_the_bin_is_not_taken_over_again(service: Service, elsewhere: str) -> None:
    mine = _set_with(service, elsewhere)
    KeptFiles(service.choices.groups, service.workspace).delete(FIELD, elsewhere, mine)
    again = KeptFiles(service.choices.groups, service.workspace)
    assert [one["name"] for one in again.listed(FIELD, [elsewhere])["bin"]] == [elsewhere]


def test_a_backup_before_the_first_start_after_an_update_takes_along_what_lies_in_the_data_folder(
    tmp_path: Path, service: Service, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _added(service.kept_files)
    with monkeypatch.context() as patched:
        patched.delenv(vocabularies.FOLDER_VARIABLE)
        vocabularies.add_own("unused.txt", b"gelb\n")
    _set_with(service, elsewhere)
    target = tmp_path / "backup.zip"
    assert main(["workspace", "backup", str(target), "--workspace", str(service.workspace.folder)]) == 0
    with zipfile.ZipFile(target) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name.startswith("vocabularies/")}
    assert found == {f"vocabularies/{own}.txt": b"rot\nblau\n", f"vocabularies/{elsewhere}.txt": b"rot\n"}


@pytest.fixture
def neighbour(tmp_path: Path, service: Service) -> Iterator[Workspace]:
    """Another workspace, whose app was started with the vocabularies of this one."""
    with Workspace(tmp_path / "neighbour") as workspace:
        KeptFiles(service.choices.groups, workspace)
        yield workspace


def test_what_workspaces_share_is_deleted_by_a_person_only(
    tmp_path: Path, service: Service, neighbour: Workspace, kept: KeptFiles, clock: Clock
) -> None:
    name, other = _added(kept), str(kept.add(FIELD, "other.txt", b"gelb\n")["name"])
    for one in (name, other):
        kept.delete(FIELD, one)
    clock.now += 2 * KEPT_DAYS * DAY_S
    for workspace in (service.workspace, neighbour):
        again = KeptFiles(service.choices.groups, workspace, clock)
        found = again.listed(FIELD, [name, other])["bin"]
        assert [(one["name"], one["goes_at"]) for one in found] == [(name, None), (other, None)]
    again.delete_for_good(FIELD, other)
    assert [one["name"] for one in again.listed(FIELD, [name, other])["bin"]] == [name]


@pytest.mark.parametrize("is_neighbour", [False, True])
def test_emptying_the_bin_of_one_workspace_leaves_what_others_share_and_says_so(
    service: Service, neighbour: Workspace, own_folder: Path, is_neighbour: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _added(service.kept_files)
    service.kept_files.delete(FIELD, name)
    for workspace in (service.workspace, neighbour):
        workspace.close()
    folder = (neighbour if is_neighbour else service.workspace).folder
    assert main(["workspace", "empty", "--workspace", str(folder)]) == 0
    assert f"may use the vocabularies in {own_folder}, whose bin stays." in capsys.readouterr().err
    assert FileBin(own_folder).path(f"{name}.txt").is_file()


def test_the_note_that_a_folder_is_shared_counts_as_no_vocabulary(
    service: Service, neighbour: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    _added(service.kept_files)
    KeptFiles(service.choices.groups, neighbour, time.time)
    assert main(["workspace", "info", "--workspace", str(neighbour.folder)]) == 0
    assert "  1 vocabulary file, " in capsys.readouterr().out


def test_only_who_looks_after_the_app_deletes_a_file_for_good(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {function.__name__: function for function in keeping_script_functions(service)}
    name = _added(service.kept_files)
    asked: Any = {"field": FIELD, "name": name}
    assert functions["delete_file"](asked) == {}
    with monkeypatch.context() as patched:
        patched.setattr(service.models, "managed_by", "operators")
        patched.setattr(asking, "is_operator", lambda: False)
        assert functions["delete_file_for_good"](asked)["error"]["code"] == "not_allowed"
    assert functions["delete_file_for_good"](asked) == {}


def test_the_command_line_says_all_that_it_deletes(
    service: Service, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = service.workspace
    for age_days in (0, 40):
        set_id, ids = set_with(service, RED, BLUE)
        workspace.remove_pictures(set_id, ids[:1])
        workspace.bin.put(set_id)
        with workspace._database.write() as db:
            db.execute("UPDATE sets SET deleted_at = deleted_at - ? WHERE id = ?", (age_days * DAY_S, set_id))
    kept_set, ids = set_with(service, RED, BLUE)
    workspace.remove_pictures(kept_set, ids[1:])
    used = vocabularies.add_own("used.txt", b"blau\n")
    service.settings_changed(kept_set, page_values(service, **{FIELD: used}))
    for name in (vocabularies.add_own("words.txt", b"rot\n"), used):
        vocabularies.delete_own(name, 5.0)
    before = _bytes(workspace.folder, own_folder)
    workspace.close()
    folder = ["--workspace", str(workspace.folder)]
    assert main(["workspace", "info", *folder]) == 0
    assert "2 vocabulary files" in capsys.readouterr().out
    assert main(["workspace", "empty", "--json", *folder]) == 0
    told = json.loads(capsys.readouterr().out)
    counts = {name: told[name] for name in ("sets", "set_pictures", "removed_pictures", "vocabularies")}
    assert counts == {"sets": 2, "set_pictures": 4, "removed_pictures": 1, "vocabularies": 1}
    assert told["file_bytes"] == before - _bytes(workspace.folder, own_folder) > len(b"rot\n")
    assert [path.stem for path in own_folder.rglob("*") if path.is_file()] == [used], "a set uses it"
    assert main(["workspace", "empty", *folder]) == 0
    assert "0 sets of the bin with 0 pictures, 0 removed pictures of other sets, 0 voc" in capsys.readouterr().out


def _bytes(folder: Path, own_folder: Path) -> int:
    """Of all pictures, thumbnails and vocabularies."""
    places = (folder / "pictures", folder / "thumbnails", own_folder)
    return sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())
