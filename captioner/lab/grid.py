"""One to three settings along axes, around a plan -> the plans of all combinations, each checked before a model runs.

People choose settings by comparing such grids. Any setting of the flat mapping (see `captions.groups`) may be an axis,
a model's name and a preset among them. Runs no model; knows no page and no command line.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from captioner.captions.caption_kinds import kind_of_title, kind_title
from captioner.captions.groups import CAPTIONER, KINDS, PRESET, RECIPE, SettingGroup, setting_groups
from captioner.captions.plan import Plan, PlannedModel, default_settings
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.limits import MAX_PATH_LENGTH
from captioner.plural import plural
from captioner.records import KIND
from captioner.settings import Effect, Field

MAX_CELLS = 400
MAX_AXES = 3

OFF, EMPTY = "off", '""'
"""How an axis shows a model that is switched off, and an empty text."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting and the values it takes along a side of the grid. words: the values as they are shown."""

    name: str
    values: tuple[Any, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The combinations to try. axes: x, and perhaps y and z. cells: x fastest. notes: what a person should know."""

    axes: tuple[Axis, ...]
    cells: tuple[Plan, ...]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def centre(self) -> int:
        """The cell in the middle of all axes."""
        return sum(size // 2 * math.prod(self.shape[:number]) for number, size in enumerate(self.shape))

    def places(self, cell: int) -> tuple[int, ...]:
        """The place of a cell on each axis, from 0."""
        found = []
        for size in self.shape:
            cell, place = divmod(cell, size)
            found.append(place)
        return tuple(found)

    def where(self, cell: int) -> dict[str, str]:
        """The axes' values of a cell, as they are shown."""
        return {axis.name: axis.words[place] for axis, place in zip(self.axes, self.places(cell), strict=True)}

    def base_cell(self, plan: Plan) -> int:
        """The cell that does what the plan does, with which the others are compared; else the one in the middle."""
        wanted = in_effect(plan)
        return next((cell for cell, other in enumerate(self.cells) if in_effect(other) == wanted), self.centre)

    def of_each_models(self) -> tuple[Plan, ...]:
        """A cell for each choice of models, so that their files can be checked (`Plan.check_models`)."""
        chosen = {tuple((one.family, one.model) for one in cell.running()): cell for cell in self.cells}
        return tuple(chosen.values())


def parse_axis(text: str, base: Plan) -> Axis:
    """ "min_length=5,15,22" -> an axis. A text with a comma or a quote in it stands in quotes.

    Raises: SettingsError: as `make_axis`; no value, or a quote that is not closed.
    """
    return make_axis(*split_axis(text), base)


def split_axis(text: str) -> tuple[str, list[str]]:
    """An axis as the command line writes it -> the name of its setting and the words of its values.

    Raises: SettingsError: no value, or a quote that is not closed.
    """
    name, _, listed = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if not listed.strip():
        raise SettingsError(f"the axis {text[:80]!r} needs values: {name[:40]}=VALUE,VALUE,...")
    try:
        return name, next(csv.reader([listed], skipinitialspace=True, strict=True))
    except (csv.Error, StopIteration):
        raise SettingsError(
            f"the axis {text[:80]!r} cannot be read; a value with a comma or a quote in it stands in quotes, where "
            'quotes are doubled: "a, b".'
        ) from None


def make_axis(name: str, words: Sequence[str], base: Plan) -> Axis:
    """An axis from its values as words: "0.35", "true", a model's name, "" for none (or `OFF`), any text.

    Args: base: the plan around which the grid lies; its captioner's fields are known by their own names too.
    Raises: SettingsError: no such setting, a value that is not allowed, no value, or one twice.
    """
    declared = _declared(name, base)
    is_model = declared.name in _model_keys()
    if not words or (declared.kind is not str and not all(word.strip() for word in words)):
        raise SettingsError(f"the axis {declared.name} needs values: {declared.name}=VALUE,VALUE,...")
    read = [word if declared.kind is str and not is_model else word.strip() for word in words]
    values = tuple("" if is_model and word == OFF else declared.parse(word) for word in read)
    if declared.name == KIND:
        values = tuple(base.of_kind(kind_of_title(value)).kind for value in values)
        read = [kind_title(value) for value in values]
    for place, value in enumerate(values):
        if value in values[:place]:
            raise SettingsError(f"the axis {declared.name} has the value {read[place] or EMPTY} twice.")
        if declared.keeper and value:
            declared.load_keeper().own(value)
    empty = OFF if is_model else EMPTY
    return Axis(declared.name, values, tuple(word or empty for word in read))


def make_grid(axes: Sequence[Axis], base: Plan, models: str = "auto") -> Grid:
    """All combinations of the axes' values, the rest as in `base` (see `changed`); checked before any model runs.

    Args: models: as `Plan.from_flat`.
    Raises:
        SettingsError: no axis or more than three, more than 400 cells, one setting on two axes, a combination that is
            not allowed, an axis of a model that is off everywhere.
        ModelNotFound: as `Plan.from_flat`.
    """
    if not 1 <= len(axes) <= MAX_AXES:
        raise SettingsError(f"the grid has {len(axes)} axes; it may have one to {MAX_AXES}.")
    count = math.prod(len(axis.values) for axis in axes)
    if count > MAX_CELLS:
        raise SettingsError(f"the grid has {plural(count, 'cell')}; it may have {MAX_CELLS}. Leave some values out.")
    names = [axis.name for axis in axes]
    groups = setting_groups()
    cells: list[Plan] = []
    notes: dict[str, None] = {}
    for place, values in enumerate(product(*(axis.values for axis in reversed(axes)))):
        chosen = dict(zip(names, reversed(values), strict=True))
        try:
            plan = changed(base, chosen, models)
        except CaptionerError as error:
            shown = ", ".join(f"{name}={word}" for name, word in Grid(tuple(axes), ()).where(place).items())
            kind = ModelNotFound if isinstance(error, ModelNotFound) else SettingsError
            raise kind(f"the cell {shown} is not possible: {error}") from error
        _check_one_field_each([target_field(name, plan) for name in names])
        cells.append(replace(plan, kinds=()))  # a cell is of one kind
        notes |= dict.fromkeys(plan.notes)
    if not any(cell.running() for cell in cells):
        raise SettingsError("no model is on in any cell; choose a captioner or a tagger.")
    for name in names:
        _check_has_effect(name, cells, groups)
    return Grid(tuple(axes), tuple(cells), tuple(notes))


def changed(base: Plan, settings: Mapping[str, Any], models: str = "auto") -> Plan:
    """The plan with other values for these settings of the flat mapping, models and a preset among them.

    Another model brings its own defaults for what stands at its predecessor's, and a preset all that it sets. Another
    kind of caption brings all that it has of its own.
    Args: models, Raises: as `Plan.from_flat`.
    """
    settings = dict(settings)
    if KIND in settings:
        base = base.of_kind(kind_of_title(settings.pop(KIND)))
    flat = {name: value for name, value in base.to_flat().items() if name not in (*base.carried, KINDS)}
    for group in setting_groups():
        planned = _planned(base, group)
        if planned is None:
            continue
        if group.key in settings:
            own = default_settings(group.family, planned.model, models).to_mapping()
            for name, value in group.to_flat(own).items():
                if flat[name] == value:
                    del flat[name]
        presets = group.settings.preset_values() if group.kind == "captioner" else {}
        for name in group.to_flat(presets.get(settings.get(PRESET, ""), {})):
            flat.pop(name, None)
    return replace(Plan.from_flat({**flat, **settings}, models), carried=base.carried).with_kinds(base.kinds)


def in_effect(plan: Plan) -> tuple[Any, ...]:
    """What of a plan shows in a caption: equal ones give equal captions."""
    return (*runs(plan, None), tuple(sorted(plan.recipe.in_effect().items())))


def flat_in_effect(plan: Plan) -> dict[str, Any]:
    """The flat mapping of a plan without what changes nothing in it: models that are off, fields without an effect."""
    flat: dict[str, Any] = {CAPTIONER: plan.captioner.model}
    for group in setting_groups():
        planned = _planned(plan, group)
        if group.key == RECIPE:
            flat |= plan.recipe.in_effect()
        elif planned and planned.model:
            flat |= {group.key: planned.model, **group.to_flat(planned.settings.in_effect())}
    return flat


def runs(plan: Plan, effect: Effect | None = Effect.RUN) -> tuple[Any, ...]:
    """What its models are asked. Args: effect: None: and what is chosen of their answers."""
    return tuple(
        (planned.family, planned.model, tuple(sorted(planned.settings.in_effect(effect).items())))
        for planned in plan.running()
    )


def target_field(name: str, plan: Plan) -> str:
    """The field that an axis sets: itself, or what the alias stands for in this plan."""
    for planned in (plan.captioner, *plan.switched_off):
        group = next((one for one in setting_groups("captioner") if one.family == planned.family), None)
        if group and name in {alias.name for alias in group.aliases()}:
            values = planned.settings.to_mapping()
            return group.prefix + planned.settings.alias_target(name.removeprefix(group.prefix), values)
    return name


def title_of(name: str, plans: Sequence[Plan]) -> str:
    """What the page calls an axis of these plans. An alias has the title of what it stands for in all of them."""
    targets = {target_field(name, plan) for plan in plans}
    target = targets.pop() if len(targets) == 1 else name
    return declared_title(name) if target == name else f"{declared_title(target)} ({name})"


def declared_title(name: str) -> str:
    """What the page calls a setting of the flat mapping, models and preset among them."""
    if name in (PRESET, KIND):
        return name.capitalize()
    for group in setting_groups():
        if name == group.key and group.kind is not None:
            return "Captioner" if group.kind == "captioner" else group.title
        for field in (*group.fields(), *group.aliases()):
            if field.name == name:
                return field.title
    return name


def _model_keys() -> tuple[str, ...]:
    return (CAPTIONER, *(group.key for group in setting_groups("tagger")))


def _declared(name: str, base: Plan) -> Field:
    """What an axis' setting declares. Raises: SettingsError: no such setting."""
    groups = setting_groups()
    keys = (*_model_keys(), PRESET, KIND)
    declared = {key: Field(name=key, kind=str, max_length=MAX_PATH_LENGTH) for key in keys}
    declared |= {field.name: field for group in groups for field in (*group.fields(), *group.aliases())}
    prefix = next(group.prefix for group in groups if group.family == base.captioner.family)
    for known in (name, prefix + name):
        if known in declared:
            return declared[known]
    close = difflib.get_close_matches(name, declared, n=1)
    advice = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(declared)}."
    raise SettingsError(f"{name[:80]!r} is no setting that an axis can have; {advice}")


def _planned(plan: Plan, group: SettingGroup) -> PlannedModel | None:
    """What a plan says of a group's family; None of the recipe."""
    everything = (plan.captioner, *plan.taggers, *plan.switched_off)
    return next((planned for planned in everything if planned.family == group.family), None)


def _check_one_field_each(targets: Sequence[str]) -> None:
    for place, target in enumerate(targets):
        if target in targets[:place]:
            raise SettingsError(f"two axes set {target}; each axis needs a setting of its own.")


def _check_has_effect(name: str, cells: Sequence[Plan], groups: Sequence[SettingGroup]) -> None:
    """Raises: SettingsError: the setting belongs to models that run in no cell."""
    for group in groups:
        is_own = name in {field.name for field in (*group.fields(), *group.aliases())}
        if is_own and group.family and not any(group.family == one.family for cell in cells for one in cell.running()):
            raise SettingsError(
                f"the axis {name} changes nothing, for {group.title} is off in every cell; choose a model of it "
                f"({group.key})."
            )
