"""Named grids: what people compare again and again, with the settings around it. Plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from captioner.captions.groups import CAPTIONER, PRESET
from captioner.captions.plan import Plan
from captioner.errors import SettingsError
from captioner.lab.grid import Axis, changed, make_axis


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGrid:
    """A grid by name.

    about: in a line. axes: setting and values as words, x first. settings: what stands beside them, as a flat mapping.
    models: those that must be offered for it.
    """

    name: str
    title: str
    about: str
    axes: tuple[tuple[str, tuple[str, ...]], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    def around(self, base: Plan, models: str = "auto") -> tuple[list[Axis], Plan]:
        """The axes, and the plan with the grid's settings in place of its own. Raises: as `grid.changed`."""
        plan = changed(base, self.settings, models)
        return [make_axis(name, words, plan) for name, words in self.axes], plan

    @property
    def axes_in_words(self) -> list[str]:
        """The axes as the command line takes them."""
        return [f"{name}={','.join(words)}" for name, words in self.axes]


NAMED_GRIDS = (
    NamedGrid(
        name="everydream-beam",
        title="EveryDream beam",
        about="How strongly repeats are punished, by the minimum length: the 5 x 5 that EveryDream's users know.",
        axes=(("q_factor", ("0.01", "0.6", "1", "1.4", "5")), ("min_length", ("5", "15", "22", "30", "48"))),
        settings={PRESET: "everydream-beam"},
    ),
    NamedGrid(
        name="everydream-nucleus",
        title="EveryDream nucleus",
        about="How freely words are drawn: EveryDream's q_factor, which is top-p there.",
        axes=(("q_factor", ("0.01", "1", "20", "100", "200")),),
        settings={PRESET: "everydream-nucleus"},
    ),
    NamedGrid(
        name="beams",
        title="Beams",
        about="How many sentences are followed at once: one is quickest, many find likelier sentences.",
        axes=(("num_beams", ("1", "8", "16", "20")),),
        settings={"method": "beam"},
    ),
    NamedGrid(
        name="lengths",
        title="Lengths",
        about="From a short sentence to a long one, in tokens.",
        axes=(("min_length", ("5", "15", "22", "30", "40", "48")),),
        settings={"method": "beam", "max_length": 60},
    ),
    NamedGrid(
        name="temperatures",
        title="Temperatures by seeds",
        about="How bold drawing is, and how much chance there is in it.",
        axes=(("temperature", ("0.5", "0.7", "1", "1.3", "1.6")), ("seed", ("0", "1", "2", "3", "4"))),
        settings={"method": "nucleus"},
    ),
    NamedGrid(
        name="blip-sizes",
        title="BLIP base against large",
        about="The same settings with both sizes of BLIP.",
        axes=((CAPTIONER, ("blip-base", "blip-large")),),
        models=("blip-base", "blip-large"),
    ),
)


def named_grid(name: str) -> NamedGrid:
    """The grid of this name. Raises: SettingsError: there is none; names those that there are."""
    for grid in NAMED_GRIDS:
        if grid.name == name:
            return grid
    names = ", ".join(grid.name for grid in NAMED_GRIDS)
    raise SettingsError(f"no grid is called {name[:80]!r}; the grids are {names}.")


def offered(models: Collection[str]) -> tuple[NamedGrid, ...]:
    """The grids whose models are among these."""
    return tuple(grid for grid in NAMED_GRIDS if set(grid.models) <= set(models))
