"""With less memory than all models take, everything is said as without a limit, and what they take stays within it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.models.manager import ModelManager
from captioner.pipeline import make_layers
from demo.drawing import draw
from demo.scenes import scene_from_seed

PLANS: tuple[dict[str, Any], ...] = (
    {"captioner": "blip-demo"},
    {"captioner": "blip-demo", "num_beams": 5, "min_length": 8},
    {"captioner": "", "wd14": "wd14-demo"},
    {"captioner": "", "clip": "clip-demo"},
    {"captioner": "blip-demo", "wd14": "wd14-demo"},
    {"captioner": "blip-demo", "wd14": "wd14-demo", "clip": "clip-demo"},
)


class Watched(ModelManager):
    """Notes the most that models took, also while one worked, before anything was let go."""

    most_bytes = 0
    loads = 0

    @contextlib.contextmanager
    def use(self, name_or_folder: str, family: str, **more: Any) -> Iterator[Any]:
        """As ever."""
        was_there = any(report.name == name_or_folder for report in self.report())
        with super().use(name_or_folder, family, **more) as model:
            self.loads += not was_there
            self._look()
            yield model
            self._look()
        self._look()

    def _look(self) -> None:
        self.most_bytes = max(self.most_bytes, self.memory_report().used_bytes)


def _pictures(count: int) -> list[PictureInput]:
    return [PictureInput(draw(scene_from_seed(1, index))) for index in range(count)]


def _said(manager: ModelManager, picture: PictureInput, flat: dict[str, Any]) -> list[Any]:
    [[result]] = make_layers([("a", picture)], Plan.from_flat(flat, "demo"), manager)
    assert result.error is None
    return [(layer.family, layer.sentence, layer.tags) for layer in result.layers]


def _requests(count: int, pictures: int) -> list[tuple[int, int]]:
    chance = random.Random(7)
    return [(chance.randrange(pictures), chance.randrange(len(PLANS))) for _ in range(count)]


def _compare(count: int, pictures: int) -> Watched:
    shown = _pictures(pictures)
    free = Watched(models="demo", device="cpu")
    asked = _requests(count, pictures)
    wanted = {one: _said(free, shown[one[0]], PLANS[one[1]]) for one in dict.fromkeys(asked)}
    free.close()
    sizes = {}
    for name, family in (("blip-demo", "blip"), ("wd14-demo", "wd14"), ("clip-demo", "clip")):
        with free.use(name, family) as model:
            if family == "clip":
                model.tag(shown[:1], Plan.from_flat(PLANS[3], "demo").taggers[0].settings)
            model.release_memory()
            sizes[family] = model.size_bytes
    free.close()
    # Two of them and a little to remember; never all three.
    budget_bytes = max(sizes["blip"], sizes["wd14"]) + sizes["clip"] + 500_000
    assert budget_bytes < sum(sizes.values())
    tight = Watched(models="demo", device="cpu", ram_bytes=budget_bytes)
    for one in asked:
        assert _said(tight, shown[one[0]], PLANS[one[1]]) == wanted[one], one
        assert tight.memory_report().used_bytes <= budget_bytes
    assert 0 < tight.most_bytes <= budget_bytes
    assert tight.loads > 3, "some had to step back"
    tight.close()
    return tight


def test_mixed_requests_within_a_budget_for_two_of_three_models() -> None:
    _compare(count=14, pictures=3)


@pytest.mark.slow
def test_two_hundred_mixed_requests_within_a_budget_for_two_of_three_models() -> None:
    _compare(count=200, pictures=25)
