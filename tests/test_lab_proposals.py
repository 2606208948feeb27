"""captioner.lab.proposals: settings tried on a sample, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import SettingsError
from captioner.lab.grid import in_effect
from captioner.lab.proposals import BEAMS, LEAST_TOKENS, WORDING, Search, Seen, trials_around
from captioner.lab.scores import Weights
from captioner.lab.voices import Heard, Voices
from captioner.models.manager import ModelManager
from captioner.readings import CaptionReading, ReadWord
from demo.drawing import draw
from demo.scenes import scene_from_seed


def plan(**flat: Any) -> Plan:
    return Plan.from_flat({"captioner": "blip-demo", **flat}, "demo")


def test_beams_by_length_are_tried_around_today_s_settings_and_a_fitted_length() -> None:
    base = plan(preset="everydream-beam", repetition_penalty=1.2, wd14="wd14-demo", prefix="zwx, ")
    today, *grid, fitted = trials_around(base, models="demo")
    assert (today.title, today.settings, today.is_base) == ("as now", {}, True)
    assert len(grid) == len(BEAMS) * len(LEAST_TOKENS)
    assert grid[0].title == "1 beam, 5 to 60 tokens"
    assert trials_around(plan(max_length=60), models="demo")[1].title == "1 beam, at least 5 tokens", "it ends as today"
    assert grid[-1].settings["num_beams"] == 16
    assert {trial.plan.captioner.settings.to_mapping()["repetition_penalty"] for trial in grid} == {1.2}
    assert fitted.is_fitted
    assert fitted.title == "16 beams, a length for each picture"
    assert all(not trial.plan.taggers and not trial.plan.recipe.prefix for trial in (today, *grid, fitted))


def test_settings_that_are_today_s_are_not_tried_twice() -> None:
    base = plan(num_beams=8, min_length=22, max_length=60)
    trials = trials_around(base, models="demo")
    assert len(trials) == 1 + 19 + 1
    assert len({in_effect(trial.plan) for trial in trials}) == len(trials)
    assert not any(one.is_fitted for one in trials_around(plan(fit_length=True, max_length=60), models="demo"))


def test_with_penalties_there_are_eighty_and_a_nucleus_becomes_beams() -> None:
    base = plan(preset="everydream-nucleus")
    trials = trials_around(base, has_penalties=True, models="demo")
    assert len(trials) == 1 + 80 + 1
    assert all(one.settings["method"] == "beam" for one in trials[1:])
    assert trials[1].title == "1 beam, 5 to 60 tokens, penalty 0.6"


def test_without_such_a_captioner_nothing_can_be_tried() -> None:
    with pytest.raises(SettingsError, match="no captioner is on"):
        trials_around(plan(captioner="", wd14="wd14-demo"), models="demo")


def _heard(caption: str, overrun: float) -> Heard:
    words = [
        ReadWord(word, at, at + len(word), True, -0.1, 0.0, overrun if number > 2 else 0.0)
        for number, (word, at) in enumerate((word, caption.index(word)) for word in caption.split())
    ]
    return Heard(CaptionReading(caption, tuple(words)), {})


class _Voices:
    weights = Weights(is_calibrated=True)


def _search(captions: dict[int, str], *, count: int = 12, uneven: bool = False) -> Search:
    """A search whose trials say these captions of every picture; the others say what today's do."""
    trials = trials_around(plan(), models="demo")
    search = Search(trials, _Voices())  # type: ignore[arg-type]
    for number in range(count):
        said = [captions.get(trial, "a red cat") for trial in range(len(trials))]
        if uneven and number % 2:
            said = ["a red cat"] * len(trials)
        search.seen.append(Seen(f"p{number}", tuple(said), tuple(_heard(one, 0.0) for one in said)))
    return search


def test_where_nothing_is_clearly_better_it_says_so() -> None:
    values = _search({}).to_values()
    others = len(values["dots"]) - 2
    assert values["sentence"] == f"None of {others} settings is clearly better than yours."
    assert values["proposals"] == []
    assert values["fitted"]["differing"] == 0
    assert [dot["is_base"] for dot in values["dots"]].count(True) == 1


def test_what_is_better_on_every_picture_is_proposed_once_with_the_captions_that_differ() -> None:
    better = "a red cat with green eyes"
    values = _search({3: better, 7: better}).to_values(most=2)
    assert values["sentence"].startswith("2 of ")
    (proposal,) = values["proposals"]
    assert (proposal["dot"], proposal["differing"]) == (3, 12)
    assert proposal["examples"][0] == {
        "name": "p0",
        "before": "a red cat",
        "after": better,
        "tokens_before": 3,
        "tokens_after": 6,
    }
    assert len(proposal["examples"]) == 2
    assert values["dots"][3]["is_clear"] is True


def test_of_few_pictures_nothing_is_proposed_and_one_has_no_error() -> None:
    values = _search({3: "a red cat with green eyes"}, count=1).to_values()
    assert values["proposals"] == []
    assert values["dots"][3]["error"] is None
    assert any("fewer than 10 pictures" in caution for caution in values["cautions"])
    with pytest.raises(SettingsError, match="no picture could be looked at"):
        _search({}, count=0).to_values()


def test_a_picture_is_tried_with_all_settings_and_equal_captions_are_judged_once() -> None:
    base = plan()
    manager = ModelManager(models="demo", device="cpu")
    try:
        search = Search(trials_around(base, models="demo")[:4], Voices(base, manager))
        steps = list(search.look_at(PictureInput(draw(scene_from_seed(7, 1))), "one", manager))
    finally:
        manager.close()
    assert steps[-1] == (8, 8)
    (seen,) = search.seen
    assert (seen.name, len(seen.captions), len(seen.heard)) == ("one", 4, 4)
    assert [one.reading.text for one in seen.heard] == list(seen.captions)
    assert WORDING not in search.to_values()["cautions"]
