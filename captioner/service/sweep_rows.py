"""Sweeps as the page shows them: each cell with its figures, marks and rating, and what changed since a cursor.

A cursor is a version of the set: cells and ratings carry the one of their last change, also of an undo. What was read
is kept in memory, so that asking again costs what changed. Runs no model and changes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from captioner.captions.word_diff import changed_ranges
from captioner.lab.doubts import Told, from_content
from captioner.lab.equal import compare
from captioner.lab.figures import CellScore
from captioner.lab.measures import TextMeasure, measure_text
from captioner.lab.record import SweptCell
from captioner.lab.scores import Standing, Weights
from captioner.lab.voices import Captioned
from captioner.service.choices import Choices
from captioner.service.recent import Recent
from captioner.service.set_slopes import measured, own_slope
from captioner.service.sweep_grids import SweptGrid, from_stored
from captioner.workspace import Workspace
from captioner.workspace.records import StoredCell, StoredSweep

Place = tuple[str, int]
"""A picture's id and a cell."""

DAMAGED = "what is stored of this cell was damaged on the disk; continue the comparison to make it again."


@dataclass(frozen=True, slots=True)
class ReadCell:
    """A cell as it is read. text: its caption without the frame. score: None where nobody judged it."""

    caption: str | None
    text: str = ""
    error: str = ""
    note: str = ""
    likelihood: float | None = None
    model: str = ""
    model_revision: str = ""
    measure: TextMeasure | None = None
    score: CellScore | None = None


class ReadSweep:
    """What is known of one sweep, brought up to date by `Sweeps.of`; whoever reads it holds its lock.

    sweep, swept: as it was stored and asked for. cells: those that are there. ratings: by picture and caption. shown:
    each cell as reports have it but for its doubts, and the version at which that changed last. reasons: by picture,
    why captions are equal. version: up to which all this is known. weights, has_percentages: how doubts are reckoned,
    and whether they may be told as percentages.
    """

    def __init__(self, sweep: StoredSweep, swept: SweptGrid) -> None:
        self.lock = threading.RLock()
        self.sweep = sweep
        self.swept = swept
        self.cells: dict[Place, ReadCell] = {}
        self.ratings: dict[tuple[str, str], str] = {}
        self.damaged_ratings = 0
        self.shown: dict[Place, tuple[int, SweptCell]] = {}
        self.reasons: dict[str, dict[str, str]] = {}
        self.version = -1
        self.weights = Weights()
        self.has_percentages = False

    def rating_of(self, place: Place) -> str:
        """A cell's colour, "" for none: that of its caption without prefix and suffix."""
        cell = self.cells[place]
        if cell.caption is None:
            return ""
        text = cell.caption if self.is_rated_as_a_whole(place[0], cell) else cell.text
        return self.ratings.get((place[0], text), "")

    def is_rated_as_a_whole(self, picture_id: str, cell: ReadCell) -> bool:
        """Whether a rating is of all of the caption, as in earlier sets, and none is of it without its frame."""
        is_of_text = (picture_id, cell.text) in self.ratings
        return not is_of_text and cell.caption is not None and (picture_id, cell.caption) in self.ratings

    def told(self) -> Told:
        """How doubts are told: by where words stand among all of the sweep, where that is all that is known."""
        standing = None
        if not self.has_percentages:
            standing = Standing.among(cell.score.accuracy for cell in self.cells.values() if cell.score)
        return Told(**self.sweep.outcome.get("titles", {}), standing=standing)


class Sweeps:
    """The sweeps of all sets."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices
        self._known: Recent[tuple[str, str], ReadSweep] = Recent(8)
        self._opening = threading.Lock()

    def of(self, set_id: str, sweep_id: str) -> ReadSweep:
        """The sweep, up to date; to be read under its lock. Raises: UnknownSet, UnknownSweep, StoreError."""
        with self._opening:
            known = self._known.get((set_id, sweep_id))
            if known is None:
                sweep = self._workspace.lab.sweep(set_id, sweep_id)
                known = ReadSweep(sweep, from_stored(sweep, self._choices.models))
                self._known.put((set_id, sweep_id), known)
        with known.lock:
            self._update(set_id, sweep_id, known)
        return known

    def _update(self, set_id: str, sweep_id: str, known: ReadSweep) -> None:
        changes = self._workspace.lab.changes_since(set_id, sweep_id, known.version)
        known.sweep = changes.sweep
        outcome, slope = changes.sweep.outcome, own_slope(changes.settings)
        asked = outcome.get("asked", [])
        is_fitted = slope is not None and slope.is_for(asked)
        weights = measured(outcome) if asked else Weights()
        weights = slope.fitted(weights) if slope is not None and is_fitted else weights
        known.has_percentages = weights.is_calibrated or is_fitted
        cells = changes.cells
        if weights != known.weights:  # every doubt is another one
            known.weights = weights
            cells = self._workspace.lab.cells(set_id, sweep_id)
        for cell in cells:
            place = (cell.picture_id, cell.cell)
            known.cells[place] = _read(cell, weights, known.cells.get(place))
        for one in changes.ratings.whole:
            known.ratings[one.picture_id, one.caption] = one.rating or ""
        if changes.ratings.whole or changes.ratings.damaged:
            known.damaged_ratings = self._workspace.lab.ratings(set_id).damaged
        changed = {cell.picture_id for cell in cells} | {one.picture_id for one in changes.ratings.whole}
        for picture_id, _ in known.swept.pictures:
            if picture_id in changed:
                _show(known, picture_id, changes.version)
        if not known.has_percentages and any(known.cells[cell.picture_id, cell.cell].score for cell in cells):
            # A word is told by its place among all, which is another one now.
            known.shown = {place: (changes.version, shown) for place, (_, shown) in known.shown.items()}
        known.version = changes.version


def _read(cell: StoredCell, weights: Weights, before: ReadCell | None) -> ReadCell:
    """Args: before: what it was, whose caption may have been measured."""
    content = cell.content
    if content is None:
        return ReadCell(None, error=DAMAGED)
    if cell.caption is None:
        return ReadCell(None, error=content["error"]["message"])
    is_same = before is not None and before.caption == cell.caption
    measure = before.measure if before is not None and is_same and before.measure else measure_text(cell.caption)
    read = ReadCell(
        cell.caption,
        content["text"],
        note=content.get("score_error", content.get("note", "")),
        likelihood=content["likelihood"],
        model=content["model"],
        model_revision=content["model_revision"],
        measure=measure,
    )
    if "score" not in content:
        return read
    judged = Captioned(cell.caption, content["sentence"]).judged
    score = from_content(judged, content["score"], weights)
    return replace(read, score=CellScore(score, measure, max(0, cell.caption.find(judged))))


def _show(known: ReadSweep, picture_id: str, version: int) -> None:
    """Make a picture's cells anew; those that are as before keep the version of their last change."""
    swept = known.swept
    numbers = range(len(swept.grid.cells))
    cells = [known.cells.get((picture_id, number)) for number in numbers]
    letters, reasons = compare(swept.grid, [cell.caption if cell else None for cell in cells])
    known.reasons[picture_id] = reasons
    base = cells[swept.base_cell]
    marks: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, cell, letter in zip(numbers, cells, letters, strict=True):
        if cell is None:
            continue
        caption = cell.caption or ""
        if base is not None and base.caption is not None and caption not in marks:
            marks[caption] = tuple(changed_ranges(caption, base.caption))
        shown = SweptCell(
            caption=caption,
            error=cell.error,
            letter=letter,
            marks=marks.get(caption, ()),
            rating=known.rating_of((picture_id, number)),  # type: ignore[arg-type]
            likelihood=cell.likelihood,
            scores=_scores(cell),
            parts=cell.score.parts(has_percentages=known.has_percentages) if cell.score else {},
            model=cell.model,
            model_revision=cell.model_revision,
        )
        before = known.shown.get((picture_id, number))
        if before is None or before[1] != shown:
            known.shown[picture_id, number] = version, shown


def _scores(cell: ReadCell) -> dict[str, float | None]:
    """What is judged, and what can be counted without anybody's judgement."""
    if cell.score is not None:
        return cell.score.values
    if cell.measure is None:
        return {}
    return {"tokens": cell.measure.tokens, "repetition": cell.measure.repetition, "detail": cell.measure.detail}


def plain_cells(known: ReadSweep, since: int) -> list[dict[str, Any]]:
    """The cells that changed after a version, as the page takes them."""
    told = known.told()
    return [_plain(known, place, shown, told) for place, (version, shown) in known.shown.items() if version > since]


def _plain(known: ReadSweep, place: Place, shown: SweptCell, told: Told) -> dict[str, Any]:
    cell = known.cells[place]
    return {
        "picture": place[0],
        "cell": place[1],
        "caption": shown.caption,
        "text": cell.text,
        "tokens": cell.measure.tokens if cell.measure else None,
        "group": shown.letter,
        "error": shown.error,
        "note": cell.note,
        "rating": shown.rating or None,
        "is_base": place[1] == known.swept.base_cell,
        "marks": [list(mark) for mark in shown.marks],
        "scores": {name: None if value is None else round(value, 4) for name, value in shown.scores.items()},
        "parts": dict(shown.parts),
        "doubts": _doubts(cell.score, told) if cell.score else [],
        "is_scored": cell.score is not None,
    }


def _doubts(score: CellScore, told: Told) -> list[dict[str, Any]]:
    """The words to underline, worst first, as `figures.Doubt`."""
    return [
        {
            **asdict(doubt),
            "probability": None if doubt.probability is None else round(doubt.probability, 4),
            "share": None if doubt.share is None else round(doubt.share, 4),
        }
        for doubt in score.doubts(told)
    ]
