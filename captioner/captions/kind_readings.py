"""What a picture's layers come to for each kind of caption that a plan knows. Pure, as `review`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.records import Layer


def other_readings(
    layers: Sequence[Layer], plan: Plan, existing: str = "", edits: Mapping[str, str] | None = None
) -> dict[str, Reading]:
    """By kind, a picture's captions at rest beside the one in front, in order.

    Args: existing: the caption that the picture brought along. edits: by kind, what the person wrote instead.
    """
    written = edits or {}
    return {
        kind: Reading.at_rest(layers, plan.of_kind(kind), existing, written.get(kind))
        for kind in plan.kind_names
        if kind != plan.kind
    }
