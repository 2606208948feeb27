"""Which of a picture's layers count, and which of a plan's models must run to bring them up to date. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioner.captions.plan import Plan
from captioner.models import registry
from captioner.records import Layer, Tag
from captioner.settings import Effect, Settings

SENTENCE_READ = "sentence"
"""Among a layer's run settings, for taggers that go on from the captioner's sentence: which one they were given."""


def families_to_run(layers: Sequence[Layer], plan: Plan) -> tuple[str, ...]:
    """The families whose layer is missing or was made by another model or other RUN settings than the plan's.

    Fields that have no effect do not count: another seed changes nothing under beam search.
    A tagger that goes on from the sentence runs again when the captioner does, or another sentence stands there now.
    """
    current = latest(layers)
    settings = plan.settings()
    sentence = sentence_of(layers, plan)
    due: list[str] = []
    for model, family in plan.models():
        expected = settings[family].to_mapping(Effect.RUN)
        is_reading = reads_sentence(family, settings[family])
        if is_reading:
            expected[SENTENCE_READ] = sentence
        layer = current.get(family)
        if (
            layer is None
            or layer.model != model
            or _effective(layer.run_settings, settings[family]) != _effective(expected, settings[family])
            or (is_reading and plan.family in due)
        ):
            due.append(family)
    return tuple(due)


def kept_tags(layers: Sequence[Layer], plan: Plan) -> list[Tag]:
    """The tags that pass each tagger's COMPOSE settings, best first within a tagger, before the recipe."""
    current = latest(layers)
    kept: list[Tag] = []
    for choice in plan.taggers:
        layer = current.get(choice.family)
        if layer is not None and layer.tags is not None:
            kept += registry.family_class(choice.family).keep(layer.tags, choice.settings)
    return kept


def sentence_to_read(family: str, layers: Sequence[Layer], plan: Plan) -> str | None:
    """The sentence among a picture's layers that a family's tagger goes on from ("" for none); None: it reads none."""
    settings = {choice.family: choice.settings for choice in plan.taggers}.get(family)
    return None if settings is None or not reads_sentence(family, settings) else sentence_of(layers, plan)


def sentence_read(layer: Layer) -> str | None:
    """The sentence that a tagger went on from when it made this layer; None: it read none."""
    read: str | None = layer.run_settings.get(SENTENCE_READ)
    return read


def latest(layers: Sequence[Layer]) -> dict[str, Layer]:
    """By family, the newest of a picture's layers: the one that counts."""
    return {layer.family: layer for layer in sorted(layers, key=lambda layer: layer.created_at)}


def reads_sentence(family: str, settings: Settings) -> bool:
    """Whether a tagger with these settings goes on from the captioner's sentence, by its `uses_sentence`."""
    uses_sentence = getattr(registry.family_class(family), "uses_sentence", None)
    return uses_sentence is not None and bool(uses_sentence(settings))


def sentence_of(layers: Sequence[Layer], plan: Plan) -> str:
    """What the plan's captioner said last; "" when it is off or said nothing yet."""
    said = latest(layers).get(plan.family) if plan.captioner else None
    return said.sentence.text if said and said.sentence else ""


def _effective(run_settings: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The run settings without fields that by their own `only_when` have no effect among these values."""
    idle = {
        declared.name
        for declared in settings.fields()
        if declared.only_when
        and run_settings.get(declared.only_when[0], declared.only_when[1]) != declared.only_when[1]
    }
    return {name: value for name, value in run_settings.items() if name not in idle}
