"""Long work on a set: captioning its pictures, preparing models and what others hand in, started, told about, stopped.

A job goes on when its tab closes, lets a person's own questions and other sets' jobs in between its steps, and keeps
what it finished. Each set has one at a time. Composes no caption and changes no edit.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from captioner.captions.layers import due, existing_due, with_existing_used
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import CaptionerError, SettingsError
from captioner.models.manager import ModelManager
from captioner.pipeline import PictureLayers, make_layers
from captioner.preparation import prepare_steps
from captioner.records import Layer, Preparing
from captioner.service.choices import Choices
from captioner.service.pictures import Pictures
from captioner.service.reviews import rewritten
from captioner.worker import Job, Pause, PreparationProgress, Worker
from captioner.workspace import Workspace
from captioner.workspace.records import Failure, View

JobKind = Literal["caption", "prepare", "read", "suggest", "sweep"]
_DOING: Mapping[str, str] = {
    "caption": "captioned",
    "prepare": "prepared for",
    "read": "read for doubtful words",
    "suggest": "searched for better settings",
    "sweep": "captioned with many settings",
}

PACE_STEPS = 12  # steps of a preparation that the time left is reckoned from; the first ones may be quick
GPU_BATCH = 8  # on the CPU pictures go one by one, so that a moved slider waits for one picture at most


class Jobs:
    """The jobs of all sets since the app started."""

    def __init__(
        self, workspace: Workspace, worker: Worker, manager: ModelManager, choices: Choices, pictures: Pictures
    ) -> None:
        self._workspace = workspace
        self._worker = worker
        self._manager = manager
        self._choices = choices
        self._pictures = pictures
        self._starting = threading.Lock()
        self._in_preparation: set[tuple[str, str]] = set()  # models, (name, family); only the worker's thread asks

    def start(
        self,
        set_id: str,
        picture_ids: Sequence[str] | None,
        values: Mapping[str, Any] | None,
        *,
        downloads: bool = False,
    ) -> dict[str, Any]:
        """Caption all pictures of a set (None) or some; goes on when the page is closed.

        Pictures whose layers these settings made already are passed over. Edits stay; the new text stands beside them.
        Args: downloads: fetch models that are not on this machine first, as the person was asked.
        Returns: {"job": as `newest`, None when there was nothing to do}.
        Raises: CaptionerError: a job of this set is going on already, or a model is not there.
        """
        return self.start_plan(
            set_id,
            picture_ids,
            self._choices.stored_plan(set_id) if values is None else self._choices.plan_of(values),
            downloads=downloads,
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
        return {"job": _job_report(job)}

    def start_plan(
        self, set_id: str, picture_ids: Sequence[str] | None, plan: Plan, *, downloads: bool = False
    ) -> dict[str, Any]:
        """As `start`, for a plan."""
        if not plan.running():
            raise SettingsError("every model is switched off; switch on the captioner or a tagger.")
        if self._choices.models != "hub" and not (downloads and self._choices.models == "auto"):  # else the job does it
            plan.check_models(self._choices.models)
        wanted = None if picture_ids is None else set(picture_ids)
        with self._starting:
            self._refuse_second_job(set_id)
            self._choices.store(set_id, plan)
            views = {view.id: view for view in self._workspace.views(set_id) if wanted is None or view.id in wanted}
            todo = []
            for picture_id, layers in self._workspace.layers_of(set_id, views):
                view = views[picture_id]
                families = due(layers, plan, view.name, view.existing, view.folder)
                if families or existing_due(layers, plan, view.existing):
                    todo.append((view, families))
            if not todo:
                return {"job": None}
            run_id = f"{set_id}/{time.time_ns()}"
            steps = self._steps(set_id, todo, plan, run_id)
            job = self._worker.start(steps, total=len(todo), owner=set_id, kind="caption")
        return {"job": _job_report(job)}

    def _refuse_second_job(self, set_id: str) -> None:
        running = [job for job in self._worker.jobs(set_id) if not job.is_finished]
        if running:
            doing = _DOING[running[0].kind]
            raise CaptionerError(f"this set is being {doing} already; wait for it or stop it.", code="busy")

    def newest(self, set_id: str) -> dict[str, Any] | None:
        """The newest job of a set, None where it has none since the app started."""
        jobs = self._worker.jobs(set_id)
        return _job_report(jobs[-1]) if jobs else None

    def find(self, set_id: str, job_id: str) -> Job | None:
        """A job of a set by its id; None where there is no such one, or it ended long ago."""
        return next((job for job in self._worker.jobs(set_id) if job.id == job_id), None)

    def report(self, set_id: str, job_id: str) -> dict[str, Any] | None:
        """A job of a set by its id, as `newest`; None where there is no such one."""
        job = self.find(set_id, job_id)
        return _job_report(job) if job else None

    def stop(self, set_id: str) -> dict[str, Any]:
        """Stop the set's jobs before their next step; what is done stays."""
        for job in self._worker.jobs(set_id):
            job.cancel()
        return {"job": self.newest(set_id)}

    def _steps(
        self, set_id: str, todo: Sequence[tuple[View, tuple[str, ...]]], plan: Plan, run_id: str
    ) -> Iterator[PreparationProgress | Pause | Exception | None]:
        """First what models must prepare; then one step a picture: None, or the error it failed with."""
        yield from self.preparing(plan, only={family for _, families in todo for family in families})
        for chunk in _chunks(todo, 1 if self._manager.device == "cpu" else GPU_BATCH):
            families = chunk[0][1]
            if not families:  # only what becomes of the existing caption is another thing now
                kept = {view.id: self._workspace.layers(set_id, view.id) for view, _ in chunk}
                said = self._said_again(kept, plan)
                lost = rewritten([view for view, _ in chunk], kept, said, plan)
                self._workspace.put_layers(set_id, said, run_id=run_id, unreviewed=lost)
                yield from (None for _ in chunk)
                continue
            opened: list[tuple[str, PictureInput]] = []
            results: list[PictureLayers] = []
            kept = {}
            at_hand: dict[str, Sequence[Layer]] = {}  # where a tagger finds the sentence that it goes on from
            for view, _ in chunk:
                try:
                    kept[view.id] = stored = self._workspace.layers(set_id, view.id)
                    opened.append((view.id, self._pictures.shown(set_id, view)))
                    at_hand[view.id] = [layer for layer in stored if layer.family not in families]
                except CaptionerError as error:  # its file was damaged on the disk; the others go on
                    results.append(PictureLayers(view.id, error=error))
            for batch in make_layers(opened, plan, self._manager, only=families, stored=at_hand, batch_size=len(chunk)):
                results += batch
            failures = {
                result.picture_id: Failure(result.error.code, str(result.error))
                for result in results
                if result.error is not None
            }
            layers = [layer for result in results for layer in result.layers]
            layers = with_existing_used(layers, plan.recipe.existing)
            lost = rewritten([view for view, _ in chunk], kept, layers, plan)
            self._workspace.put_layers(
                set_id, layers, run_id=run_id, label="Caption", failures=failures, unreviewed=lost
            )
            yield from (result.error for result in results)

    def _said_again(self, stored: Mapping[str, Sequence[Layer]], plan: Plan) -> list[Layer]:
        """The layers of pictures as they are, which say that the existing caption is used as the plan has it."""
        whole = [layer for layers in stored.values() for layer in layers if not layer.is_damaged]
        return with_existing_used(whole, plan.recipe.existing, created_at=time.time())

    def preparing(
        self, plan: Plan, *, only: Collection[str] | None = None, published: bool = False
    ) -> Iterator[PreparationProgress | Pause]:
        """What models do once before the first picture, as steps that do not count.

        Sets take turns, but a model is prepared for one of them at a time: what two do side by side is done twice.
        """
        for planned in plan.running():
            model = (planned.model, planned.family)
            name, family = model
            if only is not None and family not in only:
                continue
            while model in self._in_preparation:
                waiting = PreparationProgress(f"{name} is being prepared for another set", f"Preparing {name}", 0, 0)
                yield Pause(waiting, lambda model=model: model not in self._in_preparation)  # type: ignore[misc]
            self._in_preparation.add(model)
            try:
                yield from _as_asides(name, prepare_steps(plan, self._manager, only={family}, published=published))
            finally:
                self._in_preparation.discard(model)


def _as_asides(name: str, steps: Iterator[tuple[str, Preparing]]) -> Iterator[PreparationProgress]:
    """The steps of a model's preparation as the page shows them, with the time that is left."""
    recent: deque[tuple[str, int, float]] = deque(maxlen=PACE_STEPS)
    for _, step in steps:
        if recent and (recent[-1][0] != step.what or recent[-1][1] == step.done):
            recent.clear()  # something else began, or a step did not get further: the pace is measured anew
        recent.append((step.what, step.done, time.monotonic()))
        _, done, since = recent[0]
        seconds_left = None
        if step.done > done:
            seconds_left = (time.monotonic() - since) / (step.done - done) * (step.total - step.done)
        text = f"{step.done:,} of {step.total:,} {step.what}"
        yield PreparationProgress(text, f"Preparing {name}", step.done, step.total, seconds_left)


def _chunks(
    todo: Sequence[tuple[View, tuple[str, ...]]], size: int
) -> Iterator[Sequence[tuple[View, tuple[str, ...]]]]:
    """Runs of neighbours that need the same families, at most `size` long."""
    chunk: list[tuple[View, tuple[str, ...]]] = []
    for item in todo:
        if chunk and (len(chunk) == size or chunk[0][1] != item[1]):
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _job_report(job: Job) -> dict[str, Any]:
    """A job as the page shows it; done counts the failed ones too, rate is pictures a second, kind a `JobKind`.

    total is 0 for a job that only prepares models; aside is how far a preparation is, None where none goes on.
    """
    finished = job.done + job.failed
    elapsed_s = time.time() - job.counting_since if job.counting_since else 0.0
    aside = job.aside
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "done": finished,
        "total": job.total,
        "failed": job.failed,
        "rate": finished / elapsed_s if finished and elapsed_s > 0 else None,
        "aside": dataclasses.asdict(aside) if aside else None,
        "message": job.message[:1].upper() + job.message[1:],
    }
