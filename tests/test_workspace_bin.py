"""Deleted sets and removed pictures wait, come back whole, and go for good with their files after 30 days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError, UnknownPicture, UnknownSet
from captioner.workspace import Workspace
from captioner.workspace.bin import KEPT_DAYS
from captioner.workspace.checksums import find_damage
from captioner.workspace.records import Upload
from tests.workspace_makers import Clock, png, said

DAY_S = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspace(tmp_path: Path, clock: Clock) -> Iterator[Workspace]:
    with Workspace(tmp_path / "work", clock=clock) as opened:
        yield opened


def _set(workspace: Workspace, colour: str = "red") -> tuple[str, Any]:
    """A set of one picture with an edit."""
    set_id = workspace.create_set(f"a {colour} set")
    picture = workspace.add_picture(set_id, f"{colour}.png", png(colour))
    workspace.save_edit(set_id, picture.id, "mine", 0)
    return set_id, picture


def _files(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in (workspace.folder / "pictures").rglob("*") if path.is_file())


def test_a_set_in_the_bin_is_not_there_and_comes_back_whole(workspace: Workspace, clock: Clock) -> None:
    set_id, picture = _set(workspace)
    before = workspace.views(set_id)
    workspace.bin.put(set_id)
    for ask in (workspace.views, workspace.find_set, workspace.bin.put, lambda one: workspace.changes_since(one, -1)):
        with pytest.raises(UnknownSet):
            ask(set_id)
    assert workspace.sets([set_id]) == ()
    [binned] = workspace.bin.listed([set_id, "nobody"])
    assert (binned.name, binned.picture_count, binned.deleted_at) == ("a red set", 1, clock.now)
    assert binned.goes_at == clock.now + KEPT_DAYS * DAY_S
    workspace.bin.take_back(set_id)
    assert workspace.views(set_id) == before
    assert workspace.undo(set_id) is not None
    assert workspace.picture_bytes(set_id, picture.id) == png("red")
    assert workspace.bin.listed([set_id]) == ()
    with pytest.raises(UnknownSet):
        workspace.bin.take_back(set_id)


def test_after_thirty_days_it_goes_with_its_files_when_the_app_starts(workspace: Workspace, clock: Clock) -> None:
    old, _ = _set(workspace, "red")
    young, picture = _set(workspace, "blue")
    workspace.bin.put(old)
    clock.now += 2 * DAY_S
    workspace.bin.put(young)
    workspace.close()
    clock.now += (KEPT_DAYS - 2) * DAY_S
    with Workspace(workspace.folder, clock=clock) as again:
        assert [one.id for one in again.bin.listed([old, young])] == [young]
        assert _files(again) == [picture.digest]
        again.bin.take_back(young)
        assert len(again.views(young)) == 1


def test_it_is_deleted_for_good_from_the_bin_or_at_once(workspace: Workspace) -> None:
    first, _ = _set(workspace, "red")
    second, _ = _set(workspace, "blue")
    workspace.bin.put(first)
    workspace.delete_set(first)
    workspace.delete_set(second)
    assert workspace.bin.listed([first, second]) == ()
    assert _files(workspace) == []
    with pytest.raises(UnknownSet):
        workspace.delete_set(first)


def test_the_service_tells_of_the_bin_to_who_knows_the_set(service: Any) -> None:
    set_id = service.new_set(name="mine")["set"]
    assert service.delete_set(set_id) == {}
    known = service.known_sets([set_id, "nobody"])
    assert known["sets"] == []
    [binned] = known["bin"]
    assert (binned["id"], binned["name"], binned["pictures"]) == (set_id, "mine", 0)
    assert service.restore_set(set_id) == {}
    assert [one["id"] for one in service.known_sets([set_id])["sets"]] == [set_id]
    assert service.delete_for_good(set_id) == {}
    assert service.known_sets([set_id]) == {"sets": [], "bin": []}


# Removed pictures


def _three(workspace: Workspace) -> tuple[str, list[str]]:
    """A set of a red, a blue and another blue picture, captioned, the first with an edit."""
    set_id = workspace.create_set("colours")
    files = [Upload(f"{number}.png", png(colour)) for number, colour in enumerate(("red", "blue", "blue"))]
    ids = [one.id for one in workspace.add_pictures(set_id, files)]  # type: ignore[union-attr]
    workspace.put_layers(set_id, [said(one, "a colour") for one in ids], run_id="run")
    workspace.save_edit(set_id, ids[0], "mine", 0)
    workspace.lab.rate(set_id, ids[0], "a colour", "green", {})
    return set_id, ids


def test_removed_pictures_go_after_thirty_days_with_all_they_had(workspace: Workspace, clock: Clock) -> None:
    set_id, ids = _three(workspace)
    workspace.remove_pictures(set_id, ids[:1])
    clock.now += (KEPT_DAYS - 1) * DAY_S
    assert workspace.bin.empty() == (0, 0)
    clock.now += DAY_S
    assert workspace.bin.empty() == (0, 1)
    assert [view.id for view in workspace.views(set_id)] == ids[1:]
    assert workspace.removed(set_id) == ()
    with pytest.raises(UnknownPicture):
        workspace.picture_bytes(set_id, ids[0])
    with workspace._database.read() as db:
        assert find_damage(db) is None, "no row refers to what is gone"
        assert db.execute("SELECT COUNT(*) FROM layers").fetchone() == (2,)
    assert len(_files(workspace)) == 1


def test_time_counts_from_the_last_removal_and_a_restored_picture_stays(workspace: Workspace, clock: Clock) -> None:
    set_id, ids = _three(workspace)
    workspace.remove_pictures(set_id, ids[:2])
    clock.now += (KEPT_DAYS - 1) * DAY_S
    workspace.undo(set_id)
    workspace.remove_pictures(set_id, ids[:1])
    clock.now += 2 * DAY_S
    assert workspace.bin.empty() == (0, 0)


def test_a_file_stays_while_another_picture_or_set_has_it(workspace: Workspace) -> None:
    set_id, ids = _three(workspace)
    other = workspace.create_set("other")
    workspace.add_picture(other, "red.png", png("red"))
    workspace.remove_pictures(set_id, ids[:2])
    assert workspace.bin.delete_removed(set_id) == 2
    assert len(_files(workspace)) == 2
    workspace.remove_pictures(set_id, ids[2:])
    workspace.bin.delete_removed(set_id)
    assert len(_files(workspace)) == 1


def test_undo_passes_over_what_is_gone_for_good_and_says_so(workspace: Workspace) -> None:
    set_id, ids = _three(workspace)
    workspace.remove_pictures(set_id, ids[:1], label="one")
    workspace.bin.delete_removed(set_id)
    workspace.remove_pictures(set_id, ids[1:], label="two")
    found = []
    while (change := workspace.undo(set_id)) is not None:
        assert change.entry is not None
        found.append((change.entry.label, len(change.picture_ids), change.gone))
    assert found == [("two", 2, 0), ("one", 0, 1), ("Rate", 0, 1), ("Edit", 0, 1), ("Caption", 2, 1)]
    assert [view.state for view in workspace.views(set_id)] == ["empty", "empty"]
    redone = workspace.redo(set_id)
    assert redone is not None and (len(redone.picture_ids), redone.gone) == (2, 1)


def test_a_tab_that_never_heard_of_the_removal_is_told_everything(workspace: Workspace) -> None:
    set_id, ids = _three(workspace)
    before = workspace.changes_since(set_id, -1).version
    removed = workspace.remove_pictures(set_id, ids[:1])
    workspace.bin.delete_removed(set_id)
    changes = workspace.changes_since(set_id, before)
    assert changes.is_everything and [view.id for view in changes.views] == ids[1:]
    assert not workspace.changes_since(set_id, removed.version).is_everything


def test_pictures_that_an_older_version_removed_wait_from_the_update_on(workspace: Workspace, clock: Clock) -> None:
    set_id, ids = _three(workspace)
    workspace.remove_pictures(set_id, ids[:1])
    with workspace._database.write() as db:
        db.execute("UPDATE pictures SET removed_at = NULL")
        db.execute("DROP INDEX pictures_removed")
        db.execute("ALTER TABLE pictures DROP COLUMN removed_at")
        db.execute("ALTER TABLE sets DROP COLUMN gone_version")
        db.execute("PRAGMA user_version = 8")
    workspace.close()
    with Workspace(workspace.folder, clock=clock) as again:
        clock.now = time.time() + (KEPT_DAYS - 1) * DAY_S
        assert again.bin.empty() == (0, 0)
        clock.now += 2 * DAY_S
        assert again.bin.empty() == (0, 1)


def test_what_a_set_takes_counts_files_once_and_shared_ones_apart(workspace: Workspace) -> None:
    set_id, ids = _three(workspace)
    other = workspace.create_set("other")
    workspace.add_picture(other, "blue.png", png("blue"))
    red, blue = len(png("red")), len(png("blue"))
    workspace.remove_pictures(set_id, ids[:2])
    use = workspace.space.of_set(set_id)
    assert (use.pictures, use.removed) == (1, 2)
    assert (use.picture_bytes, use.own_bytes, use.removed_bytes) == (red + blue, red, red)


def test_the_service_deletes_removed_pictures_but_not_beside_a_job(service: Any, monkeypatch: Any) -> None:
    set_id, ids = _three(service.workspace)
    service.remove_pictures(set_id, ids[:1])
    assert service.set_use(set_id)["removed"] == 1

    def busy(set_id: str) -> None:
        raise CaptionerError("it is being captioned", code="busy")

    with monkeypatch.context() as patched, pytest.raises(CaptionerError, match="being captioned"):
        patched.setattr(service.jobs, "refuse_busy", busy)
        service.delete_removed(set_id)
    assert service.delete_removed(set_id) == {"deleted": 1}
    assert service.travel(set_id, is_undo=True) == {
        "label": "Remove a picture",
        "has_settings": False,
        "gone": 1,
        "is_changed": False,
    }
