"""The machinery every settings class shares: a field declares its range once; slider, flag and API field follow.

A settings class is a small frozen keyword-only dataclass derived from `Settings`, beside the code that reads it, whose
fields are made by `whole`, `real`, `switch`, `choice`, `several`, `words` and `kept_file`. Everything is checked on
creation, so an instance is always valid. Knows no model, no page and no command line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, dataclass_transform

from captioner.errors import SettingsError
from captioner.fields import Condition, Effect, Field, Meanings, choice, kept_file, real, several, switch, whole, words

__all__ = [
    "Condition",
    "Effect",
    "Field",
    "Levels",
    "Meanings",
    "Settings",
    "choice",
    "kept_file",
    "real",
    "several",
    "switch",
    "whole",
    "words",
]


@dataclass(frozen=True, kw_only=True)
class Levels:
    """A choice in words that everybody knows, which sets several fields at once.

    title: what is chosen. help: what the words mean, in the fields' terms. values: word -> field names and values.
    """

    title: str
    help: str
    values: Mapping[str, Mapping[str, Any]]


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(whole, real, switch, choice, several, words, kept_file)
)
class Settings:
    """Base of every settings class; deriving from it makes a frozen keyword-only dataclass.

    first_fields: names of those that a page shows at once, in its order; the others are for who looks for more.
    preset_fields: names of those that a preset sets, the others staying as they are; () for all of them.

    Raises: SettingsError: on creation, for the first field whose value is not allowed.
    """

    first_fields: ClassVar[tuple[str, ...]] = ()
    preset_fields: ClassVar[tuple[str, ...]] = ()
    _fields: ClassVar[tuple[Field, ...]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        dataclass(frozen=True, kw_only=True)(cls)
        cls._fields = tuple(
            dataclasses.replace(field.metadata["declared"], name=field.name, default=field.default)
            for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        )

    def __post_init__(self) -> None:
        for field in self._fields:
            object.__setattr__(self, field.name, field.check(getattr(self, field.name)))
        self.check_together()

    def check_together(self) -> None:
        """Rules that involve more than one field; a class that has some overrides this.

        Raises: SettingsError: naming both fields and both values.
        """

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """The declared fields, in order."""
        return cls._fields

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """An instance from field names and values, the rest at their defaults.

        Raises: SettingsError: for an unknown name or a value that is not allowed.
        """
        known = {field.name for field in cls._fields}
        for name in values:
            if name not in known:
                raise SettingsError(f"{name} is not a setting here; the settings are {', '.join(sorted(known))}.")
        return cls(**values)

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """Known combinations of values by name; a class that has some overrides this."""
        return {}

    @classmethod
    def preset_values(cls) -> dict[str, dict[str, Any]]:
        """What each preset sets, by its name: field names and values."""
        named = cls.preset_fields or tuple(field.name for field in cls._fields)
        return {preset: {name: getattr(values, name) for name in named} for preset, values in cls.presets().items()}

    @classmethod
    def preset_title(cls, name: str) -> str:
        """How people write a preset's name; a class whose presets come from elsewhere overrides this."""
        return name.replace("-", " ").capitalize()

    @classmethod
    def levels(cls) -> Levels | None:
        """The first choice that a page offers; a class that has one overrides this."""
        return None

    @classmethod
    def aliases(cls) -> tuple[Field, ...]:
        """Other names that users know for fields, accepted beside the declared ones and replaced by `resolve`."""
        return ()

    @classmethod
    def resolve(cls, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The values with aliases replaced by the fields they stand for, and what to tell the person about it.

        Raises: SettingsError: an alias' value is not allowed.
        """
        return dict(values), ()

    @classmethod
    def alias_target(cls, alias: str, values: Mapping[str, Any]) -> str:
        """The field that an alias stands for beside these values. A class that has aliases overrides this."""
        raise KeyError(alias)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The class as a JSON Schema object (draft 2020-12): its fields and aliases, all optional."""
        declared = (*cls._fields, *cls.aliases())
        return {
            "type": "object",
            "properties": {field.name: field.json_schema() for field in declared},
            "additionalProperties": False,
        }

    @classmethod
    def effective(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that change something beside the others; names that are no fields stay."""
        idle = {field.name for field in cls._fields if field.is_idle(values)}
        return {name: value for name, value in values.items() if name not in idle}

    def in_effect(self, effect: Effect | None = None) -> dict[str, Any]:
        """As `to_mapping`, without the fields that change nothing beside the others' values."""
        heeded = self.effective(self.to_mapping())
        return {name: value for name, value in self.to_mapping(effect).items() if name in heeded}

    def to_mapping(self, effect: Effect | None = None) -> dict[str, Any]:
        """Field names and values, all of them or only the RUN or COMPOSE ones; JSON can hold them."""
        return {f.name: getattr(self, f.name) for f in self._fields if effect is None or f.effect is effect}

    def replaced(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return type(self).from_mapping({**self.to_mapping(), **changes})
