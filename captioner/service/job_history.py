"""The jobs of a set as they are kept: begun, noted while they go on, ended, offered again after the app went down.

Starts nothing: `jobs` asks it what to ask for again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, StoreError
from captioner.service.choices import Choices
from captioner.worker import Job
from captioner.workspace import Workspace
from captioner.workspace.jobs import INTERRUPTED, StoredJob

_log = logging.getLogger(__name__)

_NOTED_EVERY_S = 1.0
RESUMED, LEFT = "resumed", "left"

_DOING: Mapping[str, str] = {
    "caption": "captioning a set",
    "prepare": "preparing models",
    "read": "reading captions for doubtful words",
    "suggest": "the search for better settings",
    "sweep": "a comparison",
}


class JobHistory:
    """Of all sets."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices
        self._lock = threading.Lock()
        self._interrupted = {job.set_id: job for job in workspace.jobs.interrupt()}  # the newest of each set

    @property
    def sentences(self) -> tuple[str, ...]:
        """Of the jobs that the app's last end has cut off; without the names of sets."""
        with self._lock:
            return tuple(
                f"{_DOING.get(job.kind, 'a job')} stopped{_far(job)} when Captioner ended; its set offers to "
                f"{'search again' if job.kind == 'suggest' else 'go on'}."
                for job in self._interrupted.values()
            )

    def begin(self, set_id: str, kind: str, request: Mapping[str, Any], total: int) -> int:
        """Keep a job that begins, and offer what was cut off before it no more. Returns: its key."""
        self.leave(set_id)
        return self._workspace.jobs.begin(set_id, kind, request, total)

    def noting(self, key: int, steps: Iterable[Any], job: Callable[[], Job | None]) -> Iterator[Any]:
        """The same steps; now and then it is kept how far they are. Args: job: the job, once it is known."""
        noted_s = time.monotonic()
        iterator = iter(steps)
        try:
            for result in iterator:
                yield result
                now_s, going_on = time.monotonic(), job()
                if going_on is not None and now_s - noted_s >= _NOTED_EVERY_S:
                    noted_s = now_s
                    self._workspace.jobs.note(key, done=going_on.done, failed=going_on.failed)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def ended(self, key: int, job: Job) -> None:
        """Keep how a job ended. One that nobody stopped and that is not through was cut off with the app."""
        state = INTERRUPTED if job.state == "cancelled" and not job.is_cancel_asked else job.state
        try:
            self._workspace.jobs.end(key, state, done=job.done, failed=job.failed, message=job.message)
        except StoreError as error:
            _log.warning("the end of a job could not be kept: %s", error)

    def interrupted(self, set_id: str) -> dict[str, Any] | None:
        """The set's job that can be gone on with, as `of_set` has it; None where there is none."""
        with self._lock:
            job = self._interrupted.get(set_id)
        return None if job is None else self._described(job)

    def take_interrupted(self, set_id: str, job_id: str) -> StoredJob:
        """A job that was cut off, to be gone on with. Raises: CaptionerError: there is no such one."""
        with self._lock:
            job = self._interrupted.get(set_id)
        if job is None or str(job.key) != job_id or job.request is None:
            raise CaptionerError(
                "there is no such job to go on with; start captioning again, which passes over what is done.",
                code="unknown_job",
            )
        return job

    def leave(self, set_id: str, state: str = LEFT) -> None:
        """Offer the set's job that was cut off no more."""
        with self._lock:
            job = self._interrupted.pop(set_id, None)
        if job is not None:
            self._workspace.jobs.rename_state(job.key, state)

    def find(self, set_id: str, job_id: str) -> dict[str, Any] | None:
        """A job of the set, as `of_set` has it; None where there is no such one."""
        stored = self._workspace.jobs.of_set(set_id)
        return next((self._described(job) for job in stored if str(job.key) == job_id), None)

    def of_set(self, set_id: str) -> list[dict[str, Any]]:
        """The set's jobs, the newest first, as JSON has them; done counts the failed ones too.

        state: running, interrupted, resumed (it was interrupted, and a later job went on with it), left, done,
        cancelled or failed. settings: those that differ from the defaults, by name. models: their names.
        Raises: UnknownSet.
        """
        return [self._described(job) for job in self._workspace.jobs.of_set(set_id)]

    def _described(self, job: StoredJob) -> dict[str, Any]:
        flat = (job.request or {}).get("settings")
        plan = Plan.from_stored(flat, self._choices.models) if flat else None
        defaults = self._choices.default_flat
        own = plan.to_flat() if plan else {}
        return {
            "id": str(job.key),
            "kind": job.kind,
            "state": job.state,
            "done": job.done + job.failed,
            "total": job.total,
            "failed": job.failed,
            "message": job.message[:1].upper() + job.message[1:],
            "started_at": job.created_at,
            "ended_at": job.ended_at,
            "models": [planned.model for planned in plan.running()] if plan else [],
            "settings": {
                name: value
                for name, value in own.items()
                if name in defaults and value != defaults[name] and name not in self._choices.model_keys
            },
        }


def _far(job: StoredJob) -> str:
    done = job.done + job.failed
    return f" at {done:,} of {job.total:,}" if done else ""
