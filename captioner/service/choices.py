"""What a visitor may choose: the models and settings that there are here, and the plans that chosen values make.

Values come as the page names them, as programs send them, or as a set has them stored; each has one method here. Knows
no picture and no model in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from captioner.captions.caption_kinds import kind_title
from captioner.captions.groups import CAPTIONER, KINDS, setting_groups
from captioner.captions.plan import Plan, default_settings
from captioner.contract import ModelSpec
from captioner.errors import ModelNotFound, SettingsError
from captioner.limits import check_mapping, value_shown
from captioner.models import registry, sources
from captioner.records import KIND
from captioner.service.recent import Recent
from captioner.workspace import Workspace

SWITCH = "_on"
"""Ends the name of a control that switches a model on and off."""

SLOPE, SLOPE_OFFSET, SLOPE_MODELS, SLOPE_COUNT = "doubt_slope", "doubt_offset", "doubt_models", "doubt_ratings"
SET_OWN = frozenset({SLOPE, SLOPE_OFFSET, SLOPE_MODELS, SLOPE_COUNT})
"""What is stored among a set's settings, for undo, and is no setting of a plan."""


class Choices:
    """The same for all visitors, from when the app starts until it ends.

    models: what the app was started with, auto, hub, demo or a folder. choice: which models that means, and why.
    groups: the settings that can be used. model_keys: the keys that name a model. default_flat: the flat mapping of
    the defaults.
    """

    def __init__(self, models: str, workspace: Workspace, allowed_ids: Sequence[str] = ()) -> None:
        """Args:
        models: see `ModelManager`. workspace: where sets have their settings.
        allowed_ids: which repositories of the hub a visitor may name beside the registered models, each "owner/name",
            "owner/*" or "*" for all.
        """
        self._workspace = workspace
        self._allowed_ids = tuple(allowed_ids) if models in ("auto", "hub") else ()
        self._plans: Recent[tuple[tuple[str, ...], str], Plan] = Recent(64)
        self.models = models
        self.choice = sources.choose_trio(models)
        self.groups = tuple(group for group in setting_groups() if self._has_model(group.family))
        self._families: dict[str, list[str]] = {}
        for group in self.groups:
            if group.family:
                self._families.setdefault(group.key, []).append(group.family)
        self.model_keys = tuple(self._families)
        self.default_flat = Plan.from_flat({CAPTIONER: self.model_name(CAPTIONER)}, models).to_flat()
        self._known_models = {key: {name for _, name in self.model_choices(key)} for key in self.model_keys}

    # Models

    def model_name(self, key: str) -> str:
        """The model that a key ("captioner", "clip", ...) starts with."""
        family = self._families[key][0]
        return self.choice.names.get(family) or sources.default_model(family, self.models)

    def model_choices(self, key: str) -> list[tuple[str, str]]:
        """(what is shown, name) of the models a key can take, those that are here first."""
        choices: list[tuple[bool, str, str]] = []
        for spec in (spec for family in self._families[key] for spec in self._specs(family)):
            is_here = self._is_here(spec)
            if is_here or (self.models in ("auto", "hub") and not spec.is_demo):
                size = f"{spec.download_mb:,} MB, " if spec.download_mb else ""
                text = spec.name if is_here else f"{spec.name} ({size}not here)"
                text = f"{spec.name} (pictures are sent to {spec.sends_to})" if spec.sends_to else text
                choices.append((not is_here, text, spec.name))
        first = self.model_name(key)
        if first not in {name for _, _, name in choices}:
            choices.insert(0, (False, first, first))
        return [(text, name) for _, text, name in sorted(choices, key=lambda choice: choice[0])]

    def models_here(self, key: str) -> set[str]:
        """The names of a key's models that need no download first."""
        specs = (spec for family in self._families[key] for spec in self._specs(family))
        return {spec.name for spec in specs if self._is_here(spec)}

    def captioner_families(self) -> dict[str, str]:
        """The family of each captioner that can be chosen, by name.

        Of names which are typed, it is under "*word*" for those with the word in them, under "" for all others.
        """
        names = {name for _, name in self.model_choices(CAPTIONER)}
        specs = (spec for family in self._families[CAPTIONER] for spec in self._specs(family))
        found = {spec.name: spec.family for spec in specs if spec.name in names}
        typed: dict[str, str] = {}
        for family in filter(self._names_in_words, self._families[CAPTIONER]):
            for word in registry.family_class(family).names_with or ("",):
                typed.setdefault(f"*{word}*" if word else "", family)
        return {**typed, **found}

    def takes_other_names(self, key: str) -> str:
        """Which names beside the listed ones a visitor may give for a key, in words; "" for none."""
        families = [family for family in self._families[key] if self._names_in_words(family)]
        every = [family for family in families if not registry.family_class(family).names_with]
        return " or ".join(map(self._names_in_words, every or families))

    def _names_in_words(self, family: str) -> str:
        model_class = registry.family_class(family)
        is_shut = model_class.names_any_repo and not any("*" in allowed for allowed in self._allowed_ids)
        return "" if is_shut or self.models not in ("auto", "hub") else model_class.other_names

    def _specs(self, family: str) -> list[ModelSpec]:
        """The models of a family that can be chosen: registered ones, then repositories that were allowed by name."""
        specs = list(registry.of_family(family))
        if registry.family_class(family).names_any_repo:
            named = (registry.named_in_family(name, family) for name in self._allowed_ids if "*" not in name)
            specs += [spec for spec in named if spec and sources.family_of(spec.name, spec.kind, self.models) == family]
        return specs

    # Plans

    def plan_of(self, values: Mapping[str, Any] | None) -> Plan:
        """The plan of the page's values by name (see `controls`); None is the defaults.

        Raises: SettingsError, ModelNotFound.
        """
        if values is None:
            return Plan.from_flat(self.default_flat, self.models)
        flat = to_flat(check_mapping(values, "settings"), self.model_keys)
        for key in self.model_keys:
            flat[key] = self.checked_model(key, flat.get(key, ""))
        return Plan.from_flat(self._with_checked_kinds({**self.default_flat, **flat}), self.models)

    def plan_of_flat(self, flat: Mapping[str, Any]) -> Plan:
        """The plan of a flat mapping as programs send it (see `pipeline`): what it does not name has its default.

        Raises: SettingsError, ModelNotFound.
        """
        named = {CAPTIONER: "default", **check_mapping(flat, "settings")}
        for key in self.model_keys:
            if named.get(key) == "default":
                named[key] = self.model_name(key)
            named[key] = self.checked_model(key, named.get(key, ""))
        return Plan.from_flat(self._with_checked_kinds(named), self.models)

    def _with_checked_kinds(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """The same mapping, the models that further kinds of captions name checked as its own are."""
        kinds = flat.get(KINDS)
        if not isinstance(kinds, Mapping):
            return dict(flat)
        checked = {}
        for title, own in kinds.items():
            checked[title] = own
            if isinstance(own, Mapping):
                named = {key: own[key] for key in self.model_keys if key in own}
                chosen = {key: self.model_name(key) if name == "default" else name for key, name in named.items()}
                checked[title] = {**own, **{key: self.checked_model(key, name) for key, name in chosen.items()}}
        return {**flat, KINDS: checked}

    def stored_plan(self, set_id: str) -> Plan:
        """The plan of the set's stored settings, the defaults where it has none; see `Plan.from_stored`.

        Every edit that is saved asks for it, so plans are kept, but those that name a folder: its files may change.
        """
        settings = self._workspace.settings(set_id)
        stored = {name: value for name, value in settings.items() if name not in SET_OWN} or self.default_flat
        known = ("", *(spec.name for spec in registry.MODELS))
        key = (known, json.dumps(stored))
        plan = self._plans.get(key)
        if plan is None:
            plan = Plan.from_stored(stored, self.models)
            waiting = stored.get(KINDS) or {}
            if all(own.get(name, "") in known for own in (stored, *waiting.values()) for name in self.model_keys):
                self._plans.put(key, plan)
        return plan

    def knowing_kinds(self, set_id: str, plan: Plan) -> Plan:
        """A plan with the kinds of captions that the set has and it does not name. Raises: UnknownSet."""
        return plan.with_kinds(self.stored_plan(set_id).all_kinds())

    def store(self, set_id: str, plan: Plan, *, label: str = "Settings", without: str = "") -> None:
        """Make a plan the set's settings; what is stored and means nothing here stays, and so do kinds that it does not
        name. Args: without: a kind that goes. Raises: as `set_settings`."""
        stored = Plan.from_stored(self._workspace.settings(set_id), self.models)
        others = [kind for kind in stored.all_kinds() if kind.name != without or not without]
        label = f"Kind: {kind_title(plan.kind)}" if label == "Settings" and plan.kind != stored.kind else label
        new = plan.with_kinds(others)
        self._workspace.set_settings(set_id, {**stored.carried, **new.to_flat()}, label=label)

    def store_own(self, set_id: str, values: Mapping[str, Any], *, label: str) -> None:
        """Replace what the set has of its own beside its plan (`SET_OWN`), as one step. Raises: as `set_settings`."""
        settings = self._workspace.settings(set_id)
        kept = {name: value for name, value in settings.items() if name not in SET_OWN}
        self._workspace.set_settings(set_id, {**kept, **values}, label=label)

    def page_values(self, plan: Plan) -> dict[str, Any]:
        """A plan as the page names its values, so that `plan_of` gives it again; a model that is off keeps its box."""
        values = {KIND: plan.kind, **plan.to_flat()}
        values.pop(KINDS, None)
        for key in self.model_keys:
            values[key + SWITCH] = bool(values.get(key))
            if not values.get(key):
                values.pop(key, None)
        return {name: value for name, value in values.items() if name not in plan.carried}

    def to_download(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What must be downloaded before the page's values can be used; asks no server.

        Returns: {"models": [{"key", "name", "download_mb"}]}, of models that are switched on. Raises: as `plan_of`.
        """
        found = []
        for planned in self.plan_of(values).running():
            spec = sources.to_download(planned.model, planned.family, self.models)
            if spec is not None:
                key = planned.family if planned.family in self.model_keys else CAPTIONER
                found.append({"key": key, "name": spec.name, "download_mb": spec.download_mb})
        return {"models": found}

    def brought_along(self, values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What the models of the page's values want where the defaults of those before them stand.

        Returns: {"values": as the page names them, those that change; "family": the captioner's}. Raises: as `plan_of`.
        """
        plan, earlier = self.plan_of(values), self.plan_of(before)
        models_before = {planned.family: planned.model for planned in earlier.running()}
        found: dict[str, Any] = {}
        for group in self.groups:
            model = next((planned.model for planned in plan.running() if planned.family == group.family), "")
            model_before = models_before.get(group.family, "")
            if model and model != model_before:
                old, new = (
                    group.to_flat(default_settings(group.family, name, self.models).to_mapping())
                    for name in (model_before, model)
                )
                found |= {name: value for name, value in new.items() if value != old[name] == values.get(name)}
        return {"values": found, "family": plan.captioner.family}

    # What both go by

    def _has_model(self, family: str) -> bool:
        """Whether a family can be used here (a folder of models may lack some); the recipe, which has none, can."""
        try:
            return not family or family in self.choice.names or bool(sources.default_model(family, self.models))
        except ModelNotFound:
            return False

    def _is_here(self, spec: ModelSpec) -> bool:
        """Whether a model can be loaded without a download."""
        if not spec.has_folder:
            return True
        if self.models == "demo":
            return spec.is_demo
        if self.models in ("auto", "hub"):
            return sources.is_cached(spec)
        return (Path(self.models).expanduser() / spec.name).is_dir()

    def checked_model(self, key: str, name: Any) -> str:
        """A model's name as the registry or its family spells it; never a folder.

        Folders of models are for who starts the app; a visitor must not ask which folders there are.
        Raises: SettingsError; MissingPackage: as the family's own `spec_for`.
        """
        if isinstance(name, str) and name in ("", *self._known_models[key]):
            return name
        if self.models in ("auto", "hub") and isinstance(name, str) and len(name) <= 200:
            for family in self._families[key]:
                try:
                    spec = registry.named_in_family(name.strip(), family)
                except ModelNotFound as error:
                    raise SettingsError(str(error)) from error
                if spec is not None:
                    self._check_typed(key, spec)
                    return spec.name
        other = self.takes_other_names(key)
        known = ", ".join([*sorted(self._known_models[key]), *([other] if other else [])])
        raise SettingsError(f"{key} is {value_shown(name)}; it must be one of {known}.")

    def _check_typed(self, key: str, spec: ModelSpec) -> None:
        """Raises: SettingsError: a repository that nobody allowed, or a folder beside the app has its name."""
        if not registry.family_class(spec.family).names_any_repo:
            return
        if not any(fnmatchcase(spec.name, allowed) for allowed in self._allowed_ids):
            raise SettingsError(
                f"{key} is {value_shown(spec.name)}; a model of the hub that is not listed must be allowed when the "
                f"app is started: --allow-model {spec.name}"
            )
        if Path(spec.name).exists():  # which would be loaded in the repository's place
            raise SettingsError(
                f"{key} is {value_shown(spec.name)}, and a folder of this name lies where the app was started; folders "
                "are for who starts it. Start it elsewhere, or choose another model."
            )


def to_flat(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The flat settings mapping from the page's values by name.

    Args: keys: the model keys (`SettingGroup.key` of every group with a family).
    """
    flat = {name: value for name, value in values.items() if name.removesuffix(SWITCH) not in keys}
    for key in keys:
        if key in values:
            flat[key] = values[key] if values.get(key + SWITCH, True) else ""
    return flat
