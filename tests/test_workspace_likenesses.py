"""What pictures look like, stored beside them: from the upload on, or made later, and no change of the set."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import UnknownSet
from captioner.workspace import Workspace
from captioner.workspace.records import Upload
from tests.workspace_makers import filled, png


def _forget_likenesses(workspace: Workspace) -> None:
    """As a workspace of an earlier version."""
    with workspace._database.write() as db:
        db.execute("UPDATE pictures SET likeness = ''")


def test_a_likeness_comes_with_the_upload_and_outlives_a_restart(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, ids = filled(workspace, 2)
        found = workspace.likenesses.of_set(set_id)
        assert list(found) == ids
        assert len(found[ids[0]]) == 70
        assert found[ids[0]] == found[ids[1]]
    with Workspace(tmp_path) as workspace:
        assert workspace.likenesses.of_set(set_id) == found
        with pytest.raises(UnknownSet):
            workspace.likenesses.of_set("nobody")


def test_likenesses_that_are_missing_are_made_in_pieces_and_change_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, _ = filled(workspace, 60)
        before = workspace.likenesses.of_set(set_id)
        version = workspace.find_set(set_id).version
        history = workspace.history(set_id)
        _forget_likenesses(workspace)
        assert workspace.likenesses.complete(set_id, within_s=0) == (60, 0)
        seconds = iter([0.0, 0.5, 1.5])
        monkeypatch.setattr("captioner.workspace.likenesses.time.monotonic", lambda: next(seconds))
        assert workspace.likenesses.complete(set_id, within_s=1) == (10, 0)
        monkeypatch.undo()
        assert workspace.likenesses.complete(set_id, within_s=60) == (0, 0)
        assert workspace.likenesses.of_set(set_id) == before
        assert workspace.find_set(set_id).version == version
        assert workspace.history(set_id) == history


def test_a_picture_that_cannot_be_read_costs_itself_and_is_not_waited_for(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id = workspace.create_set()
        uploads = [Upload("a.png", png("red")), Upload("b.png", png("blue"))]
        gone, there = (picture.id for picture in workspace.add_pictures(set_id, uploads))
        _forget_likenesses(workspace)
        for file in (*tmp_path.glob("thumbnails/*/*"), workspace.picture_path(set_id, gone)):
            file.unlink()
        assert workspace.likenesses.complete(set_id, within_s=60) == (0, 1)
        assert workspace.likenesses.complete(set_id, within_s=60) == (0, 1)
        found = workspace.likenesses.of_set(set_id)
        assert found[gone] == ""
        assert found[there]


def test_a_picture_whose_thumbnail_is_damaged_is_taken_all_the_same(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id = workspace.create_set()
        workspace.add_picture(set_id, "a.png", png("red"))
        [file] = tmp_path.glob("thumbnails/*/*")
        data = bytearray(file.read_bytes())
        data[12:] = bytes(len(data) - 12)  # its length is right
        file.write_bytes(data)
        again = workspace.add_picture(set_id, "b.png", png("red"))
        assert workspace.likenesses.of_set(set_id)[again.id] == ""
