"""Undo and redo: what one step is, that it survives a restart, and that runs and edits do not mix."""

import random

import pytest

from captioner.errors import StoreError
from captioner.workspace import Workspace
from captioner.workspace.records import Failure
from tests.workspace_makers import Clock, filled, said, tagged


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def workspace(tmp_path, clock):
    with Workspace(tmp_path / "work", clock=clock) as opened:
        yield opened


def texts(workspace, set_id):
    return [view.text for view in workspace.views(set_id)]


def type_in(workspace, set_id, picture_id, *typed, **options):
    for text in typed:
        revision = workspace.view(set_id, picture_id).revision
        assert workspace.save_edit(set_id, picture_id, text, revision, **options).ok


def sentences(workspace, set_id):
    return [layers[0].sentence.text if layers else None for _, layers in workspace.all_layers(set_id)]


# Edits


def test_autosaves_of_one_picture_in_a_row_are_one_step(workspace):
    set_id, ids = filled(workspace, 1)
    type_in(workspace, set_id, ids[0], "a", "a c", "a ca", "a cat")
    assert [entry.kind for entry in workspace.history(set_id)] == ["edit"]
    change = workspace.undo(set_id)
    assert change.picture_ids == (ids[0],)
    assert texts(workspace, set_id) == [None]
    workspace.redo(set_id)
    assert texts(workspace, set_id) == ["a cat"]


def test_another_picture_between_makes_two_steps(workspace):
    set_id, ids = filled(workspace, 2)
    type_in(workspace, set_id, ids[0], "a", "a cat")
    type_in(workspace, set_id, ids[1], "b")
    type_in(workspace, set_id, ids[0], "a cat!")
    assert len(workspace.history(set_id)) == 3
    workspace.undo(set_id)
    assert texts(workspace, set_id) == ["a cat", "b"]


def test_taking_a_suggestion_over_a_typed_text_can_be_undone_alone(workspace):
    set_id, ids = filled(workspace, 1)
    type_in(workspace, set_id, ids[0], "typed for minutes")
    type_in(workspace, set_id, ids[0], "the suggestion", label="Use", is_autosave=False)
    type_in(workspace, set_id, ids[0], "the suggestion, mended")
    assert [entry.label for entry in workspace.history(set_id)] == ["Edit", "Use", "Edit"]
    workspace.undo(set_id)
    assert texts(workspace, set_id) == ["the suggestion"]
    workspace.undo(set_id)
    assert texts(workspace, set_id) == ["typed for minutes"]


def test_removing_an_edit_is_a_step_of_its_own(workspace):
    set_id, ids = filled(workspace, 1)
    type_in(workspace, set_id, ids[0], "a", "a cat", None)
    workspace.undo(set_id)
    assert texts(workspace, set_id) == ["a cat"]


def test_typing_and_taking_it_back_by_hand_leaves_no_step(workspace):
    set_id, ids = filled(workspace, 2)
    type_in(workspace, set_id, ids[0], "a")
    type_in(workspace, set_id, ids[1], "b")
    type_in(workspace, set_id, ids[0], "ab", "a")
    assert len(workspace.history(set_id)) == 2
    workspace.undo(set_id)
    assert texts(workspace, set_id) == ["a", None]


def test_an_undo_counts_as_a_change_of_the_edit(workspace):
    set_id, ids = filled(workspace, 1)
    type_in(workspace, set_id, ids[0], "a")
    workspace.undo(set_id)
    assert workspace.view(set_id, ids[0]).revision == 2
    answer = workspace.save_edit(set_id, ids[0], "ab", 1)
    assert (answer.ok, answer.revision, answer.conflict) == (False, 2, None)


def test_a_bulk_change_is_undone_and_done_again_whole(workspace):
    set_id, ids = filled(workspace, 50)
    type_in(workspace, set_id, ids[7], "mine")
    workspace.apply_edits(set_id, dict.fromkeys(ids, "bulk"), "Replace")
    change = workspace.undo(set_id)
    assert set(change.picture_ids) == set(ids)
    assert change.entry.is_undone
    assert texts(workspace, set_id) == [None] * 7 + ["mine"] + [None] * 42
    workspace.redo(set_id)
    assert texts(workspace, set_id) == ["bulk"] * 50


def test_nothing_to_undo_or_redo_is_none(workspace):
    set_id, ids = filled(workspace, 1)
    assert workspace.undo(set_id) is None
    assert workspace.redo(set_id) is None
    type_in(workspace, set_id, ids[0], "a")
    workspace.undo(set_id)
    assert workspace.undo(set_id) is None


def test_doing_something_else_forgets_what_could_be_redone(workspace):
    set_id, ids = filled(workspace, 2)
    type_in(workspace, set_id, ids[0], "a")
    type_in(workspace, set_id, ids[1], "b")
    workspace.undo(set_id)
    type_in(workspace, set_id, ids[0], "ab")
    assert workspace.redo(set_id) is None
    assert texts(workspace, set_id) == ["ab", None]


def test_an_undo_of_another_entry_than_the_one_shown_is_refused(workspace):
    set_id, ids = filled(workspace, 2)
    type_in(workspace, set_id, ids[0], "a")
    shown = workspace.changes_since(set_id, 0).undo.id
    type_in(workspace, set_id, ids[1], "b")
    with pytest.raises(StoreError, match="something else was done meanwhile"):
        workspace.undo(set_id, expected=shown)
    assert texts(workspace, set_id) == ["a", "b"]
    assert workspace.undo(set_id, expected=workspace.history(set_id)[0].id).picture_ids == (ids[1],)


def test_sets_have_journals_of_their_own(workspace):
    first, ids = filled(workspace, 1)
    second, others = filled(workspace, 1)
    type_in(workspace, first, ids[0], "a")
    type_in(workspace, second, others[0], "b")
    type_in(workspace, first, ids[0], "ab")
    workspace.undo(first)
    assert (texts(workspace, first), texts(workspace, second)) == ([None], ["b"])


def test_undo_and_redo_survive_restarts(tmp_path):
    with Workspace(tmp_path) as workspace:
        set_id, ids = filled(workspace, 2)
        type_in(workspace, set_id, ids[0], "a", "a cat")
        workspace.put_layers(set_id, [said(ids[1], "first")], run_id="1")
        workspace.put_layers(set_id, [said(ids[1], "second")], run_id="2")
        workspace.set_settings(set_id, {"num_beams": 5})
        workspace.remove_pictures(set_id, ids[:1])
    for expected in ("remove", "settings", "run", "run", "edit", None):
        with Workspace(tmp_path) as workspace:
            change = workspace.undo(set_id)
            assert (change and change.entry.kind) == expected
    with Workspace(tmp_path) as workspace:
        assert (texts(workspace, set_id), sentences(workspace, set_id)) == ([None, None], [None, None])
        assert workspace.settings(set_id) == {}
    for _ in range(5):
        with Workspace(tmp_path) as workspace:
            workspace.redo(set_id)
    with Workspace(tmp_path) as workspace:
        assert [view.id for view in workspace.views(set_id)] == ids[1:]
        assert workspace.removed(set_id)[0].text == "a cat"
        assert sentences(workspace, set_id) == ["second"]
        assert workspace.settings(set_id) == {"num_beams": 5}


# Settings


def test_a_dragged_slider_is_one_step_and_another_setting_a_new_one(workspace, clock):
    set_id = workspace.create_set()
    workspace.set_settings(set_id, {"num_beams": 3, "top_p": 0.9})
    clock.now += 60
    for beams in (4, 5, 6):
        clock.now += 0.3
        workspace.set_settings(set_id, {"num_beams": beams, "top_p": 0.9})
    workspace.set_settings(set_id, {"num_beams": 6, "top_p": 0.5})
    assert len(workspace.history(set_id)) == 3
    workspace.undo(set_id)
    assert workspace.settings(set_id) == {"num_beams": 6, "top_p": 0.9}
    workspace.undo(set_id)
    assert workspace.settings(set_id) == {"num_beams": 3, "top_p": 0.9}
    workspace.redo(set_id)
    assert workspace.settings(set_id) == {"num_beams": 6, "top_p": 0.9}


def test_a_slider_moved_again_later_is_a_new_step_and_dragged_back_none(workspace, clock):
    set_id = workspace.create_set()
    workspace.set_settings(set_id, {"num_beams": 3})
    clock.now += 60
    workspace.set_settings(set_id, {"num_beams": 5})
    workspace.set_settings(set_id, {"num_beams": 3})
    assert len(workspace.history(set_id)) == 1
    clock.now += 60
    workspace.set_settings(set_id, {"num_beams": 4})
    clock.now += 60
    workspace.set_settings(set_id, {"num_beams": 5})
    assert len(workspace.history(set_id)) == 3


def test_settings_changed_in_two_ways_are_two_steps_however_quick(workspace, clock):
    set_id = workspace.create_set()
    workspace.set_settings(set_id, {"ignore": "hat"}, label="Ignore hat")
    workspace.set_settings(set_id, {"ignore": "hat, shoe"}, label="Ignore shoe")
    workspace.set_settings(set_id, {"ignore": "hat, shoe, cat"})
    assert [entry.label for entry in workspace.history(set_id)] == ["Settings", "Ignore shoe", "Ignore hat"]
    workspace.undo(set_id)
    workspace.undo(set_id)
    assert workspace.settings(set_id) == {"ignore": "hat"}


def test_equal_settings_are_no_step(workspace):
    set_id = workspace.create_set()
    workspace.set_settings(set_id, {"num_beams": 3, "clip": ""})
    workspace.set_settings(set_id, {"clip": "", "num_beams": 3})
    assert len(workspace.history(set_id)) == 1


# Removal


def test_removed_pictures_come_back_with_everything(workspace):
    set_id, ids = filled(workspace, 3)
    type_in(workspace, set_id, ids[0], "mine")
    workspace.put_layers(set_id, [said(ids[0], "a cat")], failures={ids[1]: Failure("x", "y.")})
    before = [view._replace(equal_to="") for view in workspace.views(set_id)]
    change = workspace.remove_pictures(set_id, ids[:2])
    assert (change.entry.kind, change.entry.picture_count) == ("remove", 2)
    assert [view.id for view in workspace.views(set_id)] == ids[2:]
    assert workspace.picture_bytes(set_id, ids[0])
    assert workspace.thumbnail_bytes(set_id, ids[0])
    workspace.undo(set_id)
    assert [view._replace(equal_to="") for view in workspace.views(set_id)] == before
    workspace.redo(set_id)
    assert [view.id for view in workspace.removed(set_id)] == ids[:2]
    workspace.restore_pictures(set_id, ids)
    assert [view._replace(equal_to="") for view in workspace.views(set_id)] == before


def test_layers_that_arrive_for_a_removed_picture_are_there_when_it_is_back(workspace):
    set_id, ids = filled(workspace, 2)
    workspace.put_layers(set_id, [said(ids[0], "a cat")], run_id="1")
    workspace.remove_pictures(set_id, ids[1:])
    workspace.put_layers(set_id, [said(ids[1], "a dog")], run_id="1")
    workspace.undo(set_id)
    assert sentences(workspace, set_id) == ["a cat", "a dog"]


# Runs


def test_a_run_is_one_step_however_many_calls_it_takes(workspace):
    set_id, ids = filled(workspace, 4)
    workspace.put_layers(set_id, [said(picture_id, "old") for picture_id in ids], run_id="1", label="Caption all")
    for picture_id in ids:
        workspace.put_layers(set_id, [said(picture_id, "new"), tagged(picture_id, "x")], run_id="2")
    entries = workspace.history(set_id)
    assert [(entry.kind, entry.picture_count) for entry in entries] == [("run", 4), ("run", 4)]
    workspace.undo(set_id)
    assert list(workspace.all_layers(set_id)) == [(picture_id, (said(picture_id, "old"),)) for picture_id in ids]
    workspace.undo(set_id)
    assert sentences(workspace, set_id) == [None] * 4
    workspace.redo(set_id)
    workspace.redo(set_id)
    assert sentences(workspace, set_id) == ["new"] * 4


def test_undoing_a_run_leaves_edits_and_revisions(workspace):
    set_id, ids = filled(workspace, 2)
    type_in(workspace, set_id, ids[0], "mine")
    workspace.put_layers(set_id, [said(picture_id, "x") for picture_id in ids], run_id="1")
    workspace.undo(set_id)
    assert [(view.text, view.revision, view.state) for view in workspace.views(set_id)] == [
        ("mine", 1, "edited"),
        (None, 0, "empty"),
    ]


def test_an_edit_during_a_run_is_undone_without_the_run_and_can_be_redone(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.put_layers(set_id, [said(ids[0], "x")], run_id="1")
    type_in(workspace, set_id, ids[0], "mine")
    workspace.put_layers(set_id, [said(ids[1], "x")], run_id="1")
    workspace.undo(set_id)
    workspace.put_layers(set_id, [said(ids[2], "x")], run_id="1")
    assert (texts(workspace, set_id), sentences(workspace, set_id)) == ([None] * 3, ["x"] * 3)
    workspace.redo(set_id)
    assert texts(workspace, set_id) == ["mine", None, None]
    workspace.undo(set_id)
    workspace.undo(set_id)
    assert sentences(workspace, set_id) == [None] * 3


def test_a_run_undone_while_it_goes_on_stays_undone_and_comes_back_whole(workspace):
    set_id, ids = filled(workspace, 3)
    workspace.put_layers(set_id, [said(ids[0], "x")], run_id="1")
    workspace.undo(set_id)
    workspace.put_layers(set_id, [said(ids[1], "x")], run_id="1")
    workspace.put_layers(set_id, [said(ids[2], "x")], run_id="1")
    assert sentences(workspace, set_id) == [None] * 3
    workspace.redo(set_id)
    assert sentences(workspace, set_id) == ["x"] * 3


def test_two_runs_at_once_are_undone_in_the_order_in_which_their_layers_came(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.put_layers(set_id, [tagged(ids[0], "t")], run_id="1")
    workspace.put_layers(set_id, [said(ids[0], "of two")], run_id="2")
    workspace.put_layers(set_id, [said(ids[0], "of one")], run_id="1")
    workspace.put_layers(set_id, [said(ids[0], "of one again")], run_id="1")
    assert len(workspace.history(set_id)) == 3
    workspace.undo(set_id)
    assert sentences(workspace, set_id) == ["of two"]
    workspace.undo(set_id)
    assert workspace.layers(set_id, ids[0]) == (tagged(ids[0], "t"),)
    workspace.redo(set_id)
    workspace.redo(set_id)
    assert sentences(workspace, set_id) == ["of one again"]


def test_layers_nobody_can_bring_back_are_deleted(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.put_layers(set_id, [said(ids[0], "kept")], run_id="1")
    workspace.put_layers(set_id, [said(ids[0], "gone")], run_id="2")
    workspace.undo(set_id)
    type_in(workspace, set_id, ids[0], "x")
    with workspace._database.read() as db:
        assert db.execute("SELECT COUNT(*) FROM layers").fetchone()[0] == 1
    assert sentences(workspace, set_id) == ["kept"]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_was_done_undoing_all_gives_the_beginning_and_redoing_all_the_end(workspace, clock, seed):
    rng = random.Random(seed)
    set_id, ids = filled(workspace, 5)

    def state():
        everything = [*workspace.views(set_id), *workspace.removed(set_id)]
        return (
            {view.id: (view.text, view.existing) for view in everything},
            [view.id for view in workspace.views(set_id)],
            dict(workspace.all_layers(set_id)),
            workspace.settings(set_id),
        )

    def present():
        return [view.id for view in workspace.views(set_id)]

    def do(number):
        some = rng.sample(present(), min(3, len(present())))
        match rng.choice(
            ["type", "bulk", "run", "run", "settings", "remove", "restore", "undo", "undo", "redo", "import"]
        ):
            case "type" if some:
                text = rng.choice([None, "", f"typed {number}"])
                type_in(workspace, set_id, some[0], text, is_autosave=rng.random() < 0.7)
            case "bulk" if some:
                workspace.apply_edits(set_id, dict.fromkeys(some, f"bulk {number}"), "Bulk")
            case "run":
                layers = [rng.choice([said, tagged])(picture_id, f"run {number}") for picture_id in rng.sample(ids, 2)]
                workspace.put_layers(set_id, layers, run_id=rng.choice("ABC"))
            case "settings":
                clock.now += rng.choice([0.1, 10])
                workspace.set_settings(set_id, {"num_beams": rng.randrange(5)})
            case "remove" if some:
                workspace.remove_pictures(set_id, some[:1])
            case "restore":
                workspace.restore_pictures(set_id, rng.sample(ids, 2))
            case "import" if some:
                workspace.set_existing(set_id, {some[0]: f"file {number}"})
            case "undo":
                workspace.undo(set_id)
            case "redo":
                workspace.redo(set_id)

    beginning = state()
    for number in range(150):
        do(number)
    while workspace.redo(set_id):
        pass
    end = state()
    for _ in range(2):
        undone = 0
        while workspace.undo(set_id):
            undone += 1
        assert state() == beginning
        assert undone > 3
        while workspace.redo(set_id):
            pass
        assert state() == end
    with workspace._database.read() as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
