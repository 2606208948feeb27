"""Several kinds of captions in a workspace: their layers side by side, and the edits of each put away and fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.workspace import Workspace
from tests.workspace_makers import damage, filled, said, tagged


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path) as opened:
        yield opened


def texts(workspace: Workspace, set_id: str) -> list[str | None]:
    return [view.text for view in workspace.views(set_id)]


def test_layers_of_two_kinds_stand_side_by_side_and_undo_takes_one(workspace: Workspace) -> None:
    set_id, [one] = filled(workspace, 1)
    main, short = said(one, "a long sentence"), replace(said(one, "brief"), kind="short")
    workspace.put_layers(set_id, [main, tagged(one, "dog")])
    workspace.put_layers(set_id, [short])
    assert [layer.key for layer in workspace.layers(set_id, one)] == ["blip", "blip/short", "wd14"]
    assert workspace.layers(set_id, one)[1] == short
    workspace.put_layers(set_id, [replace(short, model="blip-base")])
    assert [layer.model for layer in workspace.layers(set_id, one)] == ["blip-demo", "blip-base", "wd14-demo"]
    workspace.undo(set_id)
    workspace.undo(set_id)
    assert workspace.layers(set_id, one)[0] == main
    assert len(workspace.layers(set_id, one)) == 2
    workspace.redo(set_id)
    assert workspace.layers(set_id, one)[1] == short


def test_a_damaged_layer_keeps_its_kind(workspace: Workspace, tmp_path: Path) -> None:
    set_id, [one] = filled(workspace, 1)
    workspace.put_layers(set_id, [replace(said(one, "brief"), kind="short")])
    workspace.close()
    damage(tmp_path, "UPDATE layers SET sentence = '[\"other\", 0, []]'")
    with Workspace(tmp_path) as again:
        [layer] = again.layers(set_id, one)
    assert (layer.is_damaged, layer.key) == (True, "blip/short")


def test_each_kind_has_edits_of_its_own(workspace: Workspace) -> None:
    set_id, [one, two, three] = filled(workspace, 3)
    workspace.save_edit(set_id, one, "main one", 0)
    workspace.save_edit(set_id, two, "main two", 0)
    workspace.set_settings(set_id, {"kind": "short"}, label="Kind: short")
    assert texts(workspace, set_id) == [None, None, None]
    assert workspace.kind_texts.of_set(set_id) == {"": {one: "main one", two: "main two"}}
    workspace.save_edit(set_id, two, "short two", 2)
    workspace.save_edit(set_id, three, "short three", 0)
    workspace.set_settings(set_id, {}, label="Kind: main")
    assert texts(workspace, set_id) == ["main one", "main two", None]
    assert workspace.kind_texts.of_set(set_id) == {"short": {two: "short two", three: "short three"}}


def test_who_saw_another_kind_does_not_overwrite_its_edit(workspace: Workspace) -> None:
    set_id, [one] = filled(workspace, 1)
    revision = workspace.save_edit(set_id, one, "main", 0).revision
    workspace.set_settings(set_id, {"kind": "short"}, label="Kind: short")
    assert not workspace.save_edit(set_id, one, "main, longer", revision).ok


def test_undo_goes_back_through_a_change_of_kinds(workspace: Workspace) -> None:
    set_id, [one] = filled(workspace, 1)
    workspace.save_edit(set_id, one, "main", 0)
    workspace.set_settings(set_id, {"kind": "short"}, label="Kind: short")
    workspace.save_edit(set_id, one, "short", 2)
    workspace.set_settings(set_id, {"kind": ""}, label="Kind: main")
    workspace.save_edit(set_id, one, "main again", 4)
    seen = []
    while workspace.undo(set_id) is not None:
        seen.append((workspace.settings(set_id).get("kind", ""), *texts(workspace, set_id)))
    assert seen == [("", "main"), ("short", "short"), ("short", None), ("", "main"), ("", None)]
    while workspace.redo(set_id) is not None:
        pass
    assert texts(workspace, set_id) == ["main again"]
    assert workspace.kind_texts.of_set(set_id) == {"short": {one: "short"}}


def test_an_edit_that_was_put_away_and_damaged_is_none(workspace: Workspace, tmp_path: Path) -> None:
    set_id, [one, two] = filled(workspace, 2)
    workspace.save_edit(set_id, one, "main one", 0)
    workspace.save_edit(set_id, two, "main two", 0)
    workspace.set_settings(set_id, {"kind": "short"}, label="Kind: short")
    workspace.close()
    damage(tmp_path, "UPDATE kind_texts SET text = 'other' WHERE text = 'main one'")
    with Workspace(tmp_path) as again:
        assert again.kind_texts.of_set(set_id) == {"": {two: "main two"}}
        again.set_settings(set_id, {}, label="Kind: main")
        assert texts(again, set_id) == [None, "main two"]


def test_a_deleted_set_leaves_no_edit_behind(workspace: Workspace, tmp_path: Path) -> None:
    set_id, [one] = filled(workspace, 1)
    workspace.save_edit(set_id, one, "main", 0)
    workspace.set_settings(set_id, {"kind": "short"}, label="Kind: short")
    workspace.delete_set(set_id)
    workspace.close()
    with Workspace(tmp_path) as again, again._database.read() as db:
        assert db.execute("SELECT COUNT(*) FROM kind_texts").fetchone() == (0,)
