"""One sweep as a job: captions of all pictures first, then what the models that can judge say of them.

A step is one cell, or a few captions that are scored, so that a slider's question and other sets get their turn. What
is there is stored at once. A picture that cannot be opened or a model that fails costs the cells that need it, which
say why. Decides nothing about ratings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from captioner.captions.frame import Frame
from captioner.captions.plan import Plan, PlannedModel, default_settings
from captioner.contract import Tagger
from captioner.errors import CaptionerError, UnknownPicture, UnknownSet, UnknownSweep
from captioner.lab.doubts import to_content
from captioner.lab.grid import Grid
from captioner.lab.run import CellResult, cell_steps
from captioner.lab.scores import Weights, score_caption
from captioner.lab.voices import ALONE, Captioned, Heard, Voices
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.plural import plural
from captioner.service.doubt import names_of
from captioner.service.jobs import Jobs
from captioner.service.pictures import Pictures
from captioner.service.readers import Reader, Readers
from captioner.service.stages import lane_of
from captioner.service.sweep_grids import SweptGrid
from captioner.worker import LOCAL, MoveTo, PreparationProgress
from captioner.workspace import Workspace
from captioner.workspace.records import StoredCell, View

GONE = "this picture was removed from the set; undo brings it back, and then continue the comparison."
NO_NUMBERS = "What the models say of this caption are no numbers, so it has no score; choose another model."

_FIRST_HEARD = 4  # captions that are judged in the first step; later steps follow its pace
_STEP_S = 0.4


@dataclass(slots=True)
class _Judged:
    """What was said of a picture's captions, and the cells that have them."""

    cells: tuple[StoredCell, ...]
    heard: dict[str, Heard]
    error: str = ""


class SweepRun:
    """What is still to be done of a sweep."""

    def __init__(
        self,
        workspace: Workspace,
        manager: ModelManager,
        place: tuple[str, str],
        swept: SweptGrid,
        *,
        pictures: Pictures,
        jobs: Jobs,
        readers: Readers,
    ) -> None:
        """Args: place: ids of the set and the sweep."""
        self._workspace = workspace
        self._manager = manager
        self._set_id, self._sweep_id = place
        self._swept = swept
        self._pictures = pictures
        self._jobs = jobs
        self._readers = readers

    def todo(self) -> dict[str, list[int]]:
        """By picture, the cells that have no caption yet, or none that is whole."""
        done = {
            (cell.picture_id, cell.cell)
            for cell in self._workspace.lab.cells(self._set_id, self._sweep_id)
            if cell.caption is not None
        }
        cells = range(len(self._swept.grid.cells))
        found = {
            picture_id: [cell for cell in cells if (picture_id, cell) not in done]
            for picture_id, _ in self._swept.pictures
        }
        return {picture_id: missing for picture_id, missing in found.items() if missing}

    def steps(self, todo: Mapping[str, Sequence[int]]) -> Iterator[Any]:
        """As `Worker.start` takes them. Ends where the set or the sweep is deleted meanwhile."""
        try:
            self._forget_end()
            yield from self._captions(todo)
            yield from self._scores()
        except (UnknownSet, UnknownSweep):
            return
        except Exception as error:
            self._tell({"failed": str(error) or type(error).__name__})
            raise

    def _forget_end(self) -> None:
        """Take back how an earlier run ended, so that a stop of this one is not told as that."""
        outcome = self._workspace.lab.sweep(self._set_id, self._sweep_id).outcome
        left = {name: value for name, value in outcome.items() if name not in ("failed", "is_scored")}
        if left != outcome:
            self._tell(left)

    def _tell(self, outcome: Mapping[str, Any]) -> None:
        self._workspace.lab.put_outcome(self._set_id, self._sweep_id, outcome)

    def _put(self, cells: Sequence[StoredCell]) -> None:
        self._workspace.lab.put_cells(self._set_id, self._sweep_id, cells)

    # Captions

    def _captions(self, todo: Mapping[str, Sequence[int]]) -> Iterator[Any]:
        for plan in self._swept.grid.of_each_models() if todo else ():
            yield from self._jobs.preparing(plan)
        for picture_id, cells in todo.items():
            grid = Grid(self._swept.grid.axes, tuple(self._swept.grid.cells[cell] for cell in cells))
            try:
                view = self._workspace.view(self._set_id, picture_id)
                shown = self._pictures.shown(self._set_id, view)
                stored = [one for one in self._workspace.layers(self._set_id, picture_id) if not one.is_damaged]
            except CaptionerError as error:
                if isinstance(error, UnknownSet):
                    raise
                told = type(error)(GONE, code=error.code) if isinstance(error, UnknownPicture) else error
                with suppress(UnknownPicture):  # one that was deleted for good has no place for them
                    self._put([_failed(picture_id, cell, told) for cell in cells])
                yield from (told for _ in cells)
                continue
            for step in cell_steps(shown, grid, self._manager, stored, picture_id=picture_id):
                if isinstance(step, PlannedModel):
                    yield MoveTo(lane_of(step))
                    continue
                self._put([_stored(picture_id, cells[step.cell], grid.cells[step.cell], step)])
                yield step.error
        yield MoveTo(LOCAL)

    # Scores

    def _scores(self) -> Iterator[Any]:
        yield PreparationProgress("asking who can judge", "Scoring", 0, 0)
        try:
            reader = self._readers.of_set(self._set_id, self._judges())
        except (UnknownSet, UnknownSweep):
            raise
        except CaptionerError as error:  # nobody can, or a model is not there: the captions stay
            self._tell({"is_scored": True, "asked": [], "notes": [_sentence(error)]})
            return
        yield from self._readers.looking(self._set_id, reader)
        outcome = _outcome(reader)
        self._tell(outcome)
        voices = reader.voices
        present = {view.id: view for view in self._workspace.views(self._set_id)}
        judged: dict[str, _Judged] = {}
        for number, (picture_id, _) in enumerate(self._swept.pictures):
            cells = self._unscored(picture_id)
            if not cells or picture_id not in present:
                continue
            judged[picture_id] = of_picture = _Judged(cells, {})
            for _ in self._hear(present[picture_id], of_picture, voices):
                text = f"{number:,} of {plural(len(self._swept.pictures), 'picture')}"
                yield PreparationProgress(text, "Scoring", number, len(self._swept.pictures))
            self._put_scores({picture_id: of_picture}, _fitted(voices, judged))
        if not voices.weights.is_calibrated and len(judged) > 1:  # what is typical of all is known by now
            self._put_scores(judged, _fitted(voices, judged))
        self._tell({**outcome, "is_scored": True})

    def _judges(self) -> Plan:
        """The set's captioner, and the taggers that are switched on or in memory."""
        base = self._swept.base
        taggers = {planned.family: planned for planned in base.taggers}
        for report in self._manager.report():
            if report.family not in taggers and issubclass(registry.family_class(report.family), Tagger):
                settings = default_settings(report.family, report.name, self._manager.models)
                taggers[report.family] = PlannedModel(family=report.family, model=report.name, settings=settings)
        return replace(base, taggers=tuple(taggers.values()))

    def _unscored(self, picture_id: str) -> tuple[StoredCell, ...]:
        return tuple(
            cell
            for cell in self._workspace.lab.cells(self._set_id, self._sweep_id)
            if cell.picture_id == picture_id and cell.caption and cell.content and "score" not in cell.content
        )

    def _hear(self, view: View, judged: _Judged, voices: Voices) -> Iterator[None]:
        """Ask about a picture's captions, a few a step: as many as fit into the time that one may take."""
        # Those that begin alike follow each other, for they are read as one.
        texts = sorted({_judged_text(cell) for cell in judged.cells})
        try:
            shown = self._pictures.shown(self._set_id, view)
            tag_scores = voices.tag_scores(shown)  # asked once for all its captions
            size = _FIRST_HEARD
            while texts:
                start_s = time.monotonic()
                now, texts = texts[:size], texts[size:]
                heard = voices.hear(shown, now, tag_scores=tag_scores)
                judged.heard |= dict(zip(now, heard, strict=True))
                pace_s = (time.monotonic() - start_s) / len(now)
                size = max(1, round(_STEP_S / max(pace_s, 0.001)))
                yield
        except CaptionerError as error:
            if isinstance(error, UnknownSet):
                raise
            judged.error = _sentence(error)

    def _put_scores(self, judged: Mapping[str, _Judged], weights: Weights) -> None:
        own = self._swept.base.captioner.model
        for of_picture in judged.values():
            scored = []
            for cell in of_picture.cells:
                names = names_of(self._swept.grid.cells[cell.cell].recipe)
                is_edit = _content(cell)["captioner"] != own  # another captioner may say more than this one would
                scored.append(_scored(cell, of_picture, weights, names=names, is_edit=is_edit))
            self._put(scored)


def _outcome(reader: Reader) -> dict[str, Any]:
    """What is told of all scores: who was asked, and how doubts become probabilities."""
    voices = reader.voices
    return {
        "asked": list(voices.asked),
        "titles": reader.titles,
        "notes": [*voices.notes, *([ALONE] if voices.reads and not reader.looked_at else [])],
        "slope": voices.weights.slope,
        "offset": voices.weights.offset,
        "is_calibrated": voices.weights.is_calibrated,
    }


def _fitted(voices: Voices, judged: Mapping[str, _Judged]) -> Weights:
    """The weights with what is typical of everything that was heard."""
    everything = (heard for of_picture in judged.values() for heard in of_picture.heard.values() if heard.is_sound)
    return voices.weights.fitted_to(opinion for heard in everything for opinion in heard.opinions.values())


def _content(cell: StoredCell) -> Mapping[str, Any]:
    assert cell.content is not None
    return cell.content


def _sentence(error: CaptionerError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _failed(picture_id: str, cell: int, error: CaptionerError) -> StoredCell:
    return StoredCell(picture_id, cell, None, {"error": {"code": error.code, "message": _sentence(error)}})


def _stored(picture_id: str, cell: int, plan: Plan, result: CellResult) -> StoredCell:
    if result.error is not None:
        return _failed(picture_id, cell, result.error)
    is_number = result.score is not None and math.isfinite(result.score)
    content = {
        "text": Frame.of(plan.recipe).within(result.caption),
        "sentence": result.sentence,
        "captioner": plan.captioner.model,
        "model": result.model,
        "model_revision": result.model_revision,
        "likelihood": result.score if is_number else None,
        "seconds": round(result.seconds, 4),
    }
    return StoredCell(picture_id, cell, result.caption, content)


def _judged_text(cell: StoredCell) -> str:
    return Captioned(cell.caption or "", _content(cell)["sentence"]).judged


def _scored(
    cell: StoredCell, of_picture: _Judged, weights: Weights, *, names: Collection[str], is_edit: bool
) -> StoredCell:
    """The cell with its score, or with why it has none."""
    heard = of_picture.heard.get(_judged_text(cell))
    content = {name: value for name, value in _content(cell).items() if name != "score_error"}
    if heard is None:
        return cell._replace(content={**content, "score_error": of_picture.error})
    if not heard.is_sound:
        return cell._replace(content={**content, "score_error": NO_NUMBERS})
    score = score_caption(heard.reading, heard.opinions, heard.tags, is_edit=is_edit, weights=weights, names=names)
    return cell._replace(
        content={**content, "score": to_content(_judged_text(cell), score), "note": heard.reading.note}
    )
