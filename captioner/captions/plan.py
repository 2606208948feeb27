"""A flat mapping of settings -> which models to ask, how, and what recipe makes text of what they say: a `Plan`.

The flat mapping is the form in which the HTTP API, a stored caption set and the command line hold settings:

    {"captioner": "blip-base", "preset": "everydream-beam", "num_beams": 8,
     "wd14": "wd-vit-tagger-v3", "general_threshold": 0.4, "clip": "", "separator": ", "}

`captioner` and each tagger family name a model or its folder; "" switches it off and "default" takes the family's
default. Field names are unique across the settings classes, so every other key is a field of one of them. A tagger is
off unless it is named; the captioner is on unless it is "". Runs no model; knows no page, no store and no picture.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from captioner.captions.compose import Recipe
from captioner.errors import ModelNotFound, SettingsError
from captioner.models import registry, sources
from captioner.models.blip import SamplingSettings, resolve_q_factor
from captioner.settings import Field, Settings

CAPTIONER = "captioner"


PRESET = "preset"


DEFAULT = "default"


Q_FACTOR = Field(
    name="q_factor",
    kind=float,
    minimum=0.01,
    maximum=10_000.0,
    help="EveryDream's name: the repetition penalty under beam search, top_p under nucleus sampling.",
)
"""Another name for a sampling field, accepted beside the declared ones; `resolve_q_factor` says which it becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingGroup:
    """One settings class as the page and the command line show it.

    key: what names its model in the flat mapping ("captioner" or a tagger's family), or "recipe", which has no model.
    family: the model family, "" for the recipe.
    """

    key: str
    title: str
    settings: type[Settings]
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerChoice:
    """A tagger, its model's name or folder ("" when it is off), and its settings."""

    family: str
    model: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and how to make captions of it.

    captioner: a model's name or folder, "" for none. family: the captioner's. taggers: those that are on, in registry
    order. switched_off: the others, whose settings are checked and remembered, so that switching one on again brings
    its values back. notes: what was understood differently from how it was written, in sentences.
    """

    captioner: str
    family: str
    sampling: Settings
    taggers: tuple[TaggerChoice, ...] = ()
    recipe: Recipe = field(default_factory=lambda: Recipe.from_mapping({}))
    switched_off: tuple[TaggerChoice, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], models: str = "auto") -> Self:
        """The plan that a flat mapping describes. Asks no disk for models; `check_models` does.

        A preset's values replace the captioner's defaults, and single fields given beside it win over it. A model's
        own defaults (`ModelSpec.defaults`) stand behind what is given.

        Args: models: "auto", "hub", "demo" or a folder of models; decides what "default" means.
        Raises:
            SettingsError: an unknown name (the closest one is suggested), an unknown preset, a value not allowed.
            ModelNotFound: a model name of the wrong kind, or no default model in a folder of models.
        """
        _check_names(values)
        name = _model_name(values, CAPTIONER, DEFAULT)
        family = _captioner_family(name)
        name = _default_model(family, models) if name == DEFAULT else name
        sampling, notes = _sampling(values, family, name)
        choices = [_tagger_choice(values, tagger_family, models) for tagger_family in registry.families("tagger")]
        return cls(
            captioner=name,
            family=family,
            sampling=sampling,
            taggers=tuple(choice for choice in choices if choice.model),
            recipe=Recipe.from_mapping(_own_fields(values, Recipe)),
            switched_off=tuple(choice for choice in choices if not choice.model),
            notes=notes,
        )

    def to_flat(self) -> dict[str, Any]:
        """The mapping that makes this plan again, with every field written out; JSON can hold it."""
        flat: dict[str, Any] = {CAPTIONER: self.captioner, **self.sampling.to_mapping()}
        for choice in (*self.taggers, *self.switched_off):
            flat |= {choice.family: choice.model, **choice.settings.to_mapping()}
        return flat | self.recipe.to_mapping()

    def models(self) -> tuple[tuple[str, str], ...]:
        """(model, family) of everything that would run."""
        own = ((self.captioner, self.family),) if self.captioner else ()
        return (*own, *((choice.model, choice.family) for choice in self.taggers))

    def settings(self) -> dict[str, Settings]:
        """By family, the settings of everything that would run."""
        return {self.family: self.sampling} | {choice.family: choice.settings for choice in self.taggers}

    def check_models(self, models: str = "auto", *, progress: sources.Progress | None = None) -> None:
        """Make sure that each model's files are here, before any is loaded; under "hub" missing ones are downloaded.

        Raises: ModelNotFound, BadModel, MissingPackage: as `sources.find_model`.
        """
        for name, family in self.models():
            sources.find_model(name, family, models, progress=progress)


def setting_groups() -> tuple[SettingGroup, ...]:
    """Every settings class once: captioners, taggers in registry order, the recipe last."""
    groups = []
    for kind in ("captioner", "tagger"):
        for index, family in enumerate(registry.families(kind)):
            model_class = registry.family_class(family)
            key = CAPTIONER if kind == "captioner" and index == 0 else family
            title = getattr(model_class, "title", family.upper())
            groups.append(SettingGroup(key=key, title=title, settings=model_class.Settings, family=family))
    return (*groups, SettingGroup(key="recipe", title="Caption text", settings=Recipe))


def presets(family: str) -> Mapping[str, Settings]:
    """A captioner family's presets by name; a module that has none offers none."""
    module = importlib.import_module(registry.of_family(family)[0].entry.partition(":")[0])
    found: Mapping[str, Settings] = getattr(module, "PRESETS", {})
    return found


def default_settings(family: str, model: str) -> Settings:
    """A family's settings as a model wants them: the class's defaults, then the model's own."""
    settings: Settings = registry.family_class(family).Settings.from_mapping(_model_defaults(model))
    return settings


def _known_names() -> list[str]:
    names = [CAPTIONER, PRESET, *registry.families("tagger")]
    for group in setting_groups():
        names += [declared.name for declared in group.settings.fields()]
    return [*names, Q_FACTOR.name]


def _check_names(values: Mapping[str, Any]) -> None:
    known = _known_names()
    for name in values:
        if name in known:
            continue
        close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
        advice = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(known)}."
        raise SettingsError(f"{str(name)[:80]} is not a setting; {advice}")


def _model_name(values: Mapping[str, Any], key: str, default: str) -> str:
    name = values.get(key, default)
    if not isinstance(name, str) or len(name) > 4096:
        raise SettingsError(
            f'{key} is {str(name)[:80]}; it must be a model\'s name, its folder, "{DEFAULT}", or "" for none.'
        )
    return name.strip()


def _default_model(family: str, models: str) -> str:
    name = sources.default_model(family, models)
    if not name:
        raise ModelNotFound(f"there is no demo model of {family}; leave {family} out or use real models.")
    return name


def _captioner_family(name: str) -> str:
    """The family of a captioner by name; a folder, "default" and "" mean the first family.

    Raises: ModelNotFound: the name is a tagger's.
    """
    first = registry.families("captioner")[0]
    for spec in registry.MODELS:
        if spec.name == name and spec.kind != "captioner":
            captioners = ", ".join(spec.name for spec in registry.MODELS if spec.kind == "captioner")
            raise ModelNotFound(f"{name} is a tagger and writes no sentences; the captioners are {captioners}.")
        if spec.name == name:
            return spec.family
    return first


def _own_fields(values: Mapping[str, Any], settings: type[Settings]) -> dict[str, Any]:
    return {declared.name: values[declared.name] for declared in settings.fields() if declared.name in values}


def _model_defaults(model: str) -> Mapping[str, Any]:
    return next((spec.defaults for spec in registry.MODELS if spec.name == model), {})


def _sampling(values: Mapping[str, Any], family: str, model: str) -> tuple[Settings, tuple[str, ...]]:
    """The captioner's settings: its defaults, the model's, the preset's, the given fields; and what to tell."""
    settings_class: type[Settings] = registry.family_class(family).Settings
    chosen = dict(_model_defaults(model))
    preset = values.get(PRESET, "")
    if preset != "":
        known = presets(family)
        if not isinstance(preset, str) or preset not in known:
            names = ", ".join(known) or "none"
            raise SettingsError(f"no preset is called {str(preset)[:80]!r}; the presets are {names}.")
        chosen = known[preset].to_mapping()
    chosen |= _own_fields(values, settings_class)
    notes: tuple[str, ...] = ()
    if Q_FACTOR.name in values:
        if not issubclass(settings_class, SamplingSettings):
            raise SettingsError(f"{Q_FACTOR.name} is a setting of BLIP; the captioner here is {model}.")
        chosen, notes = resolve_q_factor({**chosen, Q_FACTOR.name: values[Q_FACTOR.name]})
    return settings_class.from_mapping(chosen), notes


def _tagger_choice(values: Mapping[str, Any], family: str, models: str) -> TaggerChoice:
    name = _model_name(values, family, "")
    if name == DEFAULT:
        name = _default_model(family, models)
    spec = next((spec for spec in registry.MODELS if spec.name == name), None)
    if spec is not None and spec.family != family:
        names = ", ".join(spec.name for spec in registry.of_family(family))
        raise ModelNotFound(f"{name} is a {spec.family} model; {family} takes one of {names}, or a folder.")
    settings_class = registry.family_class(family).Settings
    chosen = {**_model_defaults(name), **_own_fields(values, settings_class)}
    return TaggerChoice(family=family, model=name, settings=settings_class.from_mapping(chosen))
