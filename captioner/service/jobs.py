"""Long work on a set: captioning its pictures, preparing models and what others hand in, started, told about, stopped.

A job goes on when its tab closes, lets a person's own questions and other sets' jobs in between its steps, and keeps
what it finished. Each set has one at a time. Composes no caption and changes no edit.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from captioner.captions.layers import due, existing_due, layer_kind
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError
from captioner.models.manager import ModelManager
from captioner.service.captioning import Captioning, Run, Todo
from captioner.service.choices import Choices
from captioner.service.pictures import Pictures
from captioner.service.preparing import Preparations
from captioner.service.shares import Shares
from captioner.worker import Job, MoveTo, Pause, PreparationProgress, Worker
from captioner.workspace import Workspace
from captioner.workspace.records import View

JobKind = Literal["caption", "prepare", "read", "suggest", "sweep"]
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
        plan = self._choices.plan_of(values)
        self._workspace.find_set(set_id)
        return self.start_steps(set_id, "prepare", self.preparing(plan, published=published), total=0)

    def start_steps(self, set_id: str, kind: JobKind, steps: Iterable[Any], *, total: int) -> dict[str, Any]:
        """Begin other work on a set. Args: steps, total: as `Worker.start`. Returns, raises: as `start`."""
        with self._starting:
            self._refuse_second_job(set_id)
            job = self._worker.start(steps, total=total, owner=set_id, kind=kind)
        return {"job": _job_report(self._worker, job)}

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
            steps = chain.from_iterable(
                self._captioning.steps(items, Run(set_id, one, run_id, front=plan)) for one, items in todo
            )
            job = self._worker.start(steps, total=total, owner=set_id, kind="caption")
        return {"job": _job_report(self._worker, job)}

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

    def _refuse_second_job(self, set_id: str) -> None:
        running = [job for job in self._worker.jobs(set_id) if not job.is_finished]
        if running:
            doing = _DOING[running[0].kind]
            raise CaptionerError(f"this set is being {doing} already; wait for it or stop it.", code="busy")
        self._shares.check_jobs(set_id)

    def newest(self, set_id: str) -> dict[str, Any] | None:
        """The newest job of a set, None where it has none since the app started."""
        jobs = self._worker.jobs(set_id)
        return _job_report(self._worker, jobs[-1]) if jobs else None

    def find(self, set_id: str, job_id: str) -> Job | None:
        """A job of a set by its id; None where there is no such one, or it ended long ago."""
        return next((job for job in self._worker.jobs(set_id) if job.id == job_id), None)

    def report(self, set_id: str, job_id: str) -> dict[str, Any] | None:
        """A job of a set by its id, as `newest`; None where there is no such one."""
        job = self.find(set_id, job_id)
        return _job_report(self._worker, job) if job else None

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
