"""What can be compared: settings that may be an axis, with values worth trying, known grids, and who would score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from captioner.captions.caption_kinds import kind_title
from captioner.captions.groups import CAPTIONER, PRESET, SettingGroup, group_of
from captioner.captions.plan import Plan
from captioner.contract import Captioner, Tagger
from captioner.errors import CaptionerError
from captioner.lab.grid import EMPTY, MAX_CELLS, OFF, changed, make_axis, make_grid, title_of
from captioner.lab.presets import NamedGrid, offered
from captioner.models import registry
from captioner.models.manager import ModelManager
from captioner.records import KIND
from captioner.service.choices import Choices
from captioner.settings import Field

_SUGGESTED = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """The same for all visitors."""

    choices: Choices
    manager: ModelManager
    max_pictures: int

    def of_plan(self, plan: Plan) -> dict[str, Any]:
        """What can be compared around a plan.

        Returns: axes: [{name, title, group, kind, min, max, step, choices, suggested}]; presets: [{name, title, about,
            axes: [{name, values}], settings}]; max_cells, max_pictures; asked: names of the models that would score,
            and asked_titles: what their kinds are called.
        """
        known = offered(self.choices.models_here(CAPTIONER))
        named = [grid for grid in known if self._is_possible(grid, plan)]
        tried = {name: list(words) for grid in reversed(named) for name, words in grid.axes}
        flat, asked = plan.to_flat(), self._asked(plan)
        axes = [self._models_axis(key) for key in self.choices.model_keys]
        axes.append(self._presets_axis(plan))
        if plan.kinds:
            names = [kind_title(kind) for kind in plan.kind_names]
            axes.append(
                _plain(KIND, "Kind", "Models", "choice", choices=[[one, one] for one in names], suggested=names)
            )
        for group in self.choices.groups:
            if group.kind != "captioner" or group.family == plan.captioner.family:
                fields = [field for field in (*group.fields(), *group.aliases()) if not field.keeper]
                found = [_axis(field, title_of(field.name, [plan]), group, flat, tried) for field in fields]
                axes += [self._possible(axis, plan) for axis in found] if group.kind == "captioner" else found
        return {
            "axes": [axis for axis in axes if axis["kind"] != "model" or len(axis["choices"]) > 1],
            "presets": [
                {
                    "name": grid.name,
                    "title": grid.title,
                    "about": grid.about,
                    "axes": [{"name": name, "values": list(words)} for name, words in grid.axes],
                    "settings": self._settings_of(grid, plan),
                }
                for grid in named
            ],
            "max_cells": MAX_CELLS,
            "max_pictures": self.max_pictures,
            "asked": [name for name, _ in asked],
            "asked_titles": [title for _, title in asked],
        }

    def _is_possible(self, grid: NamedGrid, plan: Plan) -> bool:
        """Whether a named grid means anything for the plan's captioner."""
        try:
            axes, around = grid.around(plan, self.choices.models)
            make_grid(axes, around, self.choices.models)
        except CaptionerError:
            return False
        return True

    def _possible(self, axis: dict[str, Any], plan: Plan) -> dict[str, Any]:
        """The axis with those of its suggested values that the plan's other settings allow."""

        def is_allowed(word: str) -> bool:
            try:
                make_grid([make_axis(axis["name"], [word], plan)], plan, self.choices.models)
            except CaptionerError:
                return False
            return True

        return {**axis, "suggested": [word for word in axis["suggested"] if is_allowed(word)] or axis["suggested"]}

    def _settings_of(self, grid: NamedGrid, plan: Plan) -> dict[str, Any]:
        """What a named grid sets, with every field that its preset sets, so that page values may be laid over."""
        flat = changed(plan, grid.settings, self.choices.models).to_flat()
        names = [name for name in grid.settings if name != PRESET]
        if PRESET in grid.settings:
            group = group_of(plan.captioner.family, "captioner")
            names += [field.name for field in group.fields()]
        return {name: flat[name] for name in names}

    def _models_axis(self, key: str) -> dict[str, Any]:
        group = next(one for one in self.choices.groups if one.key == key)
        listed = [[text, name] for text, name in self.choices.model_choices(key)]
        if key != CAPTIONER:
            listed = [["Off", OFF], *listed]
        title = "Captioner" if key == CAPTIONER else group.title
        here = [name for _, name in listed if name == OFF or name in self.choices.models_here(key)]
        return _plain(key, title, "Models", "model", choices=listed, suggested=here[:_SUGGESTED])

    def _presets_axis(self, plan: Plan) -> dict[str, Any]:
        settings = registry.family_class(plan.captioner.family).Settings
        listed = [[settings.preset_title(name), name] for name in settings.presets()]
        return _plain(PRESET, "Preset", "Models", "choice", choices=listed, suggested=[name for _, name in listed])

    def _asked(self, plan: Plan) -> list[tuple[str, str]]:
        """Names and titles, as `Voices` would find once the models are loaded."""
        found: list[tuple[str, str]] = []
        model = registry.model_class(plan.captioner.model, plan.captioner.family) if plan.captioner.model else None
        reads = model is not None and issubclass(model, Captioner) and model.can_read
        if reads:
            found.append((plan.captioner.model, registry.family_class(plan.captioner.family).title))
        taggers = {planned.family: planned.model for planned in plan.taggers}
        taggers = {report.family: report.name for report in self.manager.report()} | taggers
        classes = {name: registry.model_class(name, family) for family, name in taggers.items()}
        kinds = {name: kind for name, kind in classes.items() if issubclass(kind, Tagger)}
        is_matched = any(kind.can_compare and not kind.gives_tags for kind in kinds.values())
        for name, kind in kinds.items():
            compares = kind.can_compare and reads and not (is_matched and kind.gives_tags)
            if compares or kind.known_tags is not Tagger.known_tags:
                found.append((name, kind.title))
        return found


def _plain(
    name: str,
    title: str,
    group: str,
    kind: str,
    *,
    ends: tuple[float | None, float | None, float | None] = (None, None, None),
    choices: list[list[str]] | None = None,
    suggested: list[str],
) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "group": group,
        "kind": kind,
        "min": ends[0],
        "max": ends[1],
        "step": ends[2],
        "choices": choices or [],
        "suggested": suggested,
    }


def _axis(
    field: Field, title: str, group: SettingGroup, flat: Mapping[str, Any], tried: Mapping[str, list[str]]
) -> dict[str, Any]:
    about = (field.name, title, group.title)
    if field.kind is bool:
        return _plain(*about, "switch", choices=[["On", "true"], ["Off", "false"]], suggested=["false", "true"])
    if field.options:
        listed = [[option.capitalize(), option] for option in field.options]
        return _plain(*about, "choice", choices=listed, suggested=list(field.options))
    if field.kind is str:
        return _plain(*about, "text", suggested=[str(flat.get(field.name, "")) or EMPTY])
    kind = "whole" if field.kind is int else "range"
    suggested = tried.get(field.name) or _spread(field, flat.get(field.name))
    return _plain(*about, kind, ends=(field.minimum, field.maximum, field.step), suggested=suggested)


def _spread(field: Field, current: Any) -> list[str]:
    """A few values over a field's range, the current one among them; far apart ones by ratio."""
    assert field.minimum is not None and field.maximum is not None
    low, high, step = field.minimum, field.maximum, field.step or (1 if field.kind is int else 0.01)
    is_wide = low > 0 and high / low >= 20
    found = set()
    for place in range(_SUGGESTED):
        share = place / (_SUGGESTED - 1)
        value = low * (high / low) ** share if is_wide else low + (high - low) * share
        found.add(min(high, max(low, round(value / step) * step)))
    if isinstance(current, int | float):
        nearest = min(found, key=lambda value: abs(value - current))
        found = (found - {nearest}) | {current}
    return [f"{value:.6g}" if field.kind is float else str(round(value)) for value in sorted(found)]
