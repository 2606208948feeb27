"""A set's own slope: how surely its models' doubts become probabilities, fitted to what a person rated. Kept in the
set's settings, so that one undo takes it away. Runs no model.

A slope belongs to the models whose doubts it was fitted to; others' are reckoned as they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from captioner.lab.scores import Weights
from captioner.limits import is_finite
from captioner.service.choices import SLOPE, SLOPE_COUNT, SLOPE_MODELS, SLOPE_OFFSET, Choices
from captioner.workspace import Workspace


class SetSlopes:
    """The slopes of all sets."""

    def __init__(self, workspace: Workspace, choices: Choices) -> None:
        self._workspace = workspace
        self._choices = choices

    def of_set(self, set_id: str, weights: Weights, asked: Sequence[str]) -> Weights:
        """The weights with the set's own slope where it has one for these models. Raises: UnknownSet.

        Args: asked: the models' names, as `Voices.asked`.
        """
        return fitted(self._workspace.settings(set_id), weights, asked)

    def use(self, set_id: str, weights: Weights, asked: Sequence[str], count: int) -> None:
        """Make a slope the set's, as one step that undo takes back. Args: count: how many ratings it was fitted to."""
        values = {SLOPE: weights.slope, SLOPE_OFFSET: weights.offset, SLOPE_MODELS: _models(asked), SLOPE_COUNT: count}
        self._choices.store_own(set_id, values, label=f"Slope from {count} ratings")

    def forget(self, set_id: str) -> None:
        """Go back to the slope that was measured, as one step."""
        self._choices.store_own(set_id, {}, label="Slope as it was measured")


def is_used(settings: Mapping[str, Any], asked: Sequence[str]) -> bool:
    """Whether a set has a slope of its own for these models. Args: settings: the set's, as stored."""
    numbers = (settings.get(SLOPE), settings.get(SLOPE_OFFSET))
    return bool(asked) and settings.get(SLOPE_MODELS) == _models(asked) and all(map(is_finite, numbers))


def fitted(settings: Mapping[str, Any], weights: Weights, asked: Sequence[str]) -> Weights:
    """As `SetSlopes.of_set`, for settings as stored."""
    if not is_used(settings, asked):
        return weights
    return replace(weights, slope=float(settings[SLOPE]), offset=float(settings[SLOPE_OFFSET]))


def measured(outcome: Mapping[str, Any]) -> Weights:
    """The slope that a sweep was scored with, whatever the set has of its own."""
    return Weights(slope=outcome["slope"], offset=outcome["offset"], is_calibrated=outcome["is_calibrated"])


def _models(asked: Sequence[str]) -> str:
    return ", ".join(asked)
