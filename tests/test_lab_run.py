"""captioner.lab.run: what several cells have in common is done once, and a cell that fails costs itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image

from captioner.captions.plan import Plan
from captioner.contract import Captioner, PictureInput, Tagger
from captioner.errors import ModelFailed, ModelNotFound, SettingsError
from captioner.lab.grid import Grid, make_grid, parse_axis
from captioner.lab.run import CellResult, run_cells, sweep_cells
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.models.manager import ModelManager
from captioner.records import Sentence, Tag
from taggers.clip import ClipTagger
from taggers.wd14 import Wd14Tagger
from tests.fakes import FakeModel

SHOWN = PictureInput(Image.new("RGB", (40, 20), "red"), name="a.png", existing="an old caption")


class Says(FakeModel, Captioner):
    """Says its settings; fails with those of `bad` beams, and breaks altogether when `bad` is among several."""

    family = "blip"
    Settings = SamplingSettings
    select = staticmethod(BlipCaptioner.select)
    shares_grid = True
    bad = 13

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def caption(self, inputs: Sequence[PictureInput], settings: SamplingSettings) -> list[Sentence]:
        raise NotImplementedError

    def caption_grid(self, shown: PictureInput, grid: Sequence[SamplingSettings]) -> list[Sentence]:
        self.asked.append([cell.num_beams for cell in grid])
        if any(cell.num_beams == self.bad for cell in grid):
            raise ModelFailed("13 beams are too many.")
        return [Sentence(f"{cell.num_beams} beams at {cell.min_length}", -0.5) for cell in grid]


class Tags(FakeModel, Tagger):
    family = "wd14"
    select = staticmethod(Wd14Tagger.select)

    def __init__(self) -> None:
        self.asked = 0

    def tag(self, inputs: Sequence[PictureInput], settings: Any) -> list[tuple[Tag, ...]]:
        self.asked += 1
        return [(Tag("cat", 0.9, "general", "wd14"), Tag("hat", 0.4, "general", "wd14"))]


class GoesOn(FakeModel, Tagger):
    """Reads the sentence."""

    family = "clip"
    select = staticmethod(ClipTagger.select)
    reads = staticmethod(ClipTagger.reads)

    def __init__(self) -> None:
        self.read: list[str] = []

    def tag(self, inputs: Sequence[PictureInput], settings: Any) -> list[tuple[Tag, ...]]:
        self.read.append(inputs[0].sentence)
        return [(Tag(f"after {inputs[0].sentence}", 0.9, settings.mode, "clip"),)]


class Models:
    """A manager of these three; a captioner called blip-large is not here."""

    budget_bytes = None

    def __init__(self) -> None:
        self.blip, self.wd14, self.clip = Says(), Tags(), GoesOn()

    @contextmanager
    def use(self, name: str, family: str) -> Iterator[Any]:
        if name == "blip-large":
            raise ModelNotFound("blip-large is not on this machine.")
        yield getattr(self, family)

    def to_download(self, name: str, family: str) -> None:
        return None


def grid_of(*axes: str, **base: Any) -> Grid:
    plan = Plan.from_flat({"max_length": 60, **base}, "demo")
    return make_grid([parse_axis(axis, plan) for axis in axes], plan, "demo")


def in_order(results: Iterator[CellResult]) -> list[CellResult]:
    return sorted(results, key=lambda result: result.cell)


def test_cells_come_in_small_batches_each_with_who_made_it() -> None:
    models = Models()
    results = run_cells(SHOWN, grid_of("num_beams=1,2,3,4,5,6,7"), models, batch_size=3)
    assert models.blip.asked == []
    first = next(results)
    assert models.blip.asked == [[1, 2, 3]], "a caller that stops here has asked for no more"
    assert (first.cell, first.caption, first.sentence, first.score) == (0, "1 beams at 5", "1 beams at 5", -0.5)
    assert (first.model, first.model_revision, first.error) == ("blip-demo", "abc123", None)
    assert [result.cell for result in results] == [1, 2, 3, 4, 5, 6]
    assert models.blip.asked == [[1, 2, 3], [4, 5, 6], [7]]


def test_a_captioner_that_shares_nothing_is_asked_one_by_one_so_that_each_cell_is_there_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Says, "shares_grid", False)
    models = Models()
    results = run_cells(SHOWN, grid_of("num_beams=1,2,3"), models)
    assert next(results).caption == "1 beams at 5"
    assert models.blip.asked == [[1]]
    assert [result.caption for result in results] == ["2 beams at 5", "3 beams at 5"]
    assert BlipCaptioner.shares_grid


def test_whoever_waits_for_all_has_them_asked_together() -> None:
    models = Models()
    results = sweep_cells(SHOWN, grid_of("num_beams=1,2,3", "min_length=5,6,7"), models)
    assert [len(asked) for asked in models.blip.asked] == [9]
    assert [result.caption for result in results[:4]] == [
        "1 beams at 5",
        "2 beams at 5",
        "3 beams at 5",
        "1 beams at 6",
    ]


def test_equal_runs_are_one_and_recipe_and_thresholds_run_nothing() -> None:
    models = Models()
    grid = grid_of("general_threshold=.3,.5", "prefix=,drawn", "top_p=.1,.2", wd14="wd14-demo")
    results = sweep_cells(SHOWN, grid, models)
    assert (models.blip.asked, models.wd14.asked) == ([[3]], 1)
    assert [result.caption for result in results] == [
        "3 beams at 5, cat, hat",
        "3 beams at 5, cat",
        "drawn, 3 beams at 5, cat, hat",
        "drawn, 3 beams at 5, cat",
    ] * 2
    assert {result.sentence for result in results} == {"3 beams at 5"}
    assert results[0].model == "blip-demo, wd14-demo"


def test_captioners_alternate_in_the_grid_and_are_asked_one_after_the_other() -> None:
    models = Models()
    asked: list[str] = []
    use = models.use
    models.use = lambda name, family: asked.append(name) or use(name, family)  # type: ignore[method-assign,func-returns-value]
    sweep_cells(SHOWN, grid_of("captioner=blip-demo,blip-base", "num_beams=1,2"), models)
    assert asked == ["blip-demo", "blip-base"]
    assert models.blip.asked == [[1, 2], [1, 2]]


def test_a_model_that_reads_the_sentence_is_asked_for_each_sentence() -> None:
    models = Models()
    grid = grid_of("num_beams=1,2", "suffix=,x", clip="clip-demo", mode="chain")
    results = sweep_cells(SHOWN, grid, models)
    assert sorted(models.clip.read) == ["1 beams at 5", "2 beams at 5"]
    assert results[1].caption.endswith("after 2 beams at 5")


def test_a_cell_that_fails_says_why_and_the_rest_go_on() -> None:
    models = Models()
    results = in_order(run_cells(SHOWN, grid_of("num_beams=12,13,14"), models))
    assert models.blip.asked == [[12, 13, 14], [12], [13], [14]]
    assert [str(result.error) if result.error else result.caption for result in results] == [
        "12 beams at 5",
        "13 beams are too many.",
        "14 beams at 5",
    ]


def test_what_nobody_foresaw_costs_the_cell_too(monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models()
    monkeypatch.setattr(models.wd14, "tag", lambda inputs, settings: 1 / 0)
    one, two = in_order(run_cells(SHOWN, grid_of("wd14=off,wd14-demo"), models))
    assert one.caption == "3 beams at 5"
    assert isinstance(two.error, ModelFailed)
    assert "ZeroDivisionError" in str(two.error)
    assert [layer.family for layer in two.layers] == ["blip"], "what was said before is kept"


def test_a_model_that_is_not_here_costs_its_cells() -> None:
    here, missing = in_order(run_cells(SHOWN, grid_of("captioner=blip-demo,blip-large"), Models()))
    assert here.error is None
    assert str(missing.error) == "blip-large is not on this machine."


def test_a_cell_without_any_model_says_so() -> None:
    results = in_order(run_cells(SHOWN, grid_of("captioner=off,blip-demo"), Models()))
    assert isinstance(results[0].error, SettingsError)
    assert "no model is on in this cell" in str(results[0].error)


def test_what_was_said_before_is_not_asked_again() -> None:
    models = Models()
    grid = grid_of("num_beams=1,2")
    before = [layer for result in sweep_cells(SHOWN, grid, models) for layer in result.layers]
    again = in_order(run_cells(SHOWN, grid_of("num_beams=2,3"), models, before[1:]))
    assert models.blip.asked == [[1, 2], [3]]
    assert (again[0].caption, again[0].seconds) == ("2 beams at 5", 0.0)
    assert again[1].seconds > 0


def test_an_existing_caption_does_not_hide_what_the_models_say_unless_it_is_compared() -> None:
    [result] = run_cells(SHOWN, grid_of("num_beams=1"), Models())
    assert result.caption == "1 beams at 5"
    results = sweep_cells(SHOWN, grid_of("existing=keep,append,ignore"), Models())
    assert [result.caption for result in results] == ["an old caption", "3 beams at 5, an old caption", "3 beams at 5"]


def test_the_demo_blip_says_in_a_grid_what_it_says_alone() -> None:
    manager = ModelManager(models="demo", device="cpu")
    grid = grid_of("repetition_penalty=0.6,1.4", "min_length=5,22", preset="everydream-beam")
    picture = PictureInput(Image.new("RGB", (64, 64), "red"))
    results = in_order(run_cells(picture, grid, manager, batch_size=3))
    with manager.use("blip-demo", "blip") as blip:
        alone = [blip.caption([picture], cell.captioner.settings)[0].text for cell in grid.cells]
    assert [result.caption for result in results] == alone
    manager.close()
