"""Which of a plan's models run where: on this machine, one after the other, or at a server, for which nobody waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from captioner.captions.layers import in_reading_order
from captioner.captions.plan import Plan, PlannedModel
from captioner.models import registry
from captioner.worker import LOCAL

DOWNLOADS = "downloads"
"""The lane of what takes only the network and the disk."""


class Stage(NamedTuple):
    """Models of one lane that run one after the other."""

    lane: str
    models: tuple[PlannedModel, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """Theirs, in the order in which they run."""
        return tuple(planned.family for planned in self.models)

    @property
    def is_remote(self) -> bool:
        """Whether it takes nothing of this machine."""
        return self.lane != LOCAL


def lane_of(planned: PlannedModel) -> str:
    """The worker's lane that a model runs in: each server has its own."""
    return f"server {planned.model}" if registry.family_class(planned.family).is_remote else LOCAL


def stages_of(plan: Plan, families: Collection[str]) -> Sequence[Stage]:
    """The plan's models of some families, in reading order, those together that follow each other in one lane.

    Raises: SettingsError: two models read each other.
    """
    stages: list[Stage] = []
    for planned in in_reading_order(plan):
        if planned.family not in families:
            continue
        lane = lane_of(planned)
        if stages and stages[-1].lane == lane:
            stages[-1] = Stage(lane, (*stages[-1].models, planned))
        else:
            stages.append(Stage(lane, (planned,)))
    return stages
