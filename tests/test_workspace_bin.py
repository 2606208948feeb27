"""Deleted sets wait in the bin, come back whole, and go for good with their files after 30 days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import UnknownSet
from captioner.workspace import Workspace
from captioner.workspace.bin import KEPT_DAYS
from tests.workspace_makers import Clock, png

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
