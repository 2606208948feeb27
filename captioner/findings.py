"""What became of each tag of a picture, and which other sentences it could have: what a person chooses from.

Pure: layers and a plan go in, plain values come out, decided as `pipeline.caption_text` decides. Runs no model; knows
no page and no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import Literal

from captioner import registry
from captioner.compose import ignored_by, pieces_in, spell, written
from captioner.pipeline import Plan, caption_text, latest
from captioner.records import Alternative, Layer, Sentence, Tag
from captioner.tag_rules import piece_key

NEAR_TAGS = 12
"""Tags of one tagger that are shown at once although they are not in the caption; the others wait behind "more"."""

Standing = Literal["kept", "out", "ignored"]


@dataclass(frozen=True, slots=True)
class TagFinding:
    """A tag and what became of it.

    text: as captions write it. standing: kept (the caption says it), out (under a threshold, beyond a maximum, or a
    longer tag implies it), ignored (by the ignore list, whatever its score). is_near: it is kept, would be without the
    ignore list, or is among the next `NEAR_TAGS`. ignored_by: the entries of the ignore list that name it.
    """

    tag: Tag
    text: str
    standing: Standing
    is_near: bool
    ignored_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherSentence:
    """A sentence that could stand in the caption's place. caption: what the recipe makes of it and the tags."""

    text: str
    score: float | None
    caption: str


def tag_findings(layers: Sequence[Layer], plan: Plan, existing: str = "") -> list[TagFinding]:
    """Every stored tag of the taggers that are on, each tagger's in its own order: best first.

    Args: layers: of one picture. existing: the caption that the picture brought along.
    """
    recipe = plan.recipe
    said = pieces_in(caption_text(layers, plan, _joined(existing, plan)), recipe)
    current = latest(layers)
    findings: list[TagFinding] = []
    for choice in plan.taggers:
        layer = current.get(choice.family)
        if layer is None or layer.tags is None:
            continue
        passing = set(registry.family_class(choice.family).keep(layer.tags, choice.settings))
        found: list[TagFinding] = []
        for tag in layer.tags:
            text = written(tag.name, recipe)
            standing: Standing = "out"
            entries = ignored_by(tag.name, recipe) if text is None else ()
            if entries:
                standing = "ignored"
            elif tag in passing and text is not None and piece_key(text) in said:
                standing = "kept"
            is_near = standing == "kept" or (standing == "ignored" and tag in passing)
            found.append(TagFinding(tag, text or spell(tag.name, recipe), standing, is_near, entries))
        near = _dealt(found, NEAR_TAGS)
        findings += [replace(one, is_near=True) if place in near else one for place, one in enumerate(found)]
    return findings


def other_sentences(
    layers: Sequence[Layer], plan: Plan, existing: str = "", drawn: Iterable[Alternative] = ()
) -> list[OtherSentence]:
    """The sentences that the captioner found beside its own, each once, with the caption it would make.

    Args: layers, existing: as `tag_findings`. drawn: further ones that are in no layer.
    """
    layer = latest(layers).get(plan.family) if plan.captioner else None
    if layer is None or layer.sentence is None:
        return []
    others: dict[str, Alternative] = {}
    for other in (*layer.sentence.alternatives, *drawn):
        if other.text.strip() and other.text != layer.sentence.text:
            others.setdefault(other.text, other)
    tags = [other for other in layers if other.family != plan.family]
    made = []
    for other in others.values():
        said = replace(layer, sentence=Sentence(other.text, other.score))
        caption = caption_text([*tags, said], plan, _joined(existing, plan)).text
        made.append(OtherSentence(other.text, other.score, caption))
    return made


def _joined(existing: str, plan: Plan) -> str:
    """The existing caption where it is joined with what the layers make; where it is kept, they are shown without."""
    return "" if plan.recipe.existing == "keep" else existing


def _dealt(findings: Sequence[TagFinding], count: int) -> set[int]:
    """The places of the best `count` that are not near yet, dealt to the categories in turn.

    By score alone one of CLIP's vocabularies would take all places, since its labels fit pictures better as a whole.
    """
    places: dict[str, list[int]] = {}
    for place, finding in enumerate(findings):
        if not finding.is_near:
            places.setdefault(finding.tag.category, []).append(place)
    turns = chain.from_iterable(zip_longest(*places.values()))
    return set(islice((place for place in turns if place is not None), count))
