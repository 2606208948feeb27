"""Kinds of captions that a set holds side by side (short, long, tags, ...): their names, and what each has of its own.

Every set has the main kind; others have names. A kind has a captioner with its settings, and which taggers are on.
Which models those are, what they keep and how text is made of it, the recipe, all kinds share. Runs no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from captioner.captions.groups import CAPTIONER, KINDS, PRESET, setting_groups
from captioner.errors import SettingsError
from captioner.limits import value_shown
from captioner.models import registry
from captioner.records import KIND, MAIN, MAIN_TITLE

MAX_KINDS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,23}")


def kind_title(kind: str) -> str:
    """What a kind is called where people read it."""
    return kind or MAIN_TITLE


def kind_of_title(text: Any) -> str:
    """The kind that somebody names, in any case; "main" and "" are the main one.

    Raises: SettingsError: nothing can be called so.
    """
    name = text.strip().lower() if isinstance(text, str) else text
    if name in (MAIN, MAIN_TITLE):
        return MAIN
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(
            f"a kind of caption is called {value_shown(text)}; give 1 to 24 letters a to z, digits, - and _."
        )
    return name


def own_names() -> frozenset[str]:
    """The names in the flat mapping of what each kind has for itself."""
    names = {CAPTIONER, PRESET, *registry.families("tagger")}
    for group in setting_groups("captioner"):
        names |= {field.name for field in (*group.fields(), *group.aliases())}
    return frozenset(names)


def in_order(names: Any) -> list[str]:
    """Kinds as they are listed: the main one first, the others by name."""
    return sorted(set(names))


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A mapping but for some names."""
    return {name: value for name, value in values.items() if name not in names}


def flat_of_kind(values: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The flat mapping of a kind: its own, the models of the mapping where it names none, what all kinds share."""
    owned = own_names()
    shared = {name: value for name, value in without(values, KIND, KINDS).items() if name not in owned}
    models = {key: values[key] for key in (CAPTIONER, *registry.families("tagger")) if key in values}
    return {**shared, **models, **own}


def given_to(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The mapping that makes the plan of another kind; empty where a mapping does not say what that has of its own."""
    kinds = given.get(KINDS, {})
    is_there = MAIN not in kinds and name in (MAIN, *kinds)
    return {**given, KIND: name} if is_there else {}


def check_taggers(taggers: Iterable[tuple[str, str]]) -> None:
    """Args: taggers: (family, model) of all kinds. Raises: SettingsError: a family has several models."""
    models: dict[str, str] = {}
    for family, model in taggers:
        if models.setdefault(family, model) != model:
            raise SettingsError(
                f"{family} is {models[family]} for one kind of caption and {model} for another; all kinds share a "
                "tagger's model, and each says whether it is on."
            )


def same_taggers(taggers: Iterable[tuple[str, str]], models: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """A kind's taggers as the models that are named by family; those of families without a name are put there."""
    return tuple((family, models.setdefault(family, model)) for family, model in taggers)
