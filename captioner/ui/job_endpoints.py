"""The HTTP API's endpoints about jobs: how far one is, stopping it, those of a set, going on after the app ended.

A job's id carries its set's. As `api`, which adds them; the functions' docstrings are the endpoints' descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from captioner.errors import CaptionerError, UnknownSet
from captioner.limits import MAX_NAME_LENGTH
from captioner.service.sending import refuse_unasked
from captioner.service.service import Service
from captioner.ui.asked import Shape, flag, identifier, optional, text

JOB_SHAPES: Mapping[str, Shape] = {
    "job": Shape(job_id=text(MAX_NAME_LENGTH)),
    "cancel_job": Shape(job_id=text(MAX_NAME_LENGTH)),
    "jobs": Shape(set_id=identifier),
    "resume_job": Shape(job_id=text(MAX_NAME_LENGTH), send_pictures=optional(flag, False)),
    "retry_failed": Shape(set_id=identifier, send_pictures=optional(flag, False)),
}
"""What each endpoint takes, by the names of its function's parameters."""


def job_functions(service: Service) -> tuple[Callable[..., Any], ...]:
    """The endpoints' functions, named as they are."""

    def job(job_id: str) -> dict:  # type: ignore[type-arg]
        """How far a job is: {"state", "done", "total", "failed", "place", "seconds_left"}; done counts no failed ones.

        state: waiting, running, done, cancelled or failed; of a job that the app's end cut off interrupted, then
        resumed or left. place: null or {"number": whose turn it is, 1 for the next, "jobs": how many share the machine,
        or the server, itself among them}. seconds_left: a forecast, null where there is none.
        """
        found = _job(service, job_id)
        plain = {name: found.get(name) for name in ("state", "total", "failed", "place", "seconds_left")}
        return {**plain, "done": found["done"] - found["failed"]}

    def cancel_job(job_id: str) -> dict:  # type: ignore[type-arg]
        """Stops a job before its next picture; what is done stays. Returns what `/job` returns."""
        _job(service, job_id)
        service.jobs.cancel(*_parts(job_id))
        return job(job_id)

    def jobs(set_id: str) -> list:  # type: ignore[type-arg]
        """The set's last 100 jobs, the newest first: [{"id", "kind", "state", "done", "total", "failed", "message",
        "started_at", "ended_at", "models", "settings": those that differ from the defaults}].

        kind: caption, prepare, read, suggest or sweep. done counts the failed ones too. Times are seconds since 1970.
        """
        return [{**row, "id": f"{set_id}.{row['id']}"} for row in service.jobs.told(set_id)["jobs"]]

    def resume_job(job_id: str, send_pictures: bool = False) -> str:
        """Goes on with the set's last job that the app's end cut off; returns the new job's id, "" if all is done.

        send_pictures: as for /caption_picture.
        """
        set_id, number = _parts(job_id)
        refuse_unasked(service.jobs.resumed_request(set_id, number), may_send=send_pictures)
        begun = service.jobs.resume(set_id, number)["job"]
        return f"{set_id}.{begun['id']}" if begun else ""

    def retry_failed(set_id: str, send_pictures: bool = False) -> str:
        """Captions the pictures that failed once more, under the set's settings; the job's id, "" if none failed.

        send_pictures: as for /caption_picture.
        """
        refuse_unasked(service.jobs.asked_models(set_id, None), may_send=send_pictures)
        begun = service.jobs.retry_failed(set_id)["job"]
        return f"{set_id}.{begun['id']}" if begun else ""

    return (job, cancel_job, jobs, resume_job, retry_failed)


def _parts(job_id: str) -> tuple[str, str]:
    """The ids of a job's set, and of the job in it."""
    set_id, _, number = job_id.rpartition(".")
    return set_id, number


def _job(service: Service, job_id: str) -> dict[str, Any]:
    try:
        found = service.jobs.report(*_parts(job_id))
    except UnknownSet:
        found = None
    if found is None:
        raise CaptionerError("there is no such job; the last hundred of each set are kept.", code="unknown_job")
    return found
