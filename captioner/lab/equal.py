"""A grid's captions -> which of them are equal, each group with a letter, and why, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from captioner.captions.groups import SettingGroup, setting_groups
from captioner.captions.plan import Plan
from captioner.lab.grid import Grid, declared_title, in_effect, runs, target_field, title_of
from captioner.settings import Settings

_LISTED = 6  # cells that a reason names one by one


def compare(grid: Grid, captions: Sequence[str | None]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Which captions are equal, and why. Args: captions: in the order of the grid's cells; None for one that failed.

    Returns: for each cell the letter of the equal captions it belongs to, "" where no other cell has the same caption;
        and letter -> why its cells are equal.
    """
    cells_of: dict[str, list[int]] = {}
    for cell, caption in enumerate(captions):
        if caption is not None:
            cells_of.setdefault(caption, []).append(cell)
    letters = [""] * len(captions)
    reasons: dict[str, str] = {}
    for cells in cells_of.values():
        if len(cells) > 1:
            letter = _letter(len(reasons))
            reasons[letter] = _why(grid, cells)
            for cell in cells:
                letters[cell] = letter
    return tuple(letters), reasons


def _why(grid: Grid, cells: Sequence[int]) -> str:
    plans = [grid.cells[cell] for cell in cells]
    if len({in_effect(plan) for plan in plans}) == 1:
        idle = " and ".join(_idle(_varied(grid, cells), plans[0]))
        return f"the settings mean the same{f', for {idle}' if idle else ''} ({_where(grid, cells)})."
    if len({runs(plan) for plan in plans}) == 1:
        return f"the models were asked once, and the settings make the same of their answer ({_where(grid, cells)})."
    return f"the same caption was found with different settings ({_where(grid, cells)})."


def _where(grid: Grid, cells: Sequence[int]) -> str:
    titles = {axis.name: title_of(axis.name, grid.cells) for axis in grid.axes}
    listed = "; ".join(
        ", ".join(f"{titles[name]} {word}" for name, word in grid.where(cell).items()) for cell in cells[:_LISTED]
    )
    return listed + (f"; and {len(cells) - _LISTED} more" if len(cells) > _LISTED else "")


def _varied(grid: Grid, cells: Sequence[int]) -> list[str]:
    """The axes on which the cells differ."""
    places = zip(*(grid.places(cell) for cell in cells), strict=True)
    return [axis.name for axis, found in zip(grid.axes, places, strict=True) if len(set(found)) > 1]


def _idle(varied: Sequence[str], plan: Plan) -> Iterator[str]:
    """Why axes change nothing beside this plan's settings, each as a clause."""
    running = {planned.family: planned.settings for planned in plan.running()}
    for group in setting_groups():
        yield from _idle_in(group, varied, plan, running.get(group.family))


def _idle_in(group: SettingGroup, varied: Sequence[str], plan: Plan, settings: Settings | None) -> Iterator[str]:
    values = group.to_flat(settings.to_mapping()) if settings else {}
    for field in group.fields():
        if field.name in varied and group.family and settings is None:
            yield f"{field.title} has an effect only with {group.title}"
        elif field.name in varied and field.only_when and field.is_idle(values):
            yield f"{field.title} has an effect only where {declared_title(field.only_when[0])} is {field.needed_text}"
    for alias in group.aliases():
        if alias.name in varied and settings is not None:
            target = declared_title(target_field(alias.name, plan))
            yield f"{declared_title(alias.name)} is {target} here, where these values mean the same"


def _letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
