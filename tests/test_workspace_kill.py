"""Killed with SIGKILL while saving, again and again: nothing that was acknowledged may be missing afterwards.

A kill shows a store that acknowledges too early; it cannot show a missing fsync, since the system keeps what a dead
process wrote. That is why test_workspace_database asserts the PRAGMAs.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from captioner.workspace import Workspace
from tests.workspace_kill_child import text_of
from tests.workspace_makers import filled

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no fork")
CHILD = Path(__file__).with_name("workspace_kill_child.py")


class Saver:
    """The child process that starts saving processes, to be killed."""

    def __init__(self, rng, store, work, folder, set_id, ids):
        self._rng = rng
        self._child = subprocess.Popen(
            [sys.executable, str(CHILD), store, work, str(folder), set_id, *ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._child.communicate()

    def acknowledged_until_killed(self):
        """What a process said it had saved before SIGKILL: (word, number) each.

        It is killed up to 5 ms after one of its first ten answers, which is somewhere within a save.
        """
        self._child.stdin.write("go\n")
        self._child.stdin.flush()
        begun = []
        wanted = 2 + self._rng.randint(0, 10)  # "pid", "open" and so many answers
        while len(begun) < wanted or not any(line[0] == "pid" for line in begun):
            begun.append(self._child.stdout.readline().split())
            assert begun[-1] not in ([], ["gone"]), "the saving process ended by itself"
        pid = next(int(line[1]) for line in begun if line[0] == "pid")
        time.sleep(self._rng.uniform(0, 0.005))
        os.kill(pid, signal.SIGKILL)
        lines = [*begun, *(line.split() for line in iter(self._child.stdout.readline, "gone\n"))]
        return [(word, int(number)) for word, number in (line for line in lines if line[0] not in ("open", "pid"))]


def rounds_of_edits(folder, store, rounds, seed):
    """Kill `rounds` children that edit. Returns: acknowledged edits, and those of them that were lost."""
    rng = random.Random(seed)
    with Workspace(folder) as workspace:
        set_id, ids = filled(workspace, 5)
    count, lost = 0, []
    with Saver(rng, store, "edits", folder, set_id, ids) as saver:
        for _ in range(rounds):
            said = saver.acknowledged_until_killed()
            count += len(said)
            last = dict(said)
            with Workspace(folder) as workspace:
                views = workspace.views(set_id)
            for view in views:
                assert view.text == (text_of(view.id, view.revision) if view.revision else None)
                if view.revision < last.get(view.id, 0):
                    lost.append((view.id, last[view.id], view.revision))
                # At most the one save whose acknowledgement the kill cut off may be there beside.
                assert store == "hasty" or view.id not in last or view.revision <= last[view.id] + 1
    with Workspace(folder) as workspace:  # the journal knows of every edit that is there
        while workspace.undo(set_id):
            pass
        assert {view.text for view in workspace.views(set_id)} == {None}
    return count, lost


@pytest.mark.slow
def test_200_kills_during_saves_lose_no_acknowledged_edit(tmp_path):
    count, lost = rounds_of_edits(tmp_path, "durable", rounds=200, seed=1)
    assert lost == []
    assert count > 500


def test_the_same_kills_show_a_store_that_acknowledges_before_it_commits(tmp_path):
    count, lost = rounds_of_edits(tmp_path, "hasty", rounds=5, seed=2)
    assert count > 5
    assert lost


def test_a_bulk_change_killed_on_the_way_is_whole_or_not_there(tmp_path):
    rng = random.Random(3)
    with Workspace(tmp_path) as workspace:
        set_id, ids = filled(workspace, 300)
    with Saver(rng, "durable", "bulk", tmp_path, set_id, ids) as saver:
        for _ in range(15):
            said = saver.acknowledged_until_killed()
            with Workspace(tmp_path) as workspace:
                views = workspace.views(set_id)
            assert len({(view.text, view.revision) for view in views}) == 1
            assert views[0].revision >= max((number for _, number in said), default=0)


def test_cells_and_ratings_that_were_acknowledged_are_there_after_a_kill(tmp_path):
    rng = random.Random(4)
    with Workspace(tmp_path) as workspace:
        set_id, ids = filled(workspace, 1)
    with Saver(rng, "durable", "lab", tmp_path, set_id, ids) as saver:
        for _ in range(10):
            last = dict(saver.acknowledged_until_killed())
            with Workspace(tmp_path) as workspace:
                for sweep, number in last.items():
                    cells = workspace.lab.cells(set_id, sweep)
                    assert [cell.content for cell in cells][:number] == [{"at": at + 1} for at in range(number)]
                    assert len(cells) <= number + 1
                    assert workspace.lab.sweep(set_id, sweep).rated >= number
    with Workspace(tmp_path) as workspace:
        assert workspace.lab.ratings(set_id).damaged == 0
        while workspace.undo(set_id):
            pass
        assert {one.rating for one in workspace.lab.ratings(set_id).whole} == {None}
