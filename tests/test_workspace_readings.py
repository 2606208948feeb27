"""What models said of captions, kept a picture at a time: through a restart, damage and the set's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import UnknownPicture, UnknownSet
from captioner.workspace import Workspace
from captioner.workspace.readings import StoredReading
from tests.workspace_makers import filled

FIRST = StoredReading("a cat", {"revisions": {"blip-demo": "0123"}}, {"words": [{"text": "cat", "nats": 1.5}]})
SECOND = StoredReading("två hundar", {"revisions": {}}, {"words": []})


def _change(workspace: Workspace, column: str, value: str) -> None:
    """As a failing disk does."""
    with workspace._database.write() as db:
        db.execute(f"UPDATE readings SET {column} = ?", (value,))


def test_the_last_reading_of_a_picture_outlives_a_restart_and_is_no_change_of_the_set(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, (first, second) = filled(workspace, 2)
        version, history = workspace.find_set(set_id).version, workspace.history(set_id)
        workspace.readings.put(set_id, first, SECOND)
        workspace.readings.put(set_id, first, FIRST)
        assert (workspace.find_set(set_id).version, workspace.history(set_id)) == (version, history)
    with Workspace(tmp_path) as workspace:
        assert workspace.readings.of_set(set_id) == {first: FIRST}
        assert workspace.readings.of_picture(set_id, first) == FIRST
        assert workspace.readings.of_picture(set_id, second) is None


def test_a_removed_picture_keeps_its_reading_for_when_it_comes_back(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, (picture,) = filled(workspace, 1)
        workspace.remove_pictures(set_id, [picture])
        workspace.readings.put(set_id, picture, FIRST)  # of a job that had begun
        assert workspace.readings.of_set(set_id) == {}
        workspace.undo(set_id)
        assert workspace.readings.of_set(set_id) == {picture: FIRST}


@pytest.mark.parametrize("column", ["caption", "read_by", "content"])
def test_a_damaged_reading_is_none_and_is_made_good_by_the_next(tmp_path: Path, column: str) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, (picture,) = filled(workspace, 1)
        workspace.readings.put(set_id, picture, FIRST)
        _change(workspace, column, '{"words": 7}')
        assert workspace.readings.of_set(set_id) == {}
        assert workspace.readings.of_picture(set_id, picture) is None
        workspace.readings.put(set_id, picture, SECOND)
        assert workspace.readings.of_picture(set_id, picture) == SECOND


def test_readings_go_with_their_set_and_are_kept_for_no_stranger(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id, (picture,) = filled(workspace, 1)
        other, (others,) = filled(workspace, 1)
        workspace.readings.put(set_id, picture, FIRST)
        workspace.readings.put(other, others, SECOND)
        with pytest.raises(UnknownPicture):
            workspace.readings.put(set_id, others, FIRST)
        workspace.delete_set(set_id)
        with pytest.raises(UnknownSet):
            workspace.readings.of_set(set_id)
        with workspace._database.read() as db:
            assert db.execute("SELECT caption FROM readings").fetchall() == [("två hundar",)]
