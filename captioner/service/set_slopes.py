"""A set's own slope: how surely its models' doubts become probabilities, fitted to what a person rated. Kept in the
set's settings, so that one undo takes it away. Runs no model.

A slope belongs to the models whose doubts it was fitted to; others' are reckoned as they were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from captioner.lab.scores import Weights
from captioner.limits import is_finite
from captioner.plural import plural
from captioner.service.choices import SLOPE, SLOPE_COUNT, SLOPE_MODELS, SLOPE_OFFSET, Choices


class OwnSlope(NamedTuple):
    """A set's own slope. models: whose doubts it is for, as `_named`."""

    slope: float
    offset: float
    models: str

    def is_for(self, asked: Iterable[str]) -> bool:
        """Whether it was fitted to the doubts of these models together. Args: asked: their names, in any order."""
        return self.models == _named(asked)

    def fitted(self, weights: Weights) -> Weights:
        """The weights with this slope."""
        return replace(weights, slope=self.slope, offset=self.offset)


def own_slope(settings: Mapping[str, Any]) -> OwnSlope | None:
    """The slope that a set has of its own, if any. Args: settings: the set's, as stored."""
    slope, offset, models = (settings.get(name, "") for name in (SLOPE, SLOPE_OFFSET, SLOPE_MODELS))
    if not (is_finite(slope) and is_finite(offset) and isinstance(models, str)):
        return None
    return OwnSlope(float(slope), float(offset), models)


def measured(outcome: Mapping[str, Any]) -> Weights:
    """The slope that a sweep was scored with, whatever the set has of its own. Args: outcome: of a scored sweep."""
    return Weights(slope=outcome["slope"], offset=outcome["offset"], is_calibrated=outcome["is_calibrated"])


def use(choices: Choices, set_id: str, weights: Weights, asked: Sequence[str], count: int) -> None:
    """Make a slope the set's, as one step that undo takes back. Args: count: how many ratings it was fitted to."""
    values = {SLOPE: weights.slope, SLOPE_OFFSET: weights.offset, SLOPE_MODELS: _named(asked), SLOPE_COUNT: count}
    choices.store_own(set_id, values, label=f"Slope from {plural(count, 'rating')}")


def forget(choices: Choices, set_id: str) -> None:
    """Go back to the slope that was measured, as one step."""
    choices.store_own(set_id, {}, label="Slope as it was measured")


def _named(models: Iterable[str]) -> str:
    return ", ".join(sorted(models))
