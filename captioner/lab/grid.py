"""One picture, one or two settings along axes -> a caption for each combination, and which of them are equal, and why.

People choose a captioner's settings by comparing such grids. Knows no page and no command line; the page and the
command line both show what comes out of here. Loads no model: it is handed one. A file's name that is no UTF-8 is spelt
out (\\udcff), and a CSV cell that a spreadsheet would take for a formula has an apostrophe before it.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from captioner.contract import Captioner, PictureInput
from captioner.errors import SettingsError
from captioner.limits import spelt_out
from captioner.records import Sentence
from captioner.settings import Settings

MAX_CELLS = 400


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting and the values it takes along a side of the grid. words: the values as they were written."""

    name: str
    values: tuple[Any, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The combinations to try. y: None for a single row. cells: row by row, x along the row."""

    x: Axis
    y: Axis | None
    cells: tuple[Settings, ...]
    notes: tuple[str, ...]

    @property
    def centre(self) -> int:
        """The cell in the middle, which the others are compared with."""
        rows = len(self.y.values) if self.y else 1
        return (rows // 2) * len(self.x.values) + len(self.x.values) // 2

    def where(self, cell: int) -> dict[str, str]:
        """The axes' values of a cell, as they were written."""
        row, column = divmod(cell, len(self.x.values))
        return {self.x.name: self.x.words[column]} | ({self.y.name: self.y.words[row]} if self.y else {})


@dataclass(frozen=True, slots=True)
class Sweep:
    """A grid's captions for one picture.

    sentences: in the order of `grid.cells`. groups: for each cell the letter of the equal captions it belongs to, ""
    where no other cell has the same caption. reasons: letter -> why its cells are equal, in a sentence.
    """

    grid: Grid
    sentences: tuple[Sentence, ...]
    groups: tuple[str, ...]
    reasons: dict[str, str]


def parse_axis(text: str, settings: type[Settings]) -> Axis:
    """ "min_length=5,15,22" -> an axis. Any field of the captioner's settings may be one, and any of their aliases.

    Raises: SettingsError: no such setting, a value that is not allowed, no value, or one twice.
    """
    name, equals, listed = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    fields = {field.name: field for field in (*settings.fields(), *settings.aliases())}
    if name not in fields:
        close = difflib.get_close_matches(name, fields, n=1)
        advice = f"did you mean {close[0]}?" if close else f"the settings are {', '.join(fields)}."
        raise SettingsError(f"{name[:80]!r} is no setting that an axis can have; {advice}")
    words = tuple(word.strip() for word in listed.split(",")) if equals else ()
    if not words or "" in words:
        raise SettingsError(f"the axis {text[:80]!r} needs values: {name}=VALUE,VALUE,...")
    values = tuple(fields[name].parse(word) for word in words)
    for place, value in enumerate(values):
        if value in values[:place]:
            raise SettingsError(f"the axis {name} has the value {words[place]} twice.")
    return Axis(name, values, words)


def make_grid(x: Axis, y: Axis | None, base: Settings) -> Grid:
    """All combinations of the axes' values, the rest as in `base`; checked before any model runs.

    Raises: SettingsError: more than 400 cells, one setting on both axes, or a combination that is not allowed.
    """
    count = len(x.values) * (len(y.values) if y else 1)
    if count > MAX_CELLS:
        raise SettingsError(f"the grid has {count} cells; it may have {MAX_CELLS}. Leave some values out.")
    if y and (x.name == y.name or _target(x.name, base) == _target(y.name, base)):
        raise SettingsError(f"both axes set {_target(x.name, base)}; each axis needs a setting of its own.")
    cells: list[Settings] = []
    notes: dict[str, None] = {}
    for row in y.values if y else (None,):
        for column in x.values:
            chosen = {x.name: column} | ({y.name: row} if y else {})
            try:
                resolved, said = base.resolve({**base.to_mapping(), **chosen})
                cells.append(type(base).from_mapping(resolved))
            except SettingsError as error:
                shown = ", ".join(f"{name}={value}" for name, value in chosen.items())
                raise SettingsError(f"the cell {shown} is not possible: {error}") from error
            notes |= dict.fromkeys(said)
    return Grid(x, y, tuple(cells), tuple(notes))


def sweep_picture(picture: PictureInput, grid: Grid, captioner: Captioner) -> Sweep:
    """The grid's captions for a picture. Equal settings are searched once.

    Raises: ModelFailed, OutOfMemory, SettingsError: as `Captioner.caption_grid`.
    """
    different = list({_in_effect(cell): cell for cell in grid.cells}.values())
    found = dict(zip(map(_in_effect, different), captioner.caption_grid(picture, different), strict=True))
    return compare(grid, [found[_in_effect(cell)] for cell in grid.cells])


def compare(grid: Grid, sentences: Sequence[Sentence]) -> Sweep:
    """Which captions are equal, and why. Args: sentences: in the order of the grid's cells."""
    cells_of: dict[str, list[int]] = {}
    for cell, sentence in enumerate(sentences):
        cells_of.setdefault(sentence.text, []).append(cell)
    groups = [""] * len(grid.cells)
    reasons: dict[str, str] = {}
    for cells in cells_of.values():
        if len(cells) > 1:
            letter = _letter(len(reasons))
            reasons[letter] = _why(grid, cells)
            for cell in cells:
                groups[cell] = letter
    return Sweep(grid, tuple(sentences), tuple(groups), reasons)


def changed_words(text: str, centre: str) -> list[tuple[str, bool]]:
    """The words of a caption in order, each with whether it is not in the centre's at that place."""
    words, others = text.split(), centre.split()
    same = {
        place
        for match in difflib.SequenceMatcher(None, others, words, autojunk=False).get_matching_blocks()
        for place in range(match.b, match.b + match.size)
    }
    return [(word, place not in same) for place, word in enumerate(words)]


def to_csv(sweep: Sweep, picture_name: str) -> bytes:
    """A line a cell: picture, the axes' values, caption, score, letter of equal captions. UTF-8; see `_csv_text`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["picture", *sweep.grid.where(0), "caption", "score", "equal"])
    for cell, sentence in enumerate(sweep.sentences):
        score = "" if sentence.score is None else f"{sentence.score:.6g}"
        texts = map(_csv_text, (picture_name, *sweep.grid.where(cell).values(), sentence.text))
        writer.writerow([*texts, score, sweep.groups[cell]])
    return out.getvalue().encode("utf-8")


def to_json(sweep: Sweep, picture_name: str, model: str) -> bytes:
    """Everything about the sweep, with the settings of each cell. UTF-8."""
    grid = sweep.grid
    value = {
        "picture": spelt_out(picture_name),
        "model": spelt_out(model),
        "x": {"name": grid.x.name, "values": list(grid.x.values)},
        "y": {"name": grid.y.name, "values": list(grid.y.values)} if grid.y else None,
        "centre": grid.centre,
        "notes": list(grid.notes),
        "reasons": sweep.reasons,
        "cells": [
            {
                **grid.where(cell),
                "caption": sentence.text,
                "score": sentence.score,
                "equal": sweep.groups[cell],
                "settings": grid.cells[cell].to_mapping(),
            }
            for cell, sentence in enumerate(sweep.sentences)
        ],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8")


def to_html(sweep: Sweep, picture_name: str, model: str, picture_webp_base64: str) -> bytes:
    """The grid as one page that needs no other file: picture, axes, captions, equal cells and changed words marked."""
    grid, picture_name, model = sweep.grid, spelt_out(picture_name), spelt_out(model)
    corner = f"{grid.y.name} ↓ " if grid.y else ""
    head = "".join(f"<th scope='col'>{escape(word)}</th>" for word in grid.x.words)
    rows = []
    for row, word in enumerate(grid.y.words if grid.y else ("",)):
        start = row * len(grid.x.values)
        cells = "".join(_cell(sweep, cell) for cell in range(start, start + len(grid.x.values)))
        rows.append(f"<tr><th scope='row'>{escape(word)}</th>{cells}</tr>")
    said = [*grid.notes, *(f"{letter}: {reason}" for letter, reason in sweep.reasons.items())]
    listed = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
    on_axes = {_target(axis.name, grid.cells[0]) for axis in (grid.x, grid.y) if axis}
    centre = grid.cells[grid.centre]
    values = centre.to_mapping()
    fixed = {
        field.name: values[field.name]
        for field in centre.fields()
        if field.name not in on_axes and not field.is_idle(values)
    }
    shown = ", ".join(
        f"{name} {value!r}" if isinstance(value, str) else f"{name} {value}" for name, value in fixed.items()
    )
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(picture_name)}: {escape(grid.x.name)}{" × " + escape(grid.y.name) if grid.y else ""}</title>
<style>{_STYLE}</style></head><body>
<h1>{escape(picture_name)}</h1>
<img src="data:image/webp;base64,{picture_webp_base64}" alt="{escape(picture_name)}">
<p>{escape(model)}; {escape(shown)}</p>
<p>Words <mark>marked like this</mark> differ from the caption in the middle cell, which has a thick border.
A letter stands for equal captions.</p>
<div class="wide"><table><thead><tr><th>{escape(corner)}{escape(grid.x.name)} →</th>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div>
<ul>{listed}</ul>
</body></html>
"""
    return page.encode("utf-8")


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; } img { max-width: min(24rem, 100%); max-height: 24rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { border: 1px solid #8888; padding: .4rem .6rem; vertical-align: top; }
td { min-width: 11rem; } th { text-align: left; white-space: nowrap; } td.centre { border: 3px solid; }
mark { background: #ffd54a; color: #000; } b { border: 1px solid; border-radius: 3px; padding: 0 .3em; }
small { color: #777; display: block; }
"""


def _cell(sweep: Sweep, cell: int) -> str:
    sentence, letter = sweep.sentences[cell], sweep.groups[cell]
    words = changed_words(sentence.text, sweep.sentences[sweep.grid.centre].text)
    text = " ".join(f"<mark>{escape(word)}</mark>" if is_changed else escape(word) for word, is_changed in words)
    equal = f" <b title='equal captions'>{letter}</b>" if letter else ""
    score = "" if sentence.score is None else f"<small>{sentence.score:.3f}</small>"
    centre = " class='centre'" if cell == sweep.grid.centre else ""
    return f"<td{centre}>{text or '(empty)'}{equal}{score}</td>"


def _why(grid: Grid, cells: Sequence[int]) -> str:
    settings = {_in_effect(grid.cells[cell]) for cell in cells}
    where = "; ".join(" ".join(f"{name}={word}" for name, word in grid.where(cell).items()) for cell in cells)
    if len(settings) > 1:
        return f"the same sentence was found with different settings ({where})."
    cell = grid.cells[cells[0]]
    on_axes = (grid.x.name, grid.y.name if grid.y else "")
    idle = [
        f"{field.name} has an effect only under {field.only_when[1]}"
        for field in cell.fields()
        if field.only_when and field.is_idle(cell.to_mapping()) and field.name in on_axes
    ]
    if idle:
        return f"the settings mean the same, for {' and '.join(idle)} ({where})."
    aliased = [
        f"{alias.name} is {_target(alias.name, cell)} here, where these values mean the same"
        for alias in cell.aliases()
        if alias.name in on_axes
    ]
    if aliased:
        return f"the settings mean the same, for {' and '.join(aliased)} ({where})."
    return f"the settings mean the same ({where})."


def _in_effect(settings: Settings) -> tuple[Any, ...]:
    """What of the settings the search heeds."""
    return tuple(sorted(settings.in_effect().items()))


def _target(name: str, base: Settings) -> str:
    """The field that an axis sets."""
    if name not in {alias.name for alias in base.aliases()}:
        return name
    return base.alias_target(name, base.to_mapping())


def _csv_text(text: str) -> str:
    """A text as a CSV cell: what a spreadsheet would run as a formula gets an apostrophe, which it takes for "text".

    Numbers are no formulas, whatever their sign. Source: OWASP, CSV Injection.
    """
    text = spelt_out(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
    return text


def _letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
