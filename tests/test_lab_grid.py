"""captioner.lab.grid and equal: grids of plans, what is equal in them, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner.captions.plan import Plan, default_settings
from captioner.errors import BadVocabulary, CaptionerError, ModelNotFound, SettingsError
from captioner.lab.equal import compare
from captioner.lab.grid import MAX_CELLS, Grid, flat_in_effect, make_axis, make_grid, parse_axis
from captioner.models import registry
from tests.fakes import fake_models
from tests.other_families import ECHO

BASE = Plan.from_flat({"max_length": 60}, "demo")


def grid_of(*axes: str, base: Plan = BASE, models: str = "demo") -> Grid:
    return make_grid([parse_axis(axis, base) for axis in axes], base, models)


def sampling(grid: Grid, *names: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(cell.captioner.settings, name) for name in names) for cell in grid.cells]


def test_a_grid_has_a_cell_for_each_combination_row_by_row() -> None:
    grid = grid_of("repetition_penalty=0.6,1,1.4", "min_length=5,15")
    assert sampling(grid, "min_length", "repetition_penalty") == [
        *[(5, penalty) for penalty in (0.6, 1.0, 1.4)],
        *[(15, penalty) for penalty in (0.6, 1.0, 1.4)],
    ]
    assert grid.where(5) == {"repetition_penalty": "1.4", "min_length": "15"}
    assert grid.where(grid.centre) == {"repetition_penalty": "1", "min_length": "15"}
    assert sampling(grid, "max_length") == [(60,)] * 6


def test_a_third_axis_is_a_grid_for_each_of_its_values() -> None:
    grid = grid_of("seed=1,2", "top_p=.5,.9", "temperature=.5,1,2", base=Plan.from_flat({"method": "nucleus"}, "demo"))
    assert (grid.shape, len(grid.cells)) == ((2, 2, 3), 12)
    assert grid.places(7) == (1, 1, 1)
    assert grid.where(7) == {"seed": "2", "top_p": ".9", "temperature": "1"}
    assert sampling(grid, "seed", "top_p", "temperature")[7] == (2, 0.9, 1.0)
    assert grid.places(grid.centre) == (1, 1, 1)


def test_flags_spelling_is_understood_in_axes_and_so_are_quotes() -> None:
    assert parse_axis("--min-length=5, 6", BASE).values == (5, 6)
    assert parse_axis('prefix=,"sks dog, ""photo"" ",x ', BASE).values == ("", 'sks dog, "photo" ', "x ")
    assert parse_axis("prefix=,x", BASE).words == ('""', "x")


def test_any_setting_may_be_an_axis_and_the_rest_stays() -> None:
    base = Plan.from_flat({"wd14": "wd14-demo", "prefix": "sks", "general_threshold": 0.4}, "demo")
    grid = grid_of("general_threshold=.2,.6", "prefix=,drawn", base=base)
    assert [
        (cell.taggers[0].settings.to_mapping()["general_threshold"], cell.recipe.prefix) for cell in grid.cells
    ] == [
        *[(0.2, ""), (0.6, "")],
        *[(0.2, "drawn"), (0.6, "drawn")],
    ]
    assert {cell.captioner for cell in grid.cells} == {base.captioner}


def test_models_are_axes_and_off_is_none() -> None:
    grid = grid_of("captioner=blip-demo,off", "wd14=default,off")
    names = [tuple(planned.model for planned in cell.running()) for cell in grid.cells]
    assert names == [("blip-demo", "wd14-demo"), ("wd14-demo",), ("blip-demo",), ()]
    assert grid.axes[1].words == ("default", "off")
    assert len(grid.of_each_models()) == 4
    assert make_axis("wd14", ["", "default"], BASE).words == ("off", "default")


def test_another_model_brings_its_own_defaults_but_not_what_was_chosen() -> None:
    first, second = registry.of_family("wd14")[:2]
    base = Plan.from_flat({"wd14": first.name})
    grid = grid_of(f"wd14={first.name},{second.name}", base=base, models="auto")
    assert [cell.taggers[0].settings for cell in grid.cells] == [
        default_settings("wd14", first.name),
        default_settings("wd14", second.name),
    ]
    chosen = Plan.from_flat({"wd14": first.name, "general_threshold": 0.9})
    grid = grid_of(f"wd14={first.name},{second.name}", base=chosen, models="auto")
    assert [cell.taggers[0].settings.to_mapping()["general_threshold"] for cell in grid.cells] == [0.9, 0.9]


def test_a_preset_sets_all_its_fields_and_another_axis_wins_over_it() -> None:
    base = Plan.from_flat({"num_beams": 7, "prefix": "sks"}, "demo")
    grid = grid_of("preset=blip-paper,everydream-beam", "min_length=6,9", base=base)
    assert sampling(grid, "num_beams", "min_length") == [(3, 6), (16, 6), (3, 9), (16, 9)]
    assert {cell.recipe.prefix for cell in grid.cells} == {"sks"}


def test_what_is_not_known_here_is_carried_along() -> None:
    base = Plan.from_stored({"of_a_newer_version": 1}, "demo")
    assert all(cell.to_flat()["of_a_newer_version"] == 1 for cell in grid_of("seed=1,2", base=base).cells)


def test_the_base_cell_does_what_the_plan_does_else_it_is_the_one_in_the_middle() -> None:
    assert grid_of("min_length=5,15,22").base_cell(BASE) == 0
    assert grid_of("min_length=6,15,22").base_cell(BASE) == 1
    assert grid_of("min_length=6,5", "top_p=.1,.2").base_cell(BASE) == 1, "top_p has no effect under beam search"


def test_what_changes_nothing_is_not_among_the_settings_in_effect() -> None:
    flat = flat_in_effect(BASE)
    assert (flat["captioner"], flat["max_length"], flat["existing"]) == ("blip-demo", 60, "keep")
    assert not {"top_p", "wd14", "general_threshold"} & {*flat}
    again = Plan.from_flat(flat, "demo")
    assert flat_in_effect(again) == flat


def test_settings_of_another_family_are_axes(tmp_path: Path) -> None:
    with fake_models(tmp_path, ECHO) as models:
        base = Plan.from_flat({"captioner": "echo-1"}, models)
        assert parse_axis("manner=plain,free", base) == parse_axis("echo_manner=plain,free", base)
        grid = grid_of("captioner=echo-1,fake-blip", "echo_manner=plain,free", base=base, models=models)
        assert [cell.captioner.family for cell in grid.cells] == ["echo", "blip", "echo", "blip"]
        with pytest.raises(SettingsError, match="num_beams changes nothing, for BLIP is off in every cell"):
            grid_of("num_beams=1,2", base=base, models=models)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("min_lenght=5", "'min_lenght' is no setting that an axis can have; did you mean min_length?"),
        ("zzz=5", "'zzz' is no setting that an axis can have; the settings are captioner, clip, wd14"),
        ("min_length=5,76", "min_length is 76; it must be a whole number between 1 and 75 tokens"),
        ("min_length=5,nan", "min_length is 'nan'"),
        ("repetition_penalty=nan", "repetition_penalty is nan"),
        ("repetition_penalty=1e999", "repetition_penalty is inf"),
        ("method=beam,fast", "method is 'fast'; it must be one of beam, nucleus"),
        ("min_length", "needs values: min_length=VALUE"),
        ("min_length=", "needs values"),
        ("prefix=", "needs values"),
        ("min_length=5,,6", "needs values"),
        ("min_length=5,05", "has the value 05 twice"),
        ("prefix=,a,", 'has the value "" twice'),
        ("wd14=off,", "has the value"),
        ('prefix="a', "cannot be read"),
        ("q_factor=much", "q_factor is 'much'; it must be a number"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(axis: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        parse_axis(axis, BASE)


def test_an_axis_without_values_and_a_vocabulary_that_is_not_there_are_refused() -> None:
    with pytest.raises(SettingsError, match="the axis seed needs values"):
        make_axis("seed", [], BASE)
    with pytest.raises(BadVocabulary, match="there is no vocabulary of your own called 'birds'"):
        parse_axis("own_vocabulary=birds", BASE)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["min_length=5,61"], "the cell min_length=61 is not possible: min_length is 61 and max_length is 60"),
        (["min_length=5,6", "min_length=7,8"], "two axes set min_length"),
        (["q_factor=1,2", "repetition_penalty=1,2"], "two axes set repetition_penalty"),
        (["q_factor=1,2", "top_p=.1,.2", "method=beam,nucleus"], "two axes set top_p"),
        (["q_factor=1,9"], "the cell q_factor=9 is not possible: q_factor is 9; under beam search"),
        (["preset=fast"], "the cell preset=fast is not possible: no preset is called 'fast'"),
        (["general_threshold=.1,.2"], "the axis general_threshold changes nothing, for WD14 is off in every cell"),
        (["captioner=off"], "no model is on in any cell"),
        (["seed=1,2", "top_k=1,2", "top_p=.1,.2", "num_beams=1,2"], "the grid has 4 axes; it may have one to 3."),
        ([], "the grid has 0 axes"),
        (
            ["seed=" + ",".join(map(str, range(21))), "min_length=" + ",".join(map(str, range(1, 21)))],
            f"the grid has 420 cells; it may have {MAX_CELLS}",
        ),
    ],
)
def test_a_grid_that_cannot_be_is_refused(axes: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        grid_of(*axes)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelNotFound, match=r"the cell wd14=blip-demo is not possible: blip-demo is a blip model"):
        grid_of("wd14=blip-demo")


def test_models_that_are_not_here_are_told_before_any_runs(tmp_path: Path) -> None:
    def refused(grid: Grid) -> Iterator[str]:
        for plan in grid.of_each_models():
            try:
                plan.check_models("demo")
            except CaptionerError as error:
                yield str(error)

    [message] = refused(grid_of("captioner=blip-demo,blip-bse"))
    assert "'blip-bse'" in message


# Equal captions


def test_equal_settings_are_said_to_be_equal_and_why() -> None:
    grid = grid_of("q_factor=0.01,1,20,100,200", base=Plan.from_flat({"preset": "everydream-nucleus"}, "demo"))
    letters, reasons = compare(grid, ["a dog", *["a cat"] * 4])
    assert letters == ("", "A", "A", "A", "A")
    assert "Repetition penalty (q_factor) is Top p here, where these values mean the same" in reasons["A"]
    assert "Top p (q_factor) 20; Top p (q_factor) 100" in reasons["A"]
    assert len(grid.notes) == 3


def test_a_setting_without_effect_is_named_as_the_reason_and_one_that_does_not_vary_is_not() -> None:
    grid = grid_of("top_p=0.1,0.9", "q_factor=1,2")
    letters, reasons = compare(grid, ["x", "x", "y", "y"])
    assert letters == ("A", "A", "B", "B")
    assert reasons["A"].startswith(
        "the settings mean the same, for Top p has an effect only where Method is nucleus (Top p 0.1"
    )
    assert "q_factor is" not in reasons["A"]


def test_a_setting_of_a_model_that_is_off_is_named() -> None:
    grid = grid_of("general_threshold=.2,.3", "wd14=off,wd14-demo")
    _, reasons = compare(grid, ["x", "x", "x, a", "x, b"])
    assert "General threshold has an effect only with WD14" in reasons["A"]


def test_another_threshold_that_makes_the_same_of_one_answer_says_so() -> None:
    grid = grid_of("general_threshold=.2,.3", base=Plan.from_flat({"wd14": "wd14-demo"}, "demo"))
    _, reasons = compare(grid, ["x", "x"])
    assert reasons["A"].startswith("the models were asked once, and the settings make the same of their answer")


def test_equal_captions_of_different_settings_are_said_to_be_found_twice_and_failed_cells_are_not_equal() -> None:
    letters, reasons = compare(grid_of("min_length=5,6,7,8,9"), ["a dog", "a cat", "a dog", None, None])
    assert letters == ("A", "", "A", "", "")
    assert reasons["A"].startswith("the same caption was found with different settings (Min length 5; Min")


def test_a_reason_names_a_few_cells_and_how_many_more() -> None:
    _, reasons = compare(grid_of("seed=" + ",".join(map(str, range(30)))), ["x"] * 30)
    assert reasons["A"].endswith("Seed 5; and 24 more).")
