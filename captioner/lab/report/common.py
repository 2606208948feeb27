"""What page and picture of a sweep both say."""

from __future__ import annotations

from typing import Any

from captioner.lab.record import SweepRecord
from captioner.limits import spelt_out


def settings_of_all(record: SweepRecord) -> str:
    """The settings that all cells have in common, in a line; empty texts are left out."""
    first, *others = record.settings
    same = {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}
    return spelt_out(", ".join(f"{name} {_shown(value)}" for name, value in same.items() if value != ""))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str) and (value != value.strip() or "," in value):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)
