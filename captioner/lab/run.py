"""A picture and a grid of plans -> a caption for each cell, as they finish. Loads no model: it is handed them.

What several cells have in common is done once: equal runs of a model are one, cells of one captioner are asked together
(`Captioner.caption_grid`), and another recipe or threshold makes another caption of the same answer. A cell that fails
says why, and the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioner.answers import failures_on_picture, made_layer
from captioner.captions.layers import as_of_plan, in_reading_order, is_made_by, run_key, what_it_reads
from captioner.captions.plan import Plan, PlannedModel
from captioner.captions.review import Reading
from captioner.contract import Captioner, Model, ModelUser, PictureInput
from captioner.errors import CaptionerError, SettingsError
from captioner.lab.grid import Grid
from captioner.pipeline import input_for
from captioner.records import Layer, Sentence, Tag

BATCH = 5
"""Cells that a captioner is asked together, so that the first are soon there. Of 25 settings of a full-size BLIP, five
at a time take 16 % longer than all at once, and one by one more than three times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What became of a cell.

    caption: what its plan makes of the picture. sentence: what the captioner says in it, as the caption writes it; ""
    without one. score: the captioner's own for it, None where it gives none. layers: what the models said, in the order
    in which they were asked. seconds: what was spent on this cell; 0 where all was there. error: why there is none.
    """

    cell: int
    caption: str = ""
    sentence: str = ""
    score: float | None = None
    layers: tuple[Layer, ...] = ()
    seconds: float = 0.0
    error: CaptionerError | None = None

    @property
    def model(self) -> str:
        """The models that made it, by name."""
        return ", ".join(layer.model for layer in self.layers)

    @property
    def model_revision(self) -> str:
        """The fingerprints of their weights."""
        return ", ".join(layer.model_revision for layer in self.layers)


def run_cells(
    shown: PictureInput,
    grid: Grid,
    models: ModelUser,
    stored: Sequence[Layer] = (),
    *,
    picture_id: str = "",
    batch_size: int = BATCH,
) -> Iterator[CellResult]:
    """One result a cell, each as soon as it is there; between two a caller may stop.

    A caption that the picture brought along does not hide what the models say, unless `existing` is an axis.

    Args:
        shown: with its name and existing caption.
        stored: what models said of it before, which they are not asked again.
        batch_size: how many settings a captioner is given at once.
    """
    steps = cell_steps(shown, grid, models, stored, picture_id=picture_id, batch_size=batch_size)
    return (step for step in steps if isinstance(step, CellResult))


def cell_steps(
    shown: PictureInput,
    grid: Grid,
    models: ModelUser,
    stored: Sequence[Layer] = (),
    *,
    picture_id: str = "",
    batch_size: int = BATCH,
) -> Iterator[CellResult | PlannedModel]:
    """As `run_cells`, and before a model is asked, which one: so a caller may ask a server on another thread."""
    runs = _Runs(shown, models, stored, picture_id)
    waiting = dict.fromkeys(range(len(grid.cells)))
    while waiting:
        asked: dict[tuple[Any, ...], _Run] = {}
        for cell in [*waiting]:
            found = runs.of(grid.cells[cell])
            if isinstance(found, _Run):
                if not asked or found.goes_with(next(iter(asked.values()))):
                    asked[found.key] = found
                if len(asked) == batch_size:
                    break
                continue
            del waiting[cell]
            yield _result(cell, grid, shown, found)
        if asked:
            yield next(iter(asked.values())).planned
            runs.ask([*asked.values()])


def sweep_cells(shown: PictureInput, grid: Grid, models: ModelUser) -> list[CellResult]:
    """The results in the order of the cells, for whoever waits for all of them: the quickest way."""
    results = run_cells(shown, grid, models, batch_size=len(grid.cells))
    return sorted(results, key=lambda result: result.cell)


@dataclass(frozen=True, slots=True)
class _Run:
    """Something that a model is still to be asked."""

    key: tuple[Any, ...]
    planned: PlannedModel
    shown: PictureInput
    read: Mapping[str, str]

    def goes_with(self, other: _Run) -> bool:
        """Whether both can be asked together."""
        mine, theirs = self.planned, other.planned
        return (mine.family, mine.model, self.read) == (theirs.family, theirs.model, other.read)


@dataclass(slots=True)
class _Made:
    """What came of a run. seconds: not yet counted for a cell."""

    answer: Layer | CaptionerError
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What came of all runs of a plan."""

    layers: tuple[Layer, ...]
    seconds: float
    error: CaptionerError | None = None


class _Runs:
    """What the models said of one picture in this grid, each run once."""

    def __init__(self, shown: PictureInput, models: ModelUser, stored: Sequence[Layer], picture_id: str) -> None:
        self._shown = shown
        self._models = models
        self._stored = stored
        self._picture_id = picture_id
        self._made: dict[tuple[Any, ...], _Made] = {}

    def of(self, plan: Plan) -> _Run | _Found:
        """What is still to be asked for a plan, or what came of it."""
        layers: list[Layer] = []
        seconds = 0.0
        try:
            for planned in in_reading_order(plan):
                read = what_it_reads(planned, plan, layers, self._shown.name, self._shown.existing, self._shown.folder)
                key = run_key(planned, read)
                made = self._made.get(key) or self._remembered(planned, read)
                if made is None:
                    return _Run(key, planned, input_for(planned, self._shown, plan, layers), read)
                self._made[key] = made
                seconds += made.seconds
                made.seconds = 0.0
                if isinstance(made.answer, CaptionerError):
                    raise made.answer
                layers.append(as_of_plan(made.answer, planned, plan))
        except CaptionerError as error:
            return _Found(tuple(layers), seconds, error)
        return _Found(tuple(layers), seconds)

    def ask(self, runs: Sequence[_Run]) -> None:
        """Ask one model, with several settings; where that is no cheaper, with the first only."""
        planned = runs[0].planned
        start_s = time.perf_counter()
        try:
            with self._models.use(planned.model, planned.family) as model:
                if not (isinstance(model, Captioner) and model.shares_grid):
                    runs = runs[:1]
                answers: list[Layer | CaptionerError] = [
                    answer
                    if isinstance(answer, CaptionerError)
                    else made_layer(self._picture_id, run.planned, model.revision, run.read, answer)
                    for run, answer in zip(runs, _answers(model, runs), strict=True)
                ]
        except CaptionerError as error:  # of the model: it is not here, say
            answers = [error] * len(runs)
        each_s = (time.perf_counter() - start_s) / len(runs)
        self._made |= {run.key: _Made(answer, each_s) for run, answer in zip(runs, answers, strict=True)}

    def _remembered(self, planned: PlannedModel, read: Mapping[str, str]) -> _Made | None:
        newest_first = sorted(self._stored, key=lambda layer: -layer.created_at)
        return next((_Made(layer) for layer in newest_first if is_made_by(layer, planned, read)), None)


def _answers(model: Model, runs: Sequence[_Run]) -> list[Sentence | tuple[Tag, ...] | CaptionerError]:
    """What the model says, or why it could not: where several fail together they are asked again one by one."""
    settings = [run.planned.settings for run in runs]
    shown = runs[0].shown
    try:
        with failures_on_picture(model):
            if isinstance(model, Captioner):
                return list(model.caption_grid(shown, settings))
            return [model.tag([shown], one)[0] for one in settings]  # type: ignore[attr-defined]
    except CaptionerError as error:
        if len(runs) == 1:
            return [error]
    return [answer for run in runs for answer in _answers(model, [run])]


def _result(cell: int, grid: Grid, shown: PictureInput, found: _Found) -> CellResult:
    plan = grid.cells[cell]
    if found.error is not None:
        return CellResult(cell=cell, layers=found.layers, seconds=found.seconds, error=found.error)
    if not found.layers:
        return CellResult(
            cell=cell, error=SettingsError("no model is on in this cell; choose a captioner or a tagger.")
        )
    reading = Reading(found.layers, plan, shown.existing)
    is_existing_shown = any(axis.name == "existing" for axis in grid.axes)
    caption = reading.caption if is_existing_shown else reading.suggestion
    said = next((layer.sentence for layer in found.layers if layer.sentence), None)
    return CellResult(
        cell=cell,
        caption=caption.text if caption else "",
        sentence=reading.said,
        score=said.score if said else None,
        layers=found.layers,
        seconds=found.seconds,
    )
