"""What of a set's stored settings can be used, where another version wrote them or other models were installed.

Each function takes out of a flat mapping what cannot be used and says so in a sentence. Runs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captioner.captions.groups import CAPTIONER, DEFAULT, SettingGroup
from captioner.errors import CaptionerError, SettingsError
from captioner.models import sources


def kept_note(carried: Mapping[str, Any]) -> str:
    """What to tell of names that nobody knows."""
    names = ", ".join(sorted(carried)[:10]) + (f" and {len(carried) - 10} more" if len(carried) > 10 else "")
    return f"Not known here and kept as stored: {names}. They belong to another version or a package not installed."


def drop_refused(usable: dict[str, Any], group: SettingGroup) -> list[str]:
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


def drop_unknown_model(usable: dict[str, Any], key: str, models: str) -> list[str]:
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
