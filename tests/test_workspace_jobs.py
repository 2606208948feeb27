"""captioner.workspace.jobs: what was asked for outlives the process, and a damaged row asks for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import UnknownSet
from captioner.workspace import Workspace
from captioner.workspace.jobs import KEPT


def test_a_job_is_kept_with_what_was_asked_for_and_how_it_ended(tmp_path: Path) -> None:
    asked = {"settings": {"num_beams": 5}, "pictures": None}
    with Workspace(tmp_path, clock=lambda: 100.0) as workspace:
        set_id, other = workspace.create_set(), workspace.create_set()
        first = workspace.jobs.begin(set_id, "caption", asked, 300)
        workspace.jobs.note(first, done=120, failed=2)
        workspace.jobs.end(first, "done", done=298, failed=2, message="no picture")
        workspace.jobs.begin(other, "read", {}, 5)
        with pytest.raises(UnknownSet):
            workspace.jobs.begin("nobody", "caption", {}, 1)
    with Workspace(tmp_path) as workspace:
        [job] = workspace.jobs.of_set(set_id)
        assert (job.set_id, job.kind, job.request, job.total) == (set_id, "caption", asked, 300)
        assert (job.state, job.done, job.failed, job.message) == ("done", 298, 2, "no picture")
        assert (job.created_at, job.ended_at) == (100.0, 100.0)


def test_what_ran_when_the_process_died_is_interrupted_as_far_as_it_was(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id = workspace.create_set()
        ended = workspace.jobs.begin(set_id, "caption", {}, 10)
        workspace.jobs.end(ended, "done", done=10, failed=0)
        key = workspace.jobs.begin(set_id, "caption", {"pictures": ["a"]}, 300)
        workspace.jobs.note(key, done=120, failed=1)
    with Workspace(tmp_path) as workspace:
        [job] = workspace.jobs.interrupt()
        assert (job.key, job.state, job.done, job.failed, job.ended_at) == (key, "interrupted", 120, 1, None)
        workspace.jobs.rename_state(key, "resumed")
        assert workspace.jobs.interrupt() == ()
        assert [job.state for job in workspace.jobs.of_set(set_id)] == ["resumed", "done"]


def test_a_number_is_never_used_twice_and_old_jobs_are_forgotten(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id = workspace.create_set()
        keys = []
        for _ in range(KEPT + 3):
            keys.append(workspace.jobs.begin(set_id, "caption", {}, 1))
            workspace.jobs.end(keys[-1], "done", done=1, failed=0)
        kept = [job.key for job in workspace.jobs.of_set(set_id)]
        assert kept == keys[::-1][:KEPT]
        workspace.delete_set(set_id)
        workspace.jobs.end(keys[-1], "done", done=1, failed=0)  # of a set that is gone
        assert workspace.jobs.begin(workspace.create_set(), "caption", {}, 1) > keys[-1]


def test_a_damaged_row_has_no_request(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        set_id = workspace.create_set()
        key = workspace.jobs.begin(set_id, "caption", {"pictures": None}, 3)
        with workspace._database.write() as db:
            db.execute("UPDATE jobs SET request = ? WHERE key = ?", ('{"pictures": ["x"]}', key))
        [job] = workspace.jobs.interrupt()
        assert job.request is None
