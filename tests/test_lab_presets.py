"""captioner.lab.presets: the named grids, each of which can be made."""

from __future__ import annotations

import pytest

from captioner.captions.plan import Plan
from captioner.errors import SettingsError
from captioner.lab.grid import make_grid, parse_axis
from captioner.lab.presets import NAMED_GRIDS, NamedGrid, named_grid, offered
from captioner.models import registry


@pytest.mark.parametrize("named", NAMED_GRIDS, ids=lambda named: named.name)
def test_every_named_grid_can_be_made_around_any_settings(named: NamedGrid) -> None:
    base = Plan.from_flat({"method": "nucleus", "max_length": 7, "prefix": "sks", "wd14": "wd14-demo"}, "demo")
    axes, plan = named.around(base, "demo")
    assert plan.recipe.prefix == "sks" and plan.taggers == base.taggers
    grid = make_grid(axes, plan, "demo")
    assert len(grid.cells) >= 2
    assert [parse_axis(text, plan) for text in named.axes_in_words] == axes
    assert named_grid(named.name) is named


def test_everydream_s_grid_is_what_its_users_make() -> None:
    axes, plan = named_grid("everydream-beam").around(Plan.from_flat({}, "demo"))
    grid = make_grid(axes, plan, "demo")
    settings = [cell.captioner.settings.to_mapping() for cell in grid.cells]
    assert grid.shape == (5, 5)
    assert {one["num_beams"] for one in settings} == {16}
    assert [one["repetition_penalty"] for one in settings[:5]] == [0.01, 0.6, 1.0, 1.4, 5.0]
    assert [one["min_length"] for one in settings[::5]] == [5, 15, 22, 30, 48]
    assert grid.base_cell(plan) == 12, "EveryDream's own settings are in the middle"


def test_grids_of_models_that_are_not_offered_are_left_out() -> None:
    names = [grid.name for grid in offered(["blip-base"])]
    assert names == [grid.name for grid in NAMED_GRIDS if grid.name != "blip-sizes"]
    assert offered([spec.name for spec in registry.MODELS]) == NAMED_GRIDS


def test_a_grid_that_nobody_knows_is_refused() -> None:
    with pytest.raises(
        SettingsError, match="no grid is called 'fast'; the grids are everydream-beam, everydream-nucleus"
    ):
        named_grid("fast")
