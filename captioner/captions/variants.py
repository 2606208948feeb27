"""Several captions of one picture, for trainers that take one of them by chance: the sentence, the tags, both, or what
else the captioner found. Runs no model; knows no trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from captioner.captions.frame import Frame
from captioner.captions.kind_readings import other_readings
from captioner.captions.plan import Plan
from captioner.captions.review import Reading
from captioner.records import Layer

KINDS = ("one", "sentence", "tags", "parts", "best", "kinds")
"""One caption as it is; the sentence alone; the tags alone; both and each alone; the best sentences, each with tags;
that of every kind of caption that the plan knows."""


def variants(
    layers: Sequence[Layer],
    plan: Plan,
    existing: str = "",
    edit: str | None = None,
    *,
    kind: str = "one",
    best: int = 3,
) -> list[str]:
    """A picture's captions, the first one first, none twice and none empty unless all are.

    What a person wrote or brought along has no parts: it is one caption.
    Args: kind: one of `KINDS`. best: how many at most, for the kind best.
    """
    reading = Reading.at_rest(layers, plan, existing, edit)
    whole = reading.caption.text
    if kind == "kinds":
        found = [whole, *(one.caption.text for one in other_readings(layers, plan, existing).values())]
        return [text for text in dict.fromkeys(found) if text.strip()] or [whole]
    if kind == "one" or reading.origin != "generated":
        return [whole]
    if kind == "best":
        frame = Frame.of(plan.recipe)
        found = [whole, *(frame.around(other.caption) for other in reading.other_sentences())][:best]
    else:
        sentence = Reading.at_rest(layers, replace(plan, taggers=()), existing).caption.text
        tags = Reading.at_rest(layers, _without_captioner(plan), existing).caption.text
        found = {"sentence": [sentence], "tags": [tags], "parts": [whole, sentence, tags]}[kind]
    return [text for text in dict.fromkeys(found) if text.strip()] or [whole]


def _without_captioner(plan: Plan) -> Plan:
    return replace(plan, captioner=replace(plan.captioner, model=""))
