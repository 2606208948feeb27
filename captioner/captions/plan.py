"""A flat mapping of settings (see `groups`) -> which models to ask, how, and what recipe makes text of it: a `Plan`.

The flat mapping is the form in which the HTTP API, a stored caption set and the command line hold settings. `captioner`
and each tagger family name a model, its folder or its address; "" switches it off and "default" takes the default. A
tagger is off unless it is named; the captioner is on unless it is "". `kinds` holds, by name, what further kinds of
captions have of their own (`caption_kinds.own_names`), and `kind` names the one in front: one of `kinds`, beside which
the mapping is the main one's; or another, which the mapping itself is, while "" in `kinds` is the main one. Runs no
model; knows no page and no store.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from captioner.captions.caption_kinds import (
    MAX_KINDS,
    check_taggers,
    flat_of_kind,
    given_to,
    in_order,
    kind_of_title,
    kind_title,
    own_names,
    same_taggers,
    without,
)
from captioner.captions.groups import (
    CAPTIONER,
    DEFAULT,
    KINDS,
    PRESET,
    SettingGroup,
    group_of,
    known_names,
    setting_groups,
)
from captioner.captions.recipe import Recipe
from captioner.captions.stored_settings import drop_refused, drop_unknown_model, kept_note
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.limits import check_mapping, without_halves
from captioner.models import registry, sources
from captioner.models.download import Progress
from captioner.records import KIND, MAIN
from captioner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A model of a plan: its family, its name, folder or address ("" when it is off), and its settings."""

    family: str
    model: str
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionKind:
    """A kind of caption, as it waits behind the one in front: its captioner, and (family, model) of its taggers.

    carried: as `Plan.carried`.
    """

    name: str
    captioner: PlannedModel
    taggers: tuple[tuple[str, str], ...] = ()
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_flat(self) -> dict[str, Any]:
        """What the kind has of its own, by the names of the flat mapping."""
        group = group_of(self.captioner.family, "captioner")
        own = group.to_flat(self.captioner.settings.to_mapping())
        off = dict.fromkeys(registry.families("tagger"), "")
        return {**self.carried, CAPTIONER: self.captioner.model, **own, **off, **dict(self.taggers)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run and how to make captions of it.

    captioner: its model is "" when none writes a sentence. taggers: those that are on, in registry order. switched_off:
    all other families, whose settings are checked and remembered, so that switching one on brings its values back.
    carried: what stored settings hold that means nothing here (of a package that is not installed, of a newer version):
    it is stored again as it was. notes: what was understood differently from how it was written, in sentences. given:
    the mapping that `from_flat` made it of. kind: of the captions that these models make. kinds: the others, see
    `of_kind`.
    """

    captioner: PlannedModel
    taggers: tuple[PlannedModel, ...] = ()
    switched_off: tuple[PlannedModel, ...] = ()
    recipe: Recipe = field(default_factory=lambda: Recipe.from_mapping({}))
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    kind: str = MAIN
    kinds: tuple[CaptionKind, ...] = ()

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], models: str = "auto") -> Plan:
        """The plan that a flat mapping describes. Whether a model's files are here, `check_models` says.

        A preset's values replace the captioner's defaults, and single fields given beside it win over it. A model's
        own defaults (`ModelSpec.defaults`) stand behind what is given.

        Args: models: "auto", "hub", "demo" or a folder of models; decides what "default" means.
        Raises:
            SettingsError: an unknown name (the closest one is suggested), an unknown preset, a value not allowed.
            ModelNotFound: a model name of the wrong kind, or no default model in a folder of models.
        """
        _check_names(values)
        if given := check_mapping(values.get(KINDS, {}), KINDS, max_entries=MAX_KINDS):
            plan = _with_given_kinds(cls.from_flat(without(values, KINDS), models), given, values, models)
            return replace(plan, given=dict(values))
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
            kind=kind_of_title(values.get(KIND, MAIN)),
        )

    @classmethod
    def from_stored(cls, values: Mapping[str, Any], models: str = "auto") -> Plan:
        """The plan of settings that were stored, perhaps by another version or with other models installed.

        Read field by field: what is not known is carried along, a value that is not allowed is left at its default, and
        the notes name each. An empty mapping gives the defaults.
        """
        # Half a character, which an earlier version stored, would keep the set from being shown at all.
        values = {name: without_halves(value) if isinstance(value, str) else value for name, value in values.items()}
        if KINDS in values:
            return _with_stored_kinds(cls.from_stored(without(values, KINDS), models), values, models)
        known = set(known_names())
        carried = {name: value for name, value in values.items() if name not in known}
        usable = {name: value for name, value in values.items() if name in known}
        notes = [kept_note(carried)] if carried else []
        for group in setting_groups():
            notes += drop_refused(usable, group)
        try:
            kind_of_title(usable.get(KIND, MAIN))
        except SettingsError as error:
            notes.append(f"The stored kind is left aside: {error}")
            del usable[KIND]
        for key in (CAPTIONER, *registry.families("tagger")):
            notes += drop_unknown_model(usable, key, models)
        plan = cls.from_flat(usable, models)
        return replace(plan, carried=carried, notes=(*notes, *plan.notes))

    def to_flat(self) -> dict[str, Any]:
        """The mapping that makes this plan again, with every field written out; JSON can hold it."""
        flat = {**self.carried, CAPTIONER: self.captioner.model}
        captioners = registry.families("captioner")
        for planned in (self.captioner, *self.taggers, *self.switched_off):
            group = group_of(planned.family, "captioner" if planned.family in captioners else "tagger")
            flat |= group.to_flat(planned.settings.to_mapping())
            if group.kind == "tagger":
                flat[planned.family] = planned.model
        if self.kind or self.kinds:
            flat[KIND] = self.kind
        if self.kinds:
            flat[KINDS] = {kind.name: kind.to_flat() for kind in self.kinds}
        return flat | self.recipe.to_mapping()

    @property
    def kind_names(self) -> list[str]:
        """All kinds that there are, the main one first."""
        return in_order([self.kind, *(kind.name for kind in self.kinds)])

    def of_all_kinds(self) -> tuple[Self, ...]:
        """The plans that make captions of each kind, the main one first."""
        return tuple(self.of_kind(name) for name in self.kind_names)

    def all_kinds(self) -> tuple[CaptionKind, ...]:
        """All kinds with what each has of its own, that in front too."""
        taggers = tuple((tagger.family, tagger.model) for tagger in self.taggers)
        own = CaptionKind(name=self.kind, captioner=self.captioner, taggers=taggers)
        return tuple(sorted((*self.kinds, own), key=lambda kind: kind.name))

    def with_kinds(self, kinds: Iterable[CaptionKind]) -> Self:
        """The same plan that knows further kinds; those that it knows already stay as they are.

        Taggers that are on in several are the same model in all: that of the kind in front, whose layers all share.
        """
        new = {kind.name: kind for kind in (*kinds, *self.kinds) if kind.name != self.kind}
        models = {tagger.family: tagger.model for tagger in self.taggers}
        taggers = {name: same_taggers(new[name].taggers, models) for name in in_order(new)}
        return replace(self, kinds=tuple(replace(new[name], taggers=found) for name, found in taggers.items()))

    def of_kind(self, name: str) -> Self:
        """The plan that makes captions of another kind, which is in front then. Raises: SettingsError: no such kind."""
        if name == self.kind:
            return self
        found = next((kind for kind in self.kinds if kind.name == name), None)
        if found is None:
            names = ", ".join(map(kind_title, self.kind_names))
            raise SettingsError(f"there is no kind of caption called {kind_title(name)}; the kinds are {names}.")
        settings = {planned.family: planned.settings for planned in (*self.taggers, *self.switched_off)}
        on = dict(found.taggers)
        taggers = [
            PlannedModel(family=family, model=on.get(family, ""), settings=settings[family])
            for family in registry.families("tagger")
        ]
        own = found.captioner.family
        captioners = {planned.family: planned for planned in (*self.switched_off, self.captioner)}
        off = [replace(captioners[family], model="") for family in registry.families("captioner") if family != own]
        return replace(
            self,
            kind=name,
            captioner=found.captioner,
            taggers=tuple(tagger for tagger in taggers if tagger.model),
            switched_off=(*off, *(tagger for tagger in taggers if not tagger.model)),
            kinds=tuple(kind for kind in self.all_kinds() if kind.name != name),
            given=given_to(self.given, name),
        )

    def running(self) -> tuple[PlannedModel, ...]:
        """What would run, the captioner first."""
        return (*((self.captioner,) if self.captioner.model else ()), *self.taggers)

    def warnings(self) -> list[str]:
        """What a person who chose these models should know before they are used, a sentence each."""
        named = (registry.family_class(one.family).name_warning(one.model) for one in self.running())
        return [warning for warning in named if warning]

    def check_models(self, models: str = "auto", *, progress: Progress | None = None) -> Plan:
        """Make sure that each model's files are here, before any is loaded; under "hub" missing ones are downloaded.

        Returns: the plan, with what a model that was downloaded wants for what nobody gave.
        Raises: ModelNotFound, BadModel, MissingPackage: as `sources.find_model`.
        """
        for planned in self.running():
            sources.find_model(planned.model, planned.family, models, progress=progress)
        fresh = type(self).from_flat(self.given, models).with_kinds(self.kinds) if self.given else self
        return fresh if (fresh.running(), fresh.kinds) != (self.running(), self.kinds) else self


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


# Kinds of captions


def _as_kind(name: str, plan: Plan) -> CaptionKind:
    [kind] = replace(plan, kind=name, kinds=()).all_kinds()
    return replace(kind, carried=plan.carried)


def _with_given_kinds(plan: Plan, given: Mapping[str, Any], values: Mapping[str, Any], models: str) -> Plan:
    """Raises: SettingsError, ModelNotFound: as `Plan.from_flat`, of a kind."""
    kinds: dict[str, CaptionKind] = {}
    for title, own in given.items():
        name = kind_of_title(title)
        for key in check_mapping(own, f"the settings of the kind {kind_title(name)}"):
            if key in known_names() and key not in own_names():
                raise SettingsError(
                    f"the kind {kind_title(name)} has {key}, which all kinds share; give it once, outside."
                )
        try:
            kinds[name] = _as_kind(name, Plan.from_flat(flat_of_kind(values, own), models))
        except CaptionerError as error:
            refused = ModelNotFound if isinstance(error, ModelNotFound) else SettingsError
            raise refused(f"the kind {kind_title(name)}: {error}") from error
    check_taggers(tagger for kind in (*plan.all_kinds(), *kinds.values()) for tagger in kind.taggers)
    if plan.kind not in kinds:
        return plan.with_kinds(kinds.values())
    if MAIN in kinds:
        raise SettingsError(f"kind is {kind_title(plan.kind)}, which stands in kinds too; leave one of them out.")
    return replace(plan, kind=MAIN).with_kinds(kinds.values()).of_kind(plan.kind)


def _with_stored_kinds(plan: Plan, values: Mapping[str, Any], models: str) -> Plan:
    """As `_with_given_kinds`, read as `Plan.from_stored` reads."""
    kinds, notes, stored = [], list(plan.notes), values[KINDS]
    for title, own in stored.items() if isinstance(stored, Mapping) else ():
        try:
            name = kind_of_title(title)
            found = Plan.from_stored(
                flat_of_kind(values, check_mapping(own, f"the settings of the kind {title}")), models
            )
        except SettingsError as error:
            notes.append(f"A stored kind of caption is left aside: {error}")
            continue
        kinds.append(replace(_as_kind(name, found), carried=without(found.carried, *plan.carried)))
        notes += [f"Kind {kind_title(name)}: {note}" for note in found.notes if note not in plan.notes]
    return replace(plan.with_kinds(kinds), notes=tuple(notes))
