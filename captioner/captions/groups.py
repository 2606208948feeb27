"""Every settings class as page, command line and API name its fields: in one flat mapping for all of them.

    {"captioner": "blip-base", "num_beams": 8, "wd14": "wd-vit-tagger-v3", "general_threshold": 0.4, "separator": ", "}

Field names are unique across the product's own classes; those of other packages begin with their family's name. So
every key is a model's ("captioner" or a tagger's family), "preset", "kind", "kinds", or a field of one class. Loads no
model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from captioner.captions.recipe import Recipe
from captioner.contract import Kind
from captioner.models import plug_ins, registry
from captioner.records import KIND
from captioner.settings import Field, Settings

CAPTIONER = "captioner"
PRESET = "preset"
DEFAULT = "default"
RECIPE = "recipe"
KINDS = "kinds"
"""The kinds of captions beside the one in front (`records.KIND`), each with what it has of its own; see `plan`."""
_FLAGS = (
    *("help", "json", "file", "models", "device", "endpoint", "vram_gib"),
    *("ram_gib", "front", "published_labels", "recursive", "exclude", "include_masks", "out"),
    *("beside", "zip", "overwrite", "format", "base_model", "repeats", "trigger_word"),
    *("set_folder", "captions", "best_captions", "with_pictures", "conversion", "longest_edge", "picture_type"),
    *("picture_quality", "recipe", "own", "name", "top", "for", "exact_tokens"),
    *("captions_only", "lines", "encoding", "form", "pictures", "download", "verify"),
    *("penalties", "grid", "list_grids", "x", "y", "z", "png"),
    *("score", "judge", "colour", "workspace", "operator"),
    *("engine", "address", "workers", "gpus_each", "cpus_each", "resume", "limit", "price_per_hour", "column"),
    *("part_pictures", "retry_failed"),
)
"""What the command line's flags are called beside settings; tests/test_plug_ins.py holds that none is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingGroup:
    """One settings class as it is shown.

    key: what names its model in the flat mapping: "captioner" for all captioners, of which one runs, else the tagger's
    family; "recipe", which has no model. kind, family: the model's; None and "" for the recipe. about: what the models
    say of a picture, "" where that is not said. prefix: what the names of its fields begin with.
    """

    key: str
    kind: Kind | None
    title: str
    settings: type[Settings]
    about: str = ""
    family: str = ""
    prefix: str = ""

    def fields(self) -> tuple[Field, ...]:
        """The declared fields, in order, under their names in the flat mapping."""
        return _fields(self.settings, self.prefix)  # type: ignore[arg-type]

    def aliases(self) -> tuple[Field, ...]:
        """Other names for fields, as `Settings.aliases`."""
        return _aliases(self.settings, self.prefix)  # type: ignore[arg-type]

    def own(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """What a flat mapping says of this class, by the class's own names; aliases are among them."""
        names = [field.name for field in (*self.settings.fields(), *self.settings.aliases())]
        return {name: flat[self.prefix + name] for name in names if self.prefix + name in flat}

    def to_flat(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the class's own names -> by those in the flat mapping."""
        return {self.prefix + name: value for name, value in values.items()}


# Made once: a plan is read from its flat mapping with every edit that is saved. mypy takes classes for unhashable.
@lru_cache
def _fields(settings: type[Settings], prefix: str) -> tuple[Field, ...]:
    return tuple(_renamed(field, prefix) for field in settings.fields())


@lru_cache
def _aliases(settings: type[Settings], prefix: str) -> tuple[Field, ...]:
    return tuple(_renamed(field, prefix) for field in settings.aliases())


def _renamed(field: Field, prefix: str) -> Field:
    only_when = (prefix + field.only_when[0], field.only_when[1]) if field.only_when else None
    only_with = (prefix + field.only_with[0], field.only_with[1]) if field.only_with else None
    return dataclasses.replace(
        field, name=prefix + field.name, label=field.title, only_when=only_when, only_with=only_with
    )


def setting_groups(kind: Kind | None = None) -> tuple[SettingGroup, ...]:
    """The groups of all classes: captioners, taggers in registry order, the recipe last; or of one kind of models."""
    kinds: tuple[Kind, ...] = (kind,) if kind else ("captioner", "tagger")
    models = tuple(group_of(family, one) for one in kinds for family in registry.families(one))
    recipe = SettingGroup(key=RECIPE, kind=None, title="Caption text", settings=Recipe)
    return models if kind else (*models, recipe)


def group_of(family: str, kind: Kind) -> SettingGroup:
    """The group of a model family."""
    model_class = registry.family_class(family)
    return SettingGroup(
        key=CAPTIONER if kind == "captioner" else family,
        kind=kind,
        title=model_class.title or family.upper(),
        about=model_class.about,
        settings=model_class.Settings,
        family=family,
        prefix=registry.prefix(family),
    )


def add_plug_ins() -> None:
    """Put the models of installed packages into the registry, but those whose names clash with others'."""
    plug_ins.add_plug_ins([*known_names(), *_FLAGS])


def known_names() -> list[str]:
    """Every key that a flat mapping may have."""
    names = [CAPTIONER, PRESET, *registry.families("tagger")]
    for group in setting_groups():
        names += [field.name for field in (*group.fields(), *group.aliases())]
    return [*names, KIND, KINDS]
