"""Long work on a set: captioning its pictures, preparing models and what others hand in, started, told about, stopped.

A job goes on when its tab closes, lets a person's own questions and other sets' jobs in between its steps, and keeps
what it finished. Each set has one at a time. Composes no caption and changes no edit.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from captioner.captions.layers import due, existing_due, layer_kind
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError
from captioner.models.manager import ModelManager
from captioner.service.captioning import Captioning, Run, Todo
from captioner.service.choices import Choices
from captioner.service.job_history import RESUMED, JobHistory
from captioner.service.pictures import Pictures
from captioner.service.preparing import Preparations
from captioner.service.shares import Shares
from captioner.worker import Job, MoveTo, Pause, PreparationProgress, Worker
from captioner.workspace import Workspace
from captioner.workspace.records import View

JobKind = Literal["caption", "prepare", "read", "suggest", "sweep"]
Resume = Callable[[str, Mapping[str, Any]], Any]
"""Begins a kind of job again: of a set, by what was asked for."""

_DOING: Mapping[str, str] = {
    "caption": "captioned",
    "prepare": "prepared for",
    "read": "read for doubtful words",
    "suggest": "searched for better settings",
    "sweep": "captioned with many settings",
}


class Jobs:
    """The jobs of all sets since the app started."""

    def __init__(
        self,
        workspace: Workspace,
        worker: Worker,
        manager: ModelManager,
        choices: Choices,
        pictures: Pictures,
        shares: Shares,
    ) -> None:
        self._shares = shares
        self._workspace = workspace
        self._worker = worker
        self._choices = choices
        self._preparations = Preparations(manager)
        self._captioning = Captioning(workspace, manager, pictures, self._preparations)
        self._starting = threading.Lock()
        self.history = JobHistory(workspace, choices)
        self.resumes: dict[JobKind, Resume] = {
            "caption": lambda set_id, asked: self.start_plan(
                set_id,
                asked["pictures"],
                self._stored(asked),
                downloads=asked["downloads"],
                all_kinds=asked["all_kinds"],
            ),
            "prepare": lambda set_id, asked: self._prepare(set_id, self._stored(asked), published=asked["published"]),
        }

    def start(
        self,
        set_id: str,
        picture_ids: Sequence[str] | None,
        values: Mapping[str, Any] | None,
        *,
        downloads: bool = False,
        all_kinds: bool = False,
    ) -> dict[str, Any]:
        """Caption all pictures of a set (None) or some; goes on when the page is closed.

        Pictures whose layers these settings made already are passed over. Edits stay; the new text stands beside them.
        Args: downloads: fetch models that are not on this machine first, as the person was asked. all_kinds: make the
            captions of every kind that the set has; else of the one in front.
        Returns: {"job": as `newest`, None when there was nothing to do}.
        Raises: CaptionerError: a job of this set is going on already, or a model is not there.
        """
        return self.start_plan(
            set_id,
            picture_ids,
            self._choices.stored_plan(set_id) if values is None else self._choices.plan_of(values),
            downloads=downloads,
            all_kinds=all_kinds,
        )

    def start_preparation(self, set_id: str, values: Mapping[str, Any], *, published: bool) -> dict[str, Any]:
        """Prepare the models of the page's settings, as a job without pictures.

        Args: published: fetch what others have published instead of computing it; asks the hub.
        Returns, raises: as `start`.
        """
        return self._prepare(set_id, self._choices.plan_of(values), published=published)

    def _prepare(self, set_id: str, plan: Plan, *, published: bool) -> dict[str, Any]:
        request = {"settings": plan.to_flat(), "published": published}
        return self.start_steps(set_id, "prepare", self.preparing(plan, published=published), total=0, request=request)

    def start_steps(
        self, set_id: str, kind: JobKind, steps: Iterable[Any], *, total: int, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Begin other work on a set.

        Args: steps, total: as `Worker.start`. request: what `resumes` of this kind asks for again, as JSON has it;
            where it has "settings", a flat mapping, they are told of the job.
        Returns, raises: as `start`.
        """
        with self._starting:
            self._refuse_second_job(set_id)
            return {"job": self._begin(set_id, kind, steps, total, request)}

    def _begin(
        self, set_id: str, kind: JobKind, steps: Iterable[Any], total: int, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = self.history.begin(set_id, kind, request, total)
        begun: list[Job] = []
        job = self._worker.start(
            self.history.noting(key, steps, lambda: begun[0] if begun else None),
            total=total,
            owner=set_id,
            kind=kind,
            job_id=str(key),
            on_end=functools.partial(self.history.ended, key),
        )
        begun.append(job)
        return _job_report(self._worker, job)

    def start_plan(
        self,
        set_id: str,
        picture_ids: Sequence[str] | None,
        plan: Plan,
        *,
        downloads: bool = False,
        all_kinds: bool = False,
    ) -> dict[str, Any]:
        """As `start`, for a plan."""
        plans = self._choices.knowing_kinds(set_id, plan).of_all_kinds() if all_kinds else (plan,)
        plans = tuple(one for one in plans if one.running())
        if not plans:
            raise SettingsError("every model is switched off; switch on the captioner or a tagger.")
        if self._choices.models != "hub" and not (downloads and self._choices.models == "auto"):  # else the job does it
            for one in plans:
                one.check_models(self._choices.models)
        wanted = None if picture_ids is None else set(picture_ids)
        with self._starting:
            self._refuse_second_job(set_id)
            self._choices.store(set_id, plan)
            views = {view.id: view for view in self._workspace.views(set_id) if wanted is None or view.id in wanted}
            todo = [(one, self._todo(set_id, views, one, plans[:place])) for place, one in enumerate(plans)]
            total = sum(len(items) for _, items in todo)
            if not total:
                return {"job": None}
            run_id = f"{set_id}/{time.time_ns()}"
            steps = self._steps([(items, Run(set_id, one, run_id, front=plan)) for one, items in todo])
            request = {
                "settings": plan.to_flat(),
                "pictures": picture_ids and list(picture_ids),
                "downloads": downloads,
                "all_kinds": all_kinds,
            }
            return {"job": self._begin(set_id, "caption", steps, total, request)}

    def _steps(self, runs: Sequence[tuple[Sequence[Todo], Run]]) -> Iterator[Any]:
        """One kind of caption after the other."""
        for todo, run in runs:
            yield from self._captioning.steps(todo, run)

    # After the app ended

    def resume(self, set_id: str, job_id: str) -> dict[str, Any]:
        """Go on with a job that the end of the app cut off, with its settings: what is not done, and what failed.

        Returns: {"job": as `newest`, None where nothing was left to do}.
        Raises: CaptionerError: there is no such one; else as `start`.
        """
        stored = self.history.take_interrupted(set_id, job_id)
        assert stored.request is not None
        before = [job.id for job in self._worker.jobs(set_id)]
        self.resumes[stored.kind](set_id, stored.request)  # type: ignore[index]  # a kind that began it
        self._workspace.jobs.rename_state(stored.key, RESUMED)
        self.history.leave(set_id, RESUMED)
        begun = [job for job in self._worker.jobs(set_id) if job.id not in before]
        return {"job": _job_report(self._worker, begun[-1]) if begun else None}

    def resumed_request(self, set_id: str, job_id: str) -> Mapping[str, Any]:
        """What a job that was cut off was asked to do, with all kinds of captions that it makes.

        Raises: CaptionerError: there is no such one.
        """
        asked = self.history.take_interrupted(set_id, job_id).request or {}
        if not asked.get("all_kinds"):
            return asked
        return {**asked, "settings": self._choices.knowing_kinds(set_id, self._stored(asked)).to_flat()}

    def asked_models(self, set_id: str, values: Mapping[str, Any] | None, *, all_kinds: bool = False) -> list[str]:
        """The models that `start` would ask. Raises: as `start`."""
        plan = self._choices.stored_plan(set_id) if values is None else self._choices.plan_of(values)
        plans = self._choices.knowing_kinds(set_id, plan).of_all_kinds() if all_kinds else (plan,)
        return [one.model for each in plans for one in each.running()]

    def leave(self, set_id: str) -> dict[str, Any]:
        """Go on with no job that was cut off; what it did stays. Returns: {}."""
        self.history.leave(set_id)
        return {}

    def retry_failed(self, set_id: str) -> dict[str, Any]:
        """Caption the pictures that failed once more, under the set's settings. Returns, raises: as `start`."""
        failed = [view.id for view in self._workspace.views(set_id) if view.failure is not None]
        return self.start(set_id, failed, None) if failed else {"job": None}

    def _stored(self, asked: Mapping[str, Any]) -> Plan:
        return Plan.from_stored(asked["settings"], self._choices.models)

    # Going on

    def _todo(self, set_id: str, views: Mapping[str, View], plan: Plan, before: Sequence[Plan]) -> list[Todo]:
        """The pictures that a plan's models must look at, and which. Args: before: plans of other kinds of captions
        that are done then: what all kinds share is there by then."""
        shared = {
            one.family
            for one in plan.running()
            if not layer_kind(one, plan) and any(one in other.running() for other in before)
        }
        todo = []
        for picture_id, layers in self._workspace.layers_of(set_id, views):
            view = views[picture_id]
            families = tuple(
                one for one in due(layers, plan, view.name, view.existing, view.folder) if one not in shared
            )
            if families or existing_due(layers, plan, view.existing):
                todo.append((view, families))
        return todo

    def refuse_busy(self, set_id: str) -> None:
        """Raises: CaptionerError: a job of the set goes on."""
        running = [job for job in self._worker.jobs(set_id) if not job.is_finished]
        if running:
            doing = _DOING[running[0].kind]
            raise CaptionerError(f"this set is being {doing} already; wait for it or stop it.", code="busy")

    def _refuse_second_job(self, set_id: str) -> None:
        self.refuse_busy(set_id)
        self._shares.check_jobs(set_id)

    def newest(self, set_id: str) -> dict[str, Any] | None:
        """The newest job of a set, None where it has none since the app started."""
        jobs = self._worker.jobs(set_id)
        return _job_report(self._worker, jobs[-1]) if jobs else None

    def find(self, set_id: str, job_id: str) -> Job | None:
        """A job of a set by its id; None where there is no such one, or it ended long ago."""
        return next((job for job in self._worker.jobs(set_id) if job.id == job_id), None)

    def report(self, set_id: str, job_id: str) -> dict[str, Any] | None:
        """A job of a set by its id, as `newest`, of earlier ones as `JobHistory.of_set`; None where there is no such.

        Raises: UnknownSet.
        """
        job = self.find(set_id, job_id)
        return _job_report(self._worker, job) if job else self.history.find(set_id, job_id)

    def cancel(self, set_id: str, job_id: str) -> None:
        """Stop a job of a set before its next step, or offer it no more; what is done stays."""
        job = self.find(set_id, job_id)
        if job is not None:
            job.cancel()
        elif (cut_off := self.history.interrupted(set_id)) is not None and cut_off["id"] == job_id:
            self.history.leave(set_id)

    def told(self, set_id: str) -> dict[str, Any]:
        """The set's jobs, the newest first, those that go on as they are now. Raises: UnknownSet.

        Returns: {"jobs": as `JobHistory.of_set`, "failed": how many pictures have failed and gave nothing since}.
        """
        kept = self.history.of_set(set_id)
        for row in kept:
            job = self.find(set_id, row["id"])
            if job is not None:
                row |= {"state": job.state, "done": job.done + job.failed, "failed": job.failed}
        failed = sum(view.failure is not None for view in self._workspace.views(set_id))
        return {"jobs": kept, "failed": failed}

    def stop(self, set_id: str) -> dict[str, Any]:
        """Stop the set's jobs before their next step; what is done stays."""
        for job in self._worker.jobs(set_id):
            job.cancel()
        return {"job": self.newest(set_id)}

    def preparing(
        self, plan: Plan, *, only: Collection[str] | None = None, published: bool = False
    ) -> Iterator[PreparationProgress | Pause | MoveTo]:
        """What models do once before the first picture, as steps that do not count; see `Preparations.steps`."""
        return self._preparations.steps(plan, only=only, published=published)


def _job_report(worker: Worker, job: Job) -> dict[str, Any]:
    """A job as the page shows it; done counts the failed ones too, rate is pictures a second, kind a `JobKind`.

    total is 0 for a job that only prepares models; aside is how far a preparation is, None where none goes on. place is
    {"number": whose turn it is, 1 for the next, "jobs": how many share its lane, itself among them}, None when it has
    ended; seconds_left is a forecast, None where there is none.
    """
    finished = job.done + job.failed
    aside, place, rate = job.aside, worker.place(job), job.pace
    if job.ended_at is not None and job.started_at is not None:
        rate = finished / max(job.ended_at - job.started_at, 1e-3) or None
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "done": finished,
        "total": job.total,
        "failed": job.failed,
        "rate": rate,
        "seconds_left": None if not rate or place is None else max(job.total - finished, 0) / rate,
        "place": place._asdict() if place else None,
        "aside": dataclasses.asdict(aside) if aside else None,
        "message": job.message[:1].upper() + job.message[1:],
    }
