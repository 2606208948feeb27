"""The reviewer's mark on the disk: one step of the journal each, and what takes it away comes back with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.errors import UnknownPicture
from captioner.workspace import Workspace
from tests.workspace_makers import filled, said


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "work") as opened:
        yield opened


def marks(workspace: Workspace, set_id: str) -> list[bool]:
    return [view.is_reviewed for view in workspace.views(set_id)]


def test_a_mark_is_told_stays_and_is_undone(workspace: Workspace, tmp_path: Path) -> None:
    set_id, ids = filled(workspace, 3)
    assert marks(workspace, set_id) == [False] * 3
    version = workspace.find_set(set_id).version
    change = workspace.reviews.mark(set_id, [ids[1], ids[1]], is_reviewed=True, label="Reviewed")
    assert change.picture_ids == (ids[1],)
    assert [view.id for view in workspace.changes_since(set_id, version).views] == [ids[1]]
    workspace.close()
    with Workspace(tmp_path / "work") as again:
        assert marks(again, set_id) == [False, True, False]
        entry = again.history(set_id)[0]
        assert (entry.kind, entry.label, entry.picture_count) == ("review", "Reviewed", 1)
        again.undo(set_id)
        assert marks(again, set_id) == [False] * 3
        again.redo(set_id)
        assert marks(again, set_id) == [False, True, False]


def test_what_is_so_already_is_no_step_and_an_unknown_picture_stops_all(workspace: Workspace) -> None:
    set_id, ids = filled(workspace, 2)
    assert workspace.reviews.mark(set_id, ids, is_reviewed=False).entry is None
    with pytest.raises(UnknownPicture):
        workspace.reviews.mark(set_id, [ids[0], "nobody"], is_reviewed=True)
    assert marks(workspace, set_id) == [False, False]
    assert workspace.history(set_id) == ()


def test_an_edit_keeps_the_mark_and_its_revision(workspace: Workspace) -> None:
    set_id, ids = filled(workspace, 1)
    workspace.reviews.mark(set_id, ids, is_reviewed=True)
    assert workspace.view(set_id, ids[0]).revision == 0
    assert workspace.save_edit(set_id, ids[0], "a cat", 0).ok
    assert marks(workspace, set_id) == [True]


def test_a_run_that_takes_marks_away_gives_them_back_with_its_undo(workspace: Workspace) -> None:
    set_id, ids = filled(workspace, 3)
    workspace.reviews.mark(set_id, ids[:2], is_reviewed=True)
    workspace.save_edit(set_id, ids[1], "mine", 0)
    workspace.put_layers(set_id, [said(one, "new") for one in ids], run_id="1", unreviewed=ids)
    assert marks(workspace, set_id) == [False, True, False], "an edit is what was reviewed"
    workspace.undo(set_id)
    assert marks(workspace, set_id) == [True, True, False]
    assert workspace.history(set_id)[0].kind == "run"


def test_a_mark_given_while_a_run_goes_on_is_undone_in_the_order_it_was_given(workspace: Workspace) -> None:
    set_id, ids = filled(workspace, 2)
    workspace.put_layers(set_id, [said(ids[0], "new")], run_id="1", unreviewed=ids[:1])
    workspace.reviews.mark(set_id, [ids[1]], is_reviewed=True)
    workspace.put_layers(set_id, [said(ids[1], "new")], run_id="1", unreviewed=ids[1:])
    assert marks(workspace, set_id) == [False, False]
    for expected in ([False, True], [False, False]):
        workspace.undo(set_id)
        assert marks(workspace, set_id) == expected
