"""Many threads at once, as the page's handlers and the worker are."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from captioner.workspace import Workspace
from tests.workspace_makers import filled, png, said, tagged

THREADS = 8


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path) as opened:
        yield opened


def together(do):
    """Call do(number) on eight threads that start at the same moment. Returns: what they returned."""
    barrier = threading.Barrier(THREADS)

    def started(number):
        barrier.wait()
        return do(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(started, range(THREADS)))


def test_threads_that_save_different_pictures_all_succeed(workspace):
    set_id, ids = filled(workspace, THREADS)

    def save(number):
        return [workspace.save_edit(set_id, ids[number], f"{number} {turn}", turn) for turn in range(25)]

    for answers in together(save):
        assert [(answer.ok, answer.revision) for answer in answers] == [(True, turn + 1) for turn in range(25)]
    assert [view.text for view in workspace.views(set_id)] == [f"{number} 24" for number in range(THREADS)]
    while workspace.undo(set_id):
        pass
    assert {view.text for view in workspace.views(set_id)} == {None}


def test_of_threads_that_save_one_picture_on_one_revision_exactly_one_wins(workspace):
    set_id, ids = filled(workspace, 1)
    for turn in range(25):
        answers = together(lambda number, turn=turn: workspace.save_edit(set_id, ids[0], f"{turn} by {number}", turn))
        winners = [number for number, answer in enumerate(answers) if answer.ok]
        assert len(winners) == 1
        stored = f"{turn} by {winners[0]}"
        assert {answer.conflict for answer in answers if not answer.ok} == {stored}
        assert {answer.revision for answer in answers} == {turn + 1}
        assert workspace.view(set_id, ids[0]).text == stored


def test_threads_that_rebase_after_a_conflict_lose_no_word(workspace):
    set_id, ids = filled(workspace, 1)
    workspace.save_edit(set_id, ids[0], "", 0)

    def add_words(number):
        for turn in range(10):
            text, revision = "", 1
            while True:
                answer = workspace.save_edit(set_id, ids[0], f"{text} {number}-{turn}".strip(), revision)
                if answer.ok:
                    break
                text, revision = answer.conflict, answer.revision

    together(add_words)
    view = workspace.view(set_id, ids[0])
    assert sorted(view.text.split()) == sorted(f"{number}-{turn}" for number in range(THREADS) for turn in range(10))
    assert view.revision == 1 + THREADS * 10


def test_a_reader_waits_for_no_writer_and_sees_whole_changes_only(workspace):
    set_id, ids = filled(workspace, 200)
    with workspace._database.write():  # a writer that takes its time
        assert len(workspace.views(set_id)) == 200
        assert workspace.changes_since(set_id, 0).views
        assert dict(workspace.all_layers(set_id))[ids[0]] == ()

    def work(number):
        if number < 2:
            for turn in range(10):
                workspace.apply_edits(set_id, dict.fromkeys(ids, f"{number} {turn}"), "Bulk")
            return set()
        return {len({view.text for view in workspace.views(set_id)}) for _ in range(20)}

    assert set().union(*together(work)) == {1}


def test_layers_edits_uploads_undo_and_readers_at_once_leave_a_sound_set(workspace):
    set_id, ids = filled(workspace, 20)
    data = png("blue")

    def work(number):
        rng = random.Random(number)
        for turn in range(25):
            picture_id = rng.choice(ids)
            match number:
                case 0 | 1:
                    layers = [said(picture_id, f"{turn}"), tagged(picture_id, f"label {turn}", "cat")]
                    workspace.put_layers(set_id, layers, run_id=f"run {number}")
                case 2 | 3:
                    view = workspace.view(set_id, picture_id)
                    workspace.save_edit(set_id, picture_id, f"{number} {turn}", view.revision)
                case 4:
                    workspace.add_picture(set_id, f"{turn}.png", data)
                case 5:
                    (workspace.undo if turn % 2 else workspace.redo)(set_id)
                case 6:
                    for found, layers in workspace.all_layers(set_id):
                        assert all(layer.picture_id == found for layer in layers)
                case 7:
                    version = workspace.changes_since(set_id, 0).version
                    assert workspace.changes_since(set_id, version).version >= version

    together(work)
    assert len(workspace.views(set_id)) == 45
    with workspace._database.read() as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    while workspace.undo(set_id):
        pass
    assert all(layers == () for _, layers in workspace.all_layers(set_id))
    assert {view.text for view in workspace.views(set_id)} == {None}


def test_a_tab_that_follows_the_versions_ends_with_what_is_there(workspace):
    """Eight writers; a follower that only asks for changes has the same pictures as one that reads all."""
    set_id, ids = filled(workspace, 30)
    done = threading.Event()
    followed = {}

    def follow():
        version = 0
        while True:
            is_last = done.is_set()
            changes = workspace.changes_since(set_id, version)
            assert changes.version >= version
            version = changes.version
            followed.update({view.id: view for view in changes.views})
            for picture_id in changes.removed:
                followed.pop(picture_id, None)
            if is_last:
                return

    def write(number):
        rng = random.Random(number)
        for turn in range(20):
            picture_id = rng.choice(ids[: len(ids) // 2])
            match rng.randrange(4):
                case 0:
                    revision = workspace.view(set_id, picture_id).revision
                    workspace.save_edit(set_id, picture_id, f"{number} {turn}", revision)
                case 1:
                    workspace.put_layers(set_id, [said(picture_id, f"{number} {turn}")])
                case 2:
                    workspace.undo(set_id)
                case 3:
                    workspace.remove_pictures(set_id, [rng.choice(ids[len(ids) // 2 :])])

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        together(write)
    finally:
        done.set()
        follower.join()
    assert {picture_id: view._replace(equal_to="") for picture_id, view in followed.items()} == {
        view.id: view._replace(equal_to="") for view in workspace.views(set_id)
    }
