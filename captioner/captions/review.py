"""What a picture's layers come to under a plan: its caption, what else it could be, and what became of each tag.

Pure: layers and a plan go in, plain values come out; each text is composed once, when it is first asked for. Runs no
model; knows no page and no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, islice, zip_longest
from typing import Literal

from captioner.captions.compose import compose, ignored_by, pieces_in, spell, written
from captioner.captions.frame import Frame
from captioner.captions.layers import PROMPT_ASKED, REDRAWN, existing_used, newest, of_plan, own_existing, tags_of
from captioner.captions.plan import Plan
from captioner.captions.recipe import Recipe
from captioner.captions.tag_rules import piece_key
from captioner.glitches import Glitch, find_glitch
from captioner.models import registry
from captioner.records import Alternative, Caption, Layer, Sentence, Tag

NEAR_TAGS = 12
"""Tags of one tagger that are shown at once although they are not in the caption; the others wait behind "more"."""

Standing = Literal["kept", "out", "ignored"]
Origin = Literal["empty", "existing", "generated", "edited"]
"""Where a caption's words come from: nowhere, along with the picture, from models, or from the person. Its frame does
not count."""


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
    """A sentence that could stand in the caption's place. caption: what the recipe makes of it and the tags, without
    the frame. glitch: what is wrong with it."""

    text: str
    score: float | None
    caption: str
    glitch: Glitch | None = None


class Reading:
    """One picture's layers, read under a plan."""

    def __init__(self, layers: Sequence[Layer], plan: Plan, existing: str = "", edit: str | None = None) -> None:
        """Args: layers: the newest of each family counts, families that are off and other kinds of captions do not.
        existing: the caption that the picture brought along; it is a main one. edit: what the person wrote instead,
        None where nothing."""
        self._layers = layers = of_plan(layers, plan)
        self._plan = plan
        self._existing = own_existing(existing, plan)
        self._edit = edit
        self._latest = newest(layers)
        self._said_by = self._latest.get(plan.captioner.family) if plan.captioner.model else None
        self._said = self._said_by.sentence if self._said_by else None
        self._sentence = self._selected(self._said) if self._said else None

    @classmethod
    def at_rest(cls, layers: Sequence[Layer], plan: Plan, existing: str = "", edit: str | None = None) -> Reading:
        """As the picture stands: what becomes of its existing caption was decided when it was captioned last, so that
        a setting about it changes no text at rest, and it stays where the layers say nothing."""
        existing = own_existing(existing, plan)
        if not existing.strip():
            return cls(layers, plan, existing, edit)
        reading = cls(layers, _using(plan, existing_used(layers, plan)), existing, edit)
        return reading if reading.composed.text else cls(layers, _using(plan, "keep"), existing, edit)

    @property
    def caption(self) -> Caption:
        """The caption as it is exported: the edit, else what is composed, within the frame."""
        if self._edit is None:
            return self.composed
        text = Frame.of(self._plan.recipe).around(self._edit)
        return Caption(text=text, is_edited=True, inner=self._edit)

    @cached_property
    def composed(self) -> Caption:
        """The caption, unless the person wrote another. Thresholds and recipe work on stored scores."""
        return self._composed(self._sentence, self._existing)

    @property
    def origin(self) -> Origin:
        """Where the caption's words come from."""
        if self._edit is not None:
            return "edited"
        sources = {part.source for part in self.composed.parts} - {"prefix", "suffix"}
        if sources - {"existing"}:
            return "generated"
        return "existing" if sources else "empty"

    @property
    def has_sentence(self) -> bool:
        """Whether the plan's captioner said something."""
        return self._sentence is not None

    @property
    def glitch(self) -> Glitch | None:
        """What is wrong with the captioner's sentence; None where nothing is, or it is not what the caption says."""
        if self._edit is not None or self._sentence is None or self._is_existing_kept:
            return None
        return _glitch_in(self._sentence)

    @property
    def asked(self) -> str:
        """What the captioner was asked, word for word; "" where it takes no question, or said nothing yet."""
        return str(self._said_by.run_settings.get(PROMPT_ASKED, "")) if self._said_by else ""

    @property
    def redrawn(self) -> int:
        """How often its answer was drawn again because it went wrong."""
        return int(self._said_by.run_settings.get(REDRAWN, 0)) if self._said_by else 0

    @property
    def said(self) -> str:
        """The captioner's sentence as captions write it; "" where it says none."""
        family, caption = self._plan.captioner.family, self.suggestion
        parts = caption.parts if caption else ()
        return next((part.text for part in parts if family in part.source.split("+")), "")

    @property
    def suggestion(self) -> Caption | None:
        """What the layers say, where an existing caption may stand before it; None without layers."""
        if not self._layers:
            return None
        return self._without_existing if self._is_existing_kept else self.composed

    @cached_property
    def tags(self) -> list[TagFinding]:
        """Every stored tag of the taggers that are on, each tagger's in its own order: best first."""
        recipe = self._plan.recipe
        said = pieces_in(self.suggestion, recipe) if self.suggestion else frozenset()
        findings: list[TagFinding] = []
        for planned in self._plan.taggers:
            layer = self._latest.get(planned.family)
            if layer is None or layer.tags is None:
                continue
            passing = set(registry.tagger_class(planned.family).select(layer.tags, planned.settings))
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

    def other_sentences(self, drawn: Iterable[Alternative] = ()) -> list[OtherSentence]:
        """The sentences that the captioner found beside its own, each once, with the caption it would make.

        Args: drawn: further ones that are in no layer.
        """
        if self._said is None or self._sentence is None:
            return []
        others: dict[str, Sentence] = {}
        for found in (*self._said.alternatives, *drawn):
            other = self._selected(Sentence(found.text, found.score, finish=found.finish))
            if other.text.strip() and other.text != self._sentence.text:
                others.setdefault(other.text, other)
        existing = "" if self._is_existing_kept else self._existing
        return [
            OtherSentence(other.text, other.score, self._composed(other, existing).inner, _glitch_in(other))
            for other in others.values()
        ]

    @property
    def _is_existing_kept(self) -> bool:
        return bool(self._existing.strip()) and self._plan.recipe.existing == "keep"

    @cached_property
    def _without_existing(self) -> Caption:
        return self._composed(self._sentence, "")

    @cached_property
    def _tags(self) -> list[Tag]:
        return tags_of(self._latest, self._plan)

    def _selected(self, sentence: Sentence) -> Sentence:
        """What of a sentence reaches the caption."""
        captioner = self._plan.captioner
        return registry.captioner_class(captioner.family).select(sentence, captioner.settings)

    def _composed(self, sentence: Sentence | None, existing: str) -> Caption:
        source = self._plan.captioner.family
        return compose(sentence, self._tags, self._plan.recipe, existing=existing, sentence_source=source)


def _glitch_in(sentence: Sentence) -> Glitch | None:
    return find_glitch(sentence.text, is_cut=sentence.finish == "length")


def _using(plan: Plan, policy: str) -> Plan:
    """The plan with another answer to what becomes of existing captions."""
    return plan if policy == plan.recipe.existing else replace(plan, recipe=_recipe_using(plan.recipe, policy))


@lru_cache(maxsize=16)
def _recipe_using(recipe: Recipe, policy: str) -> Recipe:
    return recipe.replaced(existing=policy)


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
