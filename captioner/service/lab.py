"""The lab for whoever asks: sweeps started, continued, read, rated, kept; in plain JSON values.

A sweep tries settings on a few pictures of a set and changes no caption. It goes on when the page is closed, as one job
of its set, and what is there when the app dies is there when it starts again, to be continued. Knows no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from captioner.captions.groups import CAPTIONER
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError
from captioner.lab.figures import FIGURES
from captioner.lab.grid import EMPTY, OFF, Grid, make_axis, make_grid, title_of
from captioner.limits import check_whole
from captioner.models.manager import ModelManager
from captioner.plural import plural
from captioner.service import set_slopes, sweep_summary
from captioner.service.choices import Choices
from captioner.service.jobs import Jobs
from captioner.service.lab_offer import Offer
from captioner.service.pictures import Pictures
from captioner.service.readers import Readers
from captioner.service.recent import Recent
from captioner.service.sweep_files import SweepFiles
from captioner.service.sweep_grids import from_stored, to_stored
from captioner.service.sweep_rows import ReadSweep, Sweeps, plain_cells
from captioner.service.sweep_run import SweepRun
from captioner.worker import Job
from captioner.workspace import Workspace
from captioner.workspace.lab import Colour

MAX_PICTURES = 8
"""Of one sweep; of more nobody looks at every cell."""

_ORDER_ONLY = (
    "These models' doubts were never measured: they are an order, so words have their place among all words here, and "
    "expected false and true words compare cells but are no counts."
)


class AskedAxis(NamedTuple):
    """An axis as it is asked for: the setting's name, its values as words."""

    name: str
    values: Sequence[str]


class Lab:
    """The sweeps of all sets. sweeps: as they are read. offer: what can be compared. files: sweeps as files."""

    def __init__(
        self,
        workspace: Workspace,
        manager: ModelManager,
        *,
        choices: Choices,
        pictures: Pictures,
        jobs: Jobs,
        readers: Readers,
    ) -> None:
        self._workspace = workspace
        self._manager = manager
        self._choices = choices
        self._pictures = pictures
        self._jobs = jobs
        self._readers = readers
        self._job_ids: Recent[str, str] = Recent(1_000)  # by sweep
        jobs.resumes["sweep"] = lambda set_id, asked: self.resume(set_id, asked["sweep"])
        self.sweeps = Sweeps(workspace, choices)
        self.offer = Offer(choices, manager, MAX_PICTURES)
        self.files = SweepFiles(workspace, pictures, self.sweeps)

    # Running

    def start(
        self,
        set_id: str,
        picture_ids: Sequence[str],
        axes: Sequence[AskedAxis],
        plan: Plan,
        name: str = "",
        *,
        downloads: bool = False,
    ) -> dict[str, Any]:
        """Try settings around a plan on pictures of a set; goes on when the page is closed.

        Everything that can be wrong with what is asked for is said before a model runs.
        Args: axes: one to three, x first. downloads: fetch models that are not here first, as the person was asked.
        Returns: {"sweep": its id}.
        Raises: SettingsError, ModelNotFound, UnknownSet, UnknownPicture. CaptionerError: a job of this set goes on.
        """
        wanted = list(dict.fromkeys(picture_ids))
        if not 1 <= len(wanted) <= MAX_PICTURES:
            raise SettingsError(f"{plural(len(wanted), 'picture')} are chosen; a comparison takes 1 to {MAX_PICTURES}.")
        plan = self._choices.knowing_kinds(set_id, plan)
        grid = self.grid(axes, plan)
        self._check_models(grid, downloads=downloads)
        views = [self._workspace.view(set_id, picture_id) for picture_id in wanted]
        name = name.strip() or " by ".join(title_of(axis.name, grid.cells) for axis in grid.axes)
        sweep_id = self._workspace.lab.create(set_id, name, to_stored(grid, plan, views))
        try:
            self._begin(set_id, sweep_id)
        except CaptionerError:
            self._workspace.lab.delete(set_id, sweep_id)
            raise
        return {"sweep": sweep_id}

    def resume(self, set_id: str, sweep_id: str) -> dict[str, Any]:
        """Go on with a sweep that was stopped, or died with the app: what is not done, and what failed, again.

        Models that it was to download are downloaded.
        Returns: {"sweep": its id}. Raises: UnknownSet, UnknownSweep, StoreError. CaptionerError: as `start`.
        """
        grid = from_stored(self._workspace.lab.sweep(set_id, sweep_id), self._choices.models).grid
        self._check_models(grid, downloads=True)
        self._begin(set_id, sweep_id)
        return {"sweep": sweep_id}

    def grid(self, axes: Sequence[AskedAxis], plan: Plan) -> Grid:
        """The grid around a plan. Raises: SettingsError, ModelNotFound: as `make_axis`, `make_grid`."""
        made = [make_axis(axis.name, self._checked(axis), plan) for axis in axes]
        return make_grid(made, plan, self._choices.models)

    def _checked(self, axis: AskedAxis) -> Sequence[str]:
        """Its values: an empty text may come as it is shown, models only as names that a visitor may give."""
        if axis.name not in self._choices.model_keys:
            return ["" if word.strip() == EMPTY else word for word in axis.values]
        off = ("", OFF) if axis.name != CAPTIONER else ("",)
        return ["" if name.strip() in off else self._choices.checked_model(axis.name, name) for name in axis.values]

    def asked_models(self, set_id: str, axes: Sequence[AskedAxis], plan: Plan) -> list[str]:
        """The models that `start` would ask. Raises: as `start`."""
        return _models(self.grid(axes, self._choices.knowing_kinds(set_id, plan)))

    def resumed_models(self, set_id: str, sweep_id: str) -> list[str]:
        """The models that `resume` would ask. Raises: UnknownSet, UnknownSweep."""
        return _models(from_stored(self._workspace.lab.sweep(set_id, sweep_id), self._choices.models).grid)

    def missing(self, axes: Sequence[AskedAxis], plan: Plan) -> list[dict[str, Any]]:
        """The models that a grid needs and that must be downloaded first: {"name", "download_mb"} each; asks no server.

        Raises: as `grid`.
        """
        found = {
            spec.name: {"name": spec.name, "download_mb": spec.download_mb}
            for each in self.grid(axes, plan).of_each_models()
            for planned in each.running()
            if (spec := self._manager.to_download(planned.model, planned.family)) is not None
        }
        return list(found.values())

    def _check_models(self, grid: Grid, *, downloads: bool) -> None:
        if self._choices.models != "hub" and not (downloads and self._choices.models == "auto"):  # else the job does it
            for plan in grid.of_each_models():
                plan.check_models(self._choices.models)

    def _begin(self, set_id: str, sweep_id: str) -> None:
        swept = from_stored(self._workspace.lab.sweep(set_id, sweep_id), self._choices.models)
        run = SweepRun(
            self._workspace,
            self._manager,
            (set_id, sweep_id),
            swept,
            pictures=self._pictures,
            jobs=self._jobs,
            readers=self._readers,
        )
        todo = run.todo()
        total = sum(len(cells) for cells in todo.values())
        # models: whom going on with it would send pictures to
        request = {"sweep": sweep_id, "models": _models(swept.grid)}
        job = self._jobs.start_steps(set_id, "sweep", run.steps(todo), total=total, request=request)["job"]
        self._job_ids.put(sweep_id, job["id"])

    def _job(self, set_id: str, sweep_id: str) -> Job | None:
        job_id = self._job_ids.get(sweep_id)
        return None if job_id is None else self._jobs.find(set_id, job_id)

    # Reading

    def read(self, set_id: str, sweep_id: str, since: int | None) -> dict[str, Any]:
        """A sweep, and its cells that changed after a cursor that an earlier answer gave; all of them for None.

        Returns: sweep, cells, groups (by picture: letter -> why its cells are equal), cursor; see `sweep_rows`.
        Raises: UnknownSet, UnknownSweep. StoreError: what it compares was damaged on the disk.
        """
        job = self._job(set_id, sweep_id)  # before the cells, so that an ended job's are all there
        state = _JobState.of(job)
        known = self.sweeps.of(set_id, sweep_id)
        with known.lock:
            return {
                "sweep": self._described(set_id, known, state),
                "cells": plain_cells(known, -1 if since is None else since),
                "groups": {picture: dict(reasons) for picture, reasons in known.reasons.items()},
                "cursor": known.version,
            }

    def _described(self, set_id: str, known: ReadSweep, job: _JobState | None) -> dict[str, Any]:
        swept, sweep = known.swept, known.sweep
        present = {view.id for view in self._workspace.views(set_id)}
        state, message = _state(known, job)
        has = {name for _, shown in known.shown.values() for name, value in shown.scores.items() if value is not None}
        asked = sweep.outcome.get("asked", [])
        notes = [*swept.notes, *sweep.outcome.get("notes", [])]
        if known.damaged_ratings:
            those = plural(known.damaged_ratings, "rating of this set was", "ratings of this set were")
            notes.append(f"{those} damaged on the disk, so not shown; rate those captions again.")
        if asked and not known.has_percentages:
            notes.append(_ORDER_ONLY)
        return {
            "id": sweep.id,
            "name": sweep.name,
            "created_at": sweep.created_at,
            "axes": [
                {"name": axis.name, "title": title, "values": list(axis.words)}
                for axis, title in zip(swept.grid.axes, swept.titles, strict=True)
            ],
            "pictures": [
                {"id": picture_id, "name": name, "is_gone": picture_id not in present}
                for picture_id, name in swept.pictures
            ],
            "base_cell": swept.base_cell,
            "state": state,
            "message": message,
            "done": len(known.cells),
            "total": swept.cells,
            "notes": notes,
            "asked": asked,
            "has_percentages": known.has_percentages,
            "scores": [
                {"name": one.name, "title": one.title, "about": one.about, "better": one.better, "digits": one.digits}
                for one in FIGURES
                if one.name in has
            ],
        }

    def summary(self, set_id: str, sweep_id: str) -> dict[str, Any]:
        """Rows, columns and cells over all pictures, and how scores agree with ratings; see `sweep_summary`."""
        known = self.sweeps.of(set_id, sweep_id)
        with known.lock:
            answer = sweep_summary.summary(known)
        return {**answer, "slope": sweep_summary.slope(self._rated(set_id, known), known)}

    def use_slope(self, set_id: str, *, is_used: bool) -> dict[str, Any]:
        """Reckon the set's doubts by a slope fitted to its ratings, or as they were measured; one step for undo.

        Returns: {"slope": as `summary`, of the newest sweep that has one}.
        Raises: SettingsError: there are too few ratings. UnknownSet.
        """
        for sweep in self._workspace.lab.sweeps(set_id):
            if sweep.grid is None or not sweep.outcome.get("asked"):
                continue
            known = self.sweeps.of(set_id, sweep.id)
            rated = self._rated(set_id, known)
            fitted = sweep_summary.refit(rated, known)
            if fitted is None:
                continue
            asked = sweep.outcome["asked"]
            if is_used:
                set_slopes.use(self._choices, set_id, fitted, asked, len(rated))
            else:
                set_slopes.forget(self._choices, set_id)
            return {"slope": sweep_summary.slope(rated, self.sweeps.of(set_id, sweep.id))}
        if not is_used:
            set_slopes.forget(self._choices, set_id)
            return {"slope": None}
        raise SettingsError(
            "there are too few ratings to fit a slope to; rate 12 scored captions or more, in at least two colours."
        )

    def _rated(self, set_id: str, known: ReadSweep) -> list[sweep_summary.Rated]:
        """The rated captions of all sweeps of the set that the same models scored, each once."""
        asked = known.sweep.outcome.get("asked")
        found: dict[tuple[str, str], sweep_summary.Rated] = {}
        for sweep in self._workspace.lab.sweeps(set_id) if asked else ():
            if sweep.rated and sweep.grid is not None and sweep.outcome.get("asked") == asked:
                other = self.sweeps.of(set_id, sweep.id)
                with other.lock:
                    found |= sweep_summary.rated(other)
        return list(found.values())

    # Rating and keeping

    def rate(self, set_id: str, sweep_id: str, picture_id: str, cell: int, rating: Colour | None) -> dict[str, Any]:
        """Rate the caption of a cell, or take the rating back (None): one step for undo.

        The rating is of the caption without prefix and suffix, so that it stays under another trigger word.
        Returns: {"cells": [{"picture", "cell", "rating"}]}, all of this sweep with the same words of that picture.
        Raises: SettingsError: no such cell, no caption in it, no such rating. UnknownSet, UnknownSweep, UnknownPicture.
        """
        known = self.sweeps.of(set_id, sweep_id)
        with known.lock:
            self._check_cell(known, cell)
            tried = known.cells.get((picture_id, cell))
            settings = known.swept.settings_of(cell)
            is_of_whole = tried is not None and known.is_rated_as_a_whole(picture_id, tried)
        if tried is None or tried.caption is None:
            raise SettingsError("this cell has no caption to rate; wait until it is there, or continue the comparison.")
        made_by = {"settings": settings, "model": tried.model, "model_revision": tried.model_revision}
        label = f"Rate: {rating}" if rating else "Take a rating back"
        rated = tried.caption if rating is None and is_of_whole else tried.text
        self._workspace.lab.rate(set_id, picture_id, rated, rating, made_by, label=label)
        known = self.sweeps.of(set_id, sweep_id)
        with known.lock:
            return {
                "cells": [
                    {"picture": place[0], "cell": place[1], "rating": known.rating_of(place) or None}
                    for place, one in known.cells.items()
                    if place[0] == picture_id and one.caption is not None and one.text == tried.text
                ]
            }

    def cell_settings(self, set_id: str, sweep_id: str, cell: int) -> dict[str, Any]:
        """The settings of a cell as the page names them. Raises: SettingsError: no such cell. As `read`."""
        known = self.sweeps.of(set_id, sweep_id)
        self._check_cell(known, cell)
        return {"settings": self._choices.page_values(known.swept.grid.cells[cell])}

    @staticmethod
    def _check_cell(known: ReadSweep, cell: int) -> None:
        check_whole(cell, "cell", minimum=0, maximum=len(known.swept.grid.cells) - 1)

    def listed(self, set_id: str) -> dict[str, Any]:
        """The sweeps of a set, the newest first. Raises: UnknownSet."""
        return {
            "sweeps": [
                {
                    "id": sweep.id,
                    "name": sweep.name,
                    "created_at": sweep.created_at,
                    "pictures": len(sweep.grid["pictures"]) if sweep.grid else 0,
                    "cells": len(sweep.grid["changes"]) if sweep.grid else 0,
                    "rated": sweep.rated,
                    "is_damaged": sweep.grid is None,
                }
                for sweep in self._workspace.lab.sweeps(set_id)
            ]
        }

    def rename(self, set_id: str, sweep_id: str, name: str) -> dict[str, Any]:
        """Raises: SettingsError: no name. UnknownSet, UnknownSweep."""
        if not name.strip():
            raise SettingsError("the name is empty; give the comparison a name.")
        self._workspace.lab.rename(set_id, sweep_id, name.strip())
        return {"name": name.strip()}

    def delete(self, set_id: str, sweep_id: str) -> dict[str, Any]:
        """Delete a sweep for good, and stop it; its ratings stay. Raises: UnknownSet, UnknownSweep."""
        job = self._job(set_id, sweep_id)
        if job is not None:
            job.cancel()
        self._workspace.lab.delete(set_id, sweep_id)
        return {}


class _JobState(NamedTuple):
    """What of a job is told of its sweep; as one moment has it."""

    state: str
    message: str

    @classmethod
    def of(cls, job: Job | None) -> _JobState | None:
        """None where no job goes on."""
        if job is None or job.is_finished:
            return None
        aside = job.aside
        return cls(job.state, f"{aside.title}: {aside.text}" if aside else "")


def _state(known: ReadSweep, job: _JobState | None) -> tuple[str, str]:
    outcome = known.sweep.outcome
    if job is not None:
        return job
    if "failed" in outcome:
        text = outcome["failed"]
        return "failed", text[:1].upper() + text[1:]
    if len(known.cells) < known.swept.cells:
        return "cancelled", f"Stopped: {len(known.cells):,} of {plural(known.swept.cells, 'cell')} are there."
    if not outcome.get("is_scored"):
        return "cancelled", "Stopped before the scores were there."
    return "done", ""


def _models(grid: Grid) -> list[str]:
    return sorted({one.model for plan in grid.of_each_models() for one in plan.running()})
