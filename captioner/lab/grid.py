"""One picture, one or two settings along axes -> a caption for each combination, and which of them are equal, and why.

People choose a captioner's settings by comparing such grids. Knows no page and no command line; the page and the
command line both show what comes out of here. Loads no model: it is handed one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from captioner.contract import Captioner, PictureInput
from captioner.errors import SettingsError
from captioner.lab.measures import TextMeasure
from captioner.lab.scores import CaptionScore
from captioner.records import Sentence
from captioner.settings import Settings

MAX_CELLS = 400


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting and the values it takes along a side of the grid. words: the values as they were written."""

    name: str
    values: tuple[Any, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The combinations to try. y: None for a single row. cells: row by row, x along the row."""

    x: Axis
    y: Axis | None
    cells: tuple[Settings, ...]
    notes: tuple[str, ...]

    @property
    def centre(self) -> int:
        """The cell in the middle, which the others are compared with."""
        rows = len(self.y.values) if self.y else 1
        return (rows // 2) * len(self.x.values) + len(self.x.values) // 2

    def where(self, cell: int) -> dict[str, str]:
        """The axes' values of a cell, as they were written."""
        row, column = divmod(cell, len(self.x.values))
        return {self.x.name: self.x.words[column]} | ({self.y.name: self.y.words[row]} if self.y else {})


@dataclass(frozen=True, slots=True)
class CellScore:
    """What is to be expected of a cell's caption, and what can be counted in it."""

    caption: str
    accuracy: CaptionScore
    text: TextMeasure


@dataclass(frozen=True, slots=True)
class Sweep:
    """A grid's captions for one picture.

    sentences: in the order of `grid.cells`. groups: for each cell the letter of the equal captions it belongs to, ""
    where no other cell has the same caption. reasons: letter -> why its cells are equal, in a sentence. scores: in the
    order of the cells; empty where nobody was asked for them.
    """

    grid: Grid
    sentences: tuple[Sentence, ...]
    groups: tuple[str, ...]
    reasons: dict[str, str]
    scores: tuple[CellScore, ...] = ()


def parse_axis(text: str, settings: type[Settings]) -> Axis:
    """ "min_length=5,15,22" -> an axis. Any field of the captioner's settings may be one, and any of their aliases.

    Raises: SettingsError: no such setting, a value that is not allowed, no value, or one twice.
    """
    name, equals, listed = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    fields = {field.name: field for field in (*settings.fields(), *settings.aliases())}
    if name not in fields:
        close = difflib.get_close_matches(name, fields, n=1)
        advice = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(fields)}."
        raise SettingsError(f"{name[:80]!r} is no setting that an axis can have; {advice}")
    words = tuple(word.strip() for word in listed.split(",")) if equals else ()
    if not words or "" in words:
        raise SettingsError(f"the axis {text[:80]!r} needs values: {name}=VALUE,VALUE,...")
    values = tuple(fields[name].parse(word) for word in words)
    for place, value in enumerate(values):
        if value in values[:place]:
            raise SettingsError(f"the axis {name} has the value {words[place]} twice.")
    return Axis(name, values, words)


def make_grid(x: Axis, y: Axis | None, base: Settings) -> Grid:
    """All combinations of the axes' values, the rest as in `base`; checked before any model runs.

    Raises: SettingsError: more than 400 cells, one setting on both axes, or a combination that is not allowed.
    """
    count = len(x.values) * (len(y.values) if y else 1)
    if count > MAX_CELLS:
        raise SettingsError(f"the grid has {count} cells; it may have {MAX_CELLS}. Leave some values out.")
    if y and (x.name == y.name or target_field(x.name, base) == target_field(y.name, base)):
        raise SettingsError(f"both axes set {target_field(x.name, base)}; each axis needs a setting of its own.")
    cells: list[Settings] = []
    notes: dict[str, None] = {}
    for row in y.values if y else (None,):
        for column in x.values:
            chosen = {x.name: column} | ({y.name: row} if y else {})
            try:
                resolved, said = base.resolve({**base.to_mapping(), **chosen})
                cells.append(type(base).from_mapping(resolved))
            except SettingsError as error:
                shown = ", ".join(f"{name}={value}" for name, value in chosen.items())
                raise SettingsError(f"the cell {shown} is not possible: {error}") from error
            notes |= dict.fromkeys(said)
    return Grid(x, y, tuple(cells), tuple(notes))


def sweep_picture(picture: PictureInput, grid: Grid, captioner: Captioner) -> Sweep:
    """The grid's captions for a picture. Equal settings are searched once.

    Raises: ModelFailed, OutOfMemory, SettingsError: as `Captioner.caption_grid`.
    """
    different = list({_in_effect(cell): cell for cell in grid.cells}.values())
    found = dict(zip(map(_in_effect, different), captioner.caption_grid(picture, different), strict=True))
    return compare(grid, [captioner.select(found[_in_effect(cell)], cell) for cell in grid.cells])


def compare(grid: Grid, sentences: Sequence[Sentence]) -> Sweep:
    """Which captions are equal, and why. Args: sentences: in the order of the grid's cells."""
    cells_of: dict[str, list[int]] = {}
    for cell, sentence in enumerate(sentences):
        cells_of.setdefault(sentence.text, []).append(cell)
    groups = [""] * len(grid.cells)
    reasons: dict[str, str] = {}
    for cells in cells_of.values():
        if len(cells) > 1:
            letter = _letter(len(reasons))
            reasons[letter] = _why(grid, cells)
            for cell in cells:
                groups[cell] = letter
    return Sweep(grid, tuple(sentences), tuple(groups), reasons)


def _why(grid: Grid, cells: Sequence[int]) -> str:
    settings = {_in_effect(grid.cells[cell]) for cell in cells}
    where = "; ".join(" ".join(f"{name}={word}" for name, word in grid.where(cell).items()) for cell in cells)
    if len(settings) > 1:
        return f"the same sentence was found with different settings ({where})."
    cell = grid.cells[cells[0]]
    on_axes = (grid.x.name, grid.y.name if grid.y else "")
    idle = [
        f"{field.name} has an effect only under {field.needed_text}"
        for field in cell.fields()
        if field.only_when and field.is_idle(cell.to_mapping()) and field.name in on_axes
    ]
    if idle:
        return f"the settings mean the same, for {' and '.join(idle)} ({where})."
    aliased = [
        f"{alias.name} is {target_field(alias.name, cell)} here, where these values mean the same"
        for alias in cell.aliases()
        if alias.name in on_axes
    ]
    if aliased:
        return f"the settings mean the same, for {' and '.join(aliased)} ({where})."
    return f"the settings mean the same ({where})."


def _in_effect(settings: Settings) -> tuple[Any, ...]:
    """What of the settings the search heeds."""
    return tuple(sorted(settings.in_effect().items()))


def target_field(name: str, base: Settings) -> str:
    """The field that an axis sets."""
    if name not in {alias.name for alias in base.aliases()}:
        return name
    return base.alias_target(name, base.to_mapping())


def _letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
