"""What models of a family can do, from their class and its settings; loads none."""

from __future__ import annotations

from typing import Literal, get_args

from captioner.contract import Captioner, Model, Tagger

Ability = Literal["prompt", "tasks", "beams", "draws", "scores", "live", "tags", "compares"]
"""prompt: it is asked in words. tasks: it is told one of its tasks. beams: several answers are followed at once. draws:
it says several different things of one picture by chance. scores: it tells how likely it finds each word of a caption.
live: it is quick enough to run on every move of a slider. tags: it gives tags. compares: it tells which of two captions
fits better."""

ABILITIES: tuple[Ability, ...] = get_args(Ability)


def abilities(model_class: type[Model]) -> list[Ability]:
    """What models of a class can do, in the order of `ABILITIES`."""
    fields = {field.name for field in model_class.Settings.fields()}
    can: set[Ability] = {"live"} if model_class.is_live else set()
    named: tuple[tuple[str, Ability], ...] = (("prompt", "prompt"), ("task", "tasks"), ("num_beams", "beams"))
    can |= {ability for field, ability in named if field in fields}
    if issubclass(model_class, Captioner):
        can |= {"draws"} if model_class.draw is not Captioner.draw else set()
        can |= {"scores"} if model_class.can_read else set()
    if issubclass(model_class, Tagger):
        can |= {"tags"} if model_class.gives_tags else set()
        can |= {"compares"} if model_class.can_compare else set()
    return [ability for ability in ABILITIES if ability in can]
