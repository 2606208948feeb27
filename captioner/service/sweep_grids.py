"""A sweep's grid as it is stored, and back: axes, the settings of each cell, pictures. Plain JSON values.

Settings are kept as each cell had them, so that a sweep of another version, or of models that are not installed any
more, is still shown. Runs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from captioner.captions.groups import KINDS
from captioner.captions.plan import Plan
from captioner.lab.grid import Axis, Grid, title_of
from captioner.records import KIND
from captioner.workspace.checksums import damaged_row
from captioner.workspace.records import StoredSweep, View


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptGrid:
    """What a sweep tries. titles: of the axes. base: the plan around which the grid lies. base_cell: the cell that the
    others are compared with. pictures: (id, name) in the order asked. notes: what a person should know."""

    grid: Grid
    titles: tuple[str, ...]
    base: Plan
    base_cell: int
    pictures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many cells there are for all pictures together."""
        return len(self.grid.cells) * len(self.pictures)

    def settings_of(self, cell: int) -> dict[str, Any]:
        """A cell's settings, flat."""
        return _flat(self.grid.cells[cell])


def to_stored(grid: Grid, base: Plan, views: Sequence[View]) -> dict[str, Any]:
    """The grid as a sweep stores it. Args: views: the pictures, in the order asked."""
    settings = _flat(base)
    return {
        "axes": [
            {"name": axis.name, "title": title_of(axis.name, grid.cells), "values": list(axis.words)}
            for axis in grid.axes
        ],
        "settings": settings,
        "changes": [
            {name: value for name, value in _flat(cell).items() if settings.get(name) != value} for cell in grid.cells
        ],
        "base_cell": grid.base_cell(base),
        "pictures": [{"id": view.id, "name": view.name} for view in views],
        "notes": list(grid.notes),
    }


def from_stored(stored: StoredSweep, models: str) -> SweptGrid:
    """Args: models: as `Plan.from_flat`. Raises: StoreError: what is stored was damaged on the disk."""
    if stored.grid is None:
        raise damaged_row("what this comparison compares")
    values = stored.grid
    axes = tuple(Axis(one["name"], tuple(one["values"]), tuple(one["values"])) for one in values["axes"])
    cells = [Plan.from_stored({**values["settings"], **changes}, models) for changes in values["changes"]]
    base = Plan.from_stored(values["settings"], models)
    notes = dict.fromkeys([*values["notes"], *(note for cell in cells for note in cell.notes)])
    return SweptGrid(
        grid=Grid(axes, tuple(cells)),
        titles=tuple(one["title"] for one in values["axes"]),
        base=base,
        base_cell=values["base_cell"],
        pictures=tuple((one["id"], one["name"]) for one in values["pictures"]),
        notes=tuple(notes),
    )


def _flat(plan: Plan) -> dict[str, Any]:
    left_out = {*plan.carried, KINDS}
    return {name: value for name, value in {**plan.to_flat(), KIND: plan.kind}.items() if name not in left_out}
