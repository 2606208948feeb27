"""Which of a picture's layers count, what each model reads of the others', and which must run. Runs no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from captioner.captions.plan import Plan, PlannedModel
from captioner.captions.recipe import trigger_of
from captioner.contract import Readable, Tagger
from captioner.errors import SettingsError
from captioner.glitches import Glitch, find_glitch
from captioner.models import registry
from captioner.records import MAIN, Layer, Sentence, Tag
from captioner.settings import Effect

SENTENCE_READ = "sentence"
OTHERS_READ = "read"
"""Among a layer's run settings, what its model read beside the picture: the sentence as it is, the rest as a digest."""

EXISTING_USED = "existing_used"
"""Among them too: what became of the picture's existing caption when this layer was made, as `Recipe.existing` says."""

PROMPT_ASKED = "prompt_asked"
"""Among them too: what the captioner was asked, word for word."""

REDRAWN = "redrawn"
"""Among them too: how often an answer that went wrong was drawn again; missing where it could not be."""

_TOLD = (EXISTING_USED, PROMPT_ASKED, REDRAWN)
"""Run settings that tell of a run and do not make it another one."""


def layer_kind(planned: PlannedModel, plan: Plan) -> str:
    """The kind of caption whose layers a planned model makes: the plan's; what reads no other layers all kinds share,
    unless it writes the sentence."""
    is_captioner = planned.family == plan.captioner.family
    return plan.kind if is_captioner or reads(planned) & {"sentence", "tags"} else MAIN


def of_plan(layers: Sequence[Layer], plan: Plan) -> list[Layer]:
    """A picture's layers without those that are of other kinds of captions than the plan's."""
    if not plan.kind and not any(layer.kind for layer in layers):
        return list(layers)
    kinds = {planned.family: layer_kind(planned, plan) for planned in plan.running()}
    return [layer for layer in layers if layer.kind == kinds.get(layer.family, plan.kind)]


def as_of_plan(layer: Layer, planned: PlannedModel, plan: Plan) -> Layer:
    """What a planned model said, perhaps when another kind of caption was asked for, as a layer of the plan's."""
    kind = layer_kind(planned, plan)
    return layer if layer.kind == kind else replace(layer, kind=kind)


def latest(layers: Sequence[Layer], plan: Plan) -> dict[str, Layer]:
    """By family, the newest of a picture's layers of the plan's kind: the one that counts."""
    return newest(of_plan(layers, plan))


def newest(layers: Sequence[Layer]) -> dict[str, Layer]:
    """By family, the newest of layers that are all of one plan's kind."""
    return {layer.family: layer for layer in sorted(layers, key=attrgetter("created_at"))}


def sentence_of(layers: Sequence[Layer], plan: Plan) -> str:
    """What the plan's captioner said last; "" when it is off or said nothing yet."""
    said = latest(layers, plan).get(plan.captioner.family) if plan.captioner.model else None
    return said.sentence.text if said and said.sentence else ""


def selected_tags(layers: Sequence[Layer], plan: Plan, *, but: str = "") -> list[Tag]:
    """The tags that pass each tagger's COMPOSE settings, best first within a tagger, before the recipe.

    Args: but: a family to leave out.
    """
    return tags_of(latest(layers, plan), plan, but=but)


def tags_of(current: Mapping[str, Layer], plan: Plan, *, but: str = "") -> list[Tag]:
    """As `selected_tags`. Args: current: by family, the layers that count."""
    selected: list[Tag] = []
    for planned in plan.taggers:
        layer = current.get(planned.family)
        if layer is not None and layer.tags is not None and planned.family != but:
            selected += registry.tagger_class(planned.family).select(layer.tags, planned.settings)
    return selected


def existing_used(layers: Sequence[Layer], plan: Plan) -> str:
    """What became of a picture's existing caption when it was captioned last: kept where no model saw it.

    Layers of earlier versions do not say it: what the plan does then.
    """
    layers = of_plan(layers, plan)
    if not layers:
        return "keep"
    newest = max(layers, key=lambda layer: layer.created_at)
    return str(newest.run_settings.get(EXISTING_USED, plan.recipe.existing))


def own_existing(existing: str, plan: Plan) -> str:
    """The caption that a picture brought along, where it belongs to the plan's kind of caption: it is a main one."""
    return "" if plan.kind else existing


def existing_policy(layers: Sequence[Layer], plan: Plan) -> str:
    """What captioning does with the caption that a picture brought along, as the plan's recipe has it; captioning for
    another kind than the main one leaves it as it is. Args: layers: the picture's."""
    return existing_used(layers, replace(plan, kind=MAIN)) if plan.kind else plan.recipe.existing


def with_existing_used(layers: Sequence[Layer], policy: str, created_at: float | None = None) -> list[Layer]:
    """Layers that say what became of the existing caption. Args: created_at: seconds since 1970; None leaves theirs."""
    return [
        replace(
            layer,
            run_settings={**layer.run_settings, EXISTING_USED: policy},
            created_at=layer.created_at if created_at is None else created_at,
        )
        for layer in layers
    ]


def existing_due(layers: Sequence[Layer], plan: Plan, existing: str) -> bool:
    """Whether captioning would do something else with the caption that a picture brought along than was done last."""
    existing = own_existing(existing, plan)
    return bool(existing.strip()) and existing_used(layers, plan) != plan.recipe.existing


def reads(planned: PlannedModel) -> frozenset[Readable]:
    """What a planned model reads beside the picture."""
    return frozenset(registry.family_class(planned.family).reads(planned.settings))


def read_families(planned: PlannedModel, plan: Plan) -> frozenset[str]:
    """The families whose layers a planned model reads."""
    read = reads(planned)
    found = {plan.captioner.family} if "sentence" in read and plan.captioner.model else set()
    if "tags" in read:
        found |= {tagger.family for tagger in plan.taggers}
    return frozenset(found - {planned.family})


def _makes_layers(family: str) -> bool:
    model_class = registry.family_class(family)
    return not issubclass(model_class, Tagger) or model_class.gives_tags


def in_reading_order(plan: Plan) -> tuple[PlannedModel, ...]:
    """What makes layers, each after those whose layers it reads; else in the plan's order.

    A tagger that gives no tags makes none.

    Raises: SettingsError: two models read each other.
    """
    waiting = [planned for planned in plan.running() if _makes_layers(planned.family)]
    ordered: list[PlannedModel] = []
    while waiting:
        done = {planned.family for planned in ordered}
        is_off = {planned.family for planned in plan.switched_off}
        ready = next((one for one in waiting if read_families(one, plan) <= done | is_off), None)
        if ready is None:
            names = " and ".join(planned.model for planned in waiting)
            raise SettingsError(f"{names} read each other's results, so that none can begin; switch one of them off.")
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)


def what_it_reads(
    planned: PlannedModel, plan: Plan, layers: Sequence[Layer], name: str = "", existing: str = "", folder: str = ""
) -> dict[str, str]:
    """What a planned model would read now, as its layer keeps it; empty where it reads nothing.

    Args: layers: the picture's. name, folder, existing: its file's, and the caption that came along.
    """
    read = reads(planned)
    kept = {SENTENCE_READ: sentence_of(layers, plan)} if "sentence" in read else {}
    others: dict[str, Any] = {}
    if "tags" in read:
        others["tags"] = [[tag.source, tag.name] for tag in selected_tags(layers, plan, but=planned.family)]
    if "name" in read:
        others["name"] = name
    if "existing" in read:
        others["existing"] = existing
    if "folder" in read:
        others["folder"] = folder
    if "trigger" in read:
        others["trigger"] = trigger_of(plan.recipe)
    if others:
        text = json.dumps(others, sort_keys=True, ensure_ascii=True)
        kept[OTHERS_READ] = hashlib.sha256(text.encode()).hexdigest()
    return kept


def what_it_read(layer: Layer) -> dict[str, str]:
    """What a layer's model read, in the form of `what_it_reads`."""
    return {name: layer.run_settings[name] for name in (SENTENCE_READ, OTHERS_READ) if name in layer.run_settings}


def run_key(planned: PlannedModel, read: Mapping[str, str]) -> tuple[Any, ...]:
    """What identifies a run on a picture: equal keys give equal layers.

    Fields that have no effect do not count: another seed changes nothing under beam search.
    """
    values = planned.settings.in_effect(Effect.RUN)
    return (planned.family, planned.model, *sorted(values.items()), *sorted(read.items()))


def due(layers: Sequence[Layer], plan: Plan, name: str = "", existing: str = "", folder: str = "") -> tuple[str, ...]:
    """The families whose layer is missing, or was made by another run than the plan's.

    A model that reads others' layers runs again when they do, or when they say something else now; a captioner too
    whose answer went wrong and may be drawn again more often than it was.
    Args: layers: of one picture. name, existing, folder: as `what_it_reads`.
    """
    current = latest(layers, plan)
    found: list[str] = []
    for planned in in_reading_order(plan):
        layer = current.get(planned.family)
        read = what_it_reads(planned, plan, layers, name, existing, folder)
        is_due = layer is None or not is_made_by(layer, planned, read) or _may_be_redrawn(layer, planned)
        if is_due or read_families(planned, plan) & set(found):
            found.append(planned.family)
    return tuple(found)


def is_made_by(layer: Layer, planned: PlannedModel, read: Mapping[str, str]) -> bool:
    """Whether a planned model would say the same again. Args: read: what it would read now, as `what_it_reads`."""
    if layer.model != planned.model or layer.family != planned.family:
        return False
    values = planned.settings.effective(layer.run_settings)
    aside = {field.name for field in planned.settings.fields() if field.effect is not Effect.RUN} | set(_TOLD)
    values = {name: value for name, value in values.items() if name not in aside}
    wanted = {**planned.settings.in_effect(Effect.RUN), **read}
    return values == wanted


def glitch_of(sentence: Sentence | None, planned: PlannedModel) -> Glitch | None:
    """What went wrong in a captioner's sentence as it reaches the caption; None where nothing did, or there is none."""
    if sentence is None:
        return None
    said = registry.captioner_class(planned.family).select(sentence, planned.settings)
    return find_glitch(said.text, is_cut=said.finish == "length")


def _may_be_redrawn(layer: Layer, planned: PlannedModel) -> bool:
    if layer.sentence is None or REDRAWN not in layer.run_settings:
        return False
    wanted = registry.captioner_class(planned.family).redraws(planned.settings)
    return layer.run_settings[REDRAWN] < wanted and glitch_of(layer.sentence, planned) is not None
