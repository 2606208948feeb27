"""A sweep as a plain record: what was compared on which pictures, and what came of it. What reports are made from.

Command line, page and API make their files from this, so that they are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from captioner.captions.word_diff import changed_ranges
from captioner.lab.doubts import Told
from captioner.lab.equal import compare
from captioner.lab.figures import CellScore, Doubt
from captioner.lab.grid import Axis, Grid
from captioner.lab.run import CellResult

Rating = Literal["green", "yellow", "red", ""]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptCell:
    """A cell of one picture.

    caption: "" with an error, which says why there is none. letter: of the equal captions, "" where no other is equal.
    marks: words that differ from the base cell's caption, as ranges of letters. rating: the person's colour, "" for
    none. likelihood: the captioner's own score. scores: by the names of `figures.FIGURES`, empty where nobody was
    asked; parts: what a score is made of, in a line. model, model_revision: who made it.
    """

    caption: str = ""
    error: str = ""
    letter: str = ""
    marks: tuple[Range, ...] = ()
    rating: Rating = ""
    likelihood: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    model: str = ""
    model_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptPicture:
    """A picture with its cells, in the order of the grid's. image: a small WebP, PNG or JPEG; b"" for none.
    reasons: letter -> why its captions are equal."""

    name: str
    cells: tuple[SweptCell, ...]
    image: bytes = b""
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep. settings: of each cell, as a flat mapping. base_cell: the one that the others are compared with.
    asked: the models that scored, by name. notes: what a person should know, in sentences."""

    name: str
    axes: tuple[Axis, ...]
    settings: tuple[Mapping[str, Any], ...]
    base_cell: int
    pictures: tuple[SweptPicture, ...]
    notes: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """Where cells lie; without their plans."""
        return Grid(self.axes, ())


def swept_picture(
    name: str,
    grid: Grid,
    base_cell: int,
    results: Sequence[CellResult],
    *,
    image: bytes = b"",
    scores: Sequence[CellScore | None] = (),
    told: Told | None = None,
) -> SweptPicture:
    """What came of a grid on one picture.

    Args: results, scores: in the order of the cells; without scores empty. told: how doubts are told.
    """
    told = told or Told()
    captions = [None if result.error else result.caption for result in results]
    letters, reasons = compare(grid, captions)
    base = captions[base_cell] or ""
    cells = tuple(
        SweptCell(
            caption=result.caption,
            error=str(result.error) if result.error else "",
            letter=letter,
            marks=tuple(changed_ranges(result.caption, base)),
            likelihood=result.score,
            scores=score.values if score else {},
            parts=score.parts(has_percentages=told.standing is None) if score else {},
            doubts=score.doubts(told) if score else (),
            model=result.model,
            model_revision=result.model_revision,
        )
        for result, letter, score in zip(results, letters, scores or [None] * len(results), strict=True)
    )
    return SweptPicture(name=name, cells=cells, image=image, reasons=reasons)
