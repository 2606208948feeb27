"""A flat mapping of settings (see `groups`) -> which models to ask, how, and what recipe makes text of it: a `Plan`.

The flat mapping is the form in which the HTTP API, a stored caption set and the command line hold settings. `captioner`
and each tagger family name a model, its folder or its address; "" switches it off and "default" takes the default. A
tagger is off unless it is named; the captioner is on unless it is "". Runs no model; knows no page and no store.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from captioner.captions.groups import CAPTIONER, DEFAULT, PRESET, SettingGroup, group_of, known_names, setting_groups
from captioner.captions.recipe import Recipe
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.limits import without_halves
from captioner.models import registry, sources
from captioner.models.download import Progress
from captioner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A model of a plan: its family, its name, folder or address ("" when it is off), and its settings."""

    family: str
    model: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and how to make captions of it.

    captioner: its model is "" when none writes a sentence. taggers: those that are on, in registry order. switched_off:
    all other families, whose settings are checked and remembered, so that switching one on brings its values back.
    carried: what stored settings hold that means nothing here (of a package that is not installed, of a newer version):
    it is stored again as it was. notes: what was understood differently from how it was written, in sentences. given:
    the mapping that `from_flat` made it of.
    """

    captioner: PlannedModel
    taggers: tuple[PlannedModel, ...] = ()
    switched_off: tuple[PlannedModel, ...] = ()
    recipe: Recipe = field(default_factory=lambda: Recipe.from_mapping({}))
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], models: str = "auto") -> Self:
        """The plan that a flat mapping describes. Whether a model's files are here, `check_models` says.

        A preset's values replace the captioner's defaults, and single fields given beside it win over it. A model's
        own defaults (`ModelSpec.defaults`) stand behind what is given.

        Args: models: "auto", "hub", "demo" or a folder of models; decides what "default" means.
        Raises:
            SettingsError: an unknown name (the closest one is suggested), an unknown preset, a value not allowed.
            ModelNotFound: a model name of the wrong kind, or no default model in a folder of models.
        """
        _check_names(values)
        captioner, notes = _captioner(values, models)
        taggers = [_tagger(values, family, models) for family in registry.families("tagger")]
        return cls(
            captioner=captioner,
            taggers=tuple(tagger for tagger in taggers if tagger.model),
            recipe=Recipe.from_mapping(_own_fields(values, Recipe)),
            switched_off=(
                *(
                    PlannedModel(
                        family=family, model="", settings=_settings(values, group_of(family, "captioner"), "", models)
                    )
                    for family in registry.families("captioner")
                    if family != captioner.family
                ),
                *(tagger for tagger in taggers if not tagger.model),
            ),
            notes=notes,
            given=dict(values),
        )

    @classmethod
    def from_stored(cls, values: Mapping[str, Any], models: str = "auto") -> Self:
        """The plan of settings that were stored, perhaps by another version or with other models installed.

        Read field by field: what is not known is carried along, a value that is not allowed is left at its default, and
        the notes name each. An empty mapping gives the defaults.
        """
        # Half a character, which an earlier version stored, would keep the set from being shown at all.
        values = {name: without_halves(value) if isinstance(value, str) else value for name, value in values.items()}
        known = set(known_names())
        carried = {name: value for name, value in values.items() if name not in known}
        usable = {name: value for name, value in values.items() if name in known}
        notes = [_kept_note(carried)] if carried else []
        for group in setting_groups():
            notes += _drop_refused(usable, group)
        for key in (CAPTIONER, *registry.families("tagger")):
            notes += _drop_unknown_model(usable, key, models)
        plan = cls.from_flat(usable, models)
        return cls(
            captioner=plan.captioner,
            taggers=plan.taggers,
            switched_off=plan.switched_off,
            recipe=plan.recipe,
            carried=carried,
            notes=(*notes, *plan.notes),
        )

    def to_flat(self) -> dict[str, Any]:
        """The mapping that makes this plan again, with every field written out; JSON can hold it."""
        flat = {**self.carried, CAPTIONER: self.captioner.model}
        captioners = registry.families("captioner")
        for planned in (self.captioner, *self.taggers, *self.switched_off):
            group = group_of(planned.family, "captioner" if planned.family in captioners else "tagger")
            flat |= group.to_flat(planned.settings.to_mapping())
            if group.kind == "tagger":
                flat[planned.family] = planned.model
        return flat | self.recipe.to_mapping()

    def running(self) -> tuple[PlannedModel, ...]:
        """What would run, the captioner first."""
        return (*((self.captioner,) if self.captioner.model else ()), *self.taggers)

    def check_models(self, models: str = "auto", *, progress: Progress | None = None) -> Self:
        """Make sure that each model's files are here, before any is loaded; under "hub" missing ones are downloaded.

        Returns: the plan, with what a model that was downloaded wants for what nobody gave.
        Raises: ModelNotFound, BadModel, MissingPackage: as `sources.find_model`.
        """
        for planned in self.running():
            sources.find_model(planned.model, planned.family, models, progress=progress)
        fresh = type(self).from_flat(self.given, models) if self.given else self
        return fresh if fresh.running() != self.running() else self


def default_settings(family: str, model: str, models: str = "auto") -> Settings:
    """A family's settings as a model wants them: the class's defaults, its folder's, then the registry's for it."""
    return registry.family_class(family).Settings.from_mapping(_model_defaults(model, family, models))


def _check_names(values: Mapping[str, Any]) -> None:
    known = known_names()
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


def _captioner(values: Mapping[str, Any], models: str) -> tuple[PlannedModel, tuple[str, ...]]:
    """The captioner and its settings: its defaults, the model's, the preset's, the given fields; and what to tell."""
    name = _model_name(values, CAPTIONER, DEFAULT)
    first = registry.families("captioner")[0]
    family = first if name in ("", DEFAULT) else sources.family_of(name, "captioner", models) or first
    name = _default_model(family, models) if name == DEFAULT else name
    group = group_of(family, "captioner")
    own = sources.own_defaults(name, family, models)
    chosen = {**own, **_registered_defaults(name)}
    preset = values.get(PRESET, "")
    if preset != "":
        known = group.settings.preset_values()
        if not isinstance(preset, str) or preset not in known:
            names = ", ".join(known) or "none"
            raise SettingsError(f"no preset is called {str(preset)[:80]!r}; the presets are {names}.")
        chosen |= known[preset]
    given = group.own(values)
    resolved, notes = group.settings.resolve(chosen | given)
    settings = group.settings.from_mapping(resolved)
    if brought := _brought(own, settings, given):
        notes = (*notes, f"{name} asks for {brought} itself, in its folder; a flag of yours wins.")
    return PlannedModel(family=family, model=name, settings=settings), notes


def _tagger(values: Mapping[str, Any], family: str, models: str) -> PlannedModel:
    name = _model_name(values, family, "")
    if name == DEFAULT:
        name = _default_model(family, models)
    spec = next((spec for spec in registry.MODELS if spec.name == name), None)
    if spec is not None and spec.family != family:
        names = ", ".join(spec.name for spec in registry.of_family(family))
        raise ModelNotFound(f"{name} is a {spec.family} model; {family} takes one of {names}, or a folder.")
    return PlannedModel(family=family, model=name, settings=_settings(values, group_of(family, "tagger"), name, models))


def _settings(values: Mapping[str, Any], group: SettingGroup, model: str, models: str) -> Settings:
    resolved, _ = group.settings.resolve({**_model_defaults(model, group.family, models), **group.own(values)})
    return group.settings.from_mapping(resolved)


def _own_fields(values: Mapping[str, Any], settings: type[Settings]) -> dict[str, Any]:
    return {declared.name: values[declared.name] for declared in settings.fields() if declared.name in values}


def _model_defaults(model: str, family: str, models: str) -> dict[str, Any]:
    return {**sources.own_defaults(model, family, models), **_registered_defaults(model)}


def _brought(own: Mapping[str, Any], settings: Settings, given: Mapping[str, Any]) -> str:
    """What a model's folder made otherwise than its family's defaults, in words; "" where that is nothing."""
    heeded = settings.in_effect()
    found = [
        f"{field.title.lower()} {own[field.name]}"
        for field in settings.fields()
        if field.name in own
        and field.name in heeded
        and field.name not in given
        and heeded[field.name] == own[field.name] != field.default
    ]
    return ", ".join(found)


def _registered_defaults(model: str) -> Mapping[str, Any]:
    return next((spec.defaults for spec in registry.MODELS if spec.name == model), {})


# Reading what was stored


def _kept_note(carried: Mapping[str, Any]) -> str:
    names = ", ".join(sorted(carried)[:10]) + (f" and {len(carried) - 10} more" if len(carried) > 10 else "")
    return f"Not known here and kept as stored: {names}. They belong to another version or a package not installed."


def _drop_refused(usable: dict[str, Any], group: SettingGroup) -> list[str]:
    """Take a class's values that it refuses out of the mapping. Returns: a sentence for each."""
    notes = []
    for declared in (*group.fields(), *group.aliases()):
        if declared.name in usable:
            try:
                declared.check(usable[declared.name])
            except SettingsError as error:
                notes.append(f"A stored setting is left at its default: {error}")
                del usable[declared.name]
    try:
        group.settings.from_mapping(group.own(usable))
    except SettingsError as error:  # each is allowed, but not beside the others
        own = group.own(usable)
        names = next(([name] for name in own if _is_allowed(group, own, without=name)), list(own))
        notes.append(f"A stored setting ({', '.join(names)}) is left at its default: {error}")
        for name in group.to_flat(dict.fromkeys(names)):
            del usable[name]
    return notes


def _is_allowed(group: SettingGroup, own: Mapping[str, Any], *, without: str) -> bool:
    try:
        group.settings.from_mapping({name: value for name, value in own.items() if name != without})
    except SettingsError:
        return False
    return True


def _drop_unknown_model(usable: dict[str, Any], key: str, models: str) -> list[str]:
    """Take a model's name that nobody knows out of the mapping. Returns: a sentence where that was so."""
    name = usable.get(key)
    if name in (None, "", DEFAULT):
        return []
    try:
        if isinstance(name, str) and (
            sources.family_of(name, "captioner", models)
            if key == CAPTIONER
            else sources.family_of(name, "tagger", models) == key
        ):
            return []
        reason = f"no {key} model of that name is here"
    except CaptionerError as error:
        reason = str(error).rstrip(".")
    del usable[key]
    does = "the default stands in for it" if key == CAPTIONER else "it is off"
    return [f"The stored model {str(name)[:80]!r} is left aside ({reason}): {does}."]
