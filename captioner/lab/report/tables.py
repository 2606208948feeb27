"""A sweep for spreadsheets and programs: CSV with a line a cell, and JSON with everything.

A file's name that is no UTF-8 is spelt out (\\udcff), and a CSV cell that a spreadsheet would take for a formula has an
apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from captioner.captions.words import bare
from captioner.lab.figures import FIGURES
from captioner.lab.record import SweepRecord, SweptCell
from captioner.limits import spelt_out


def to_csv(record: SweepRecord) -> bytes:
    """A line a cell: picture, the axes' values, caption, what is known of it. UTF-8."""
    has_scores = any(cell.scores for picture in record.pictures for cell in picture.cells)
    has_ratings = any(cell.rating for picture in record.pictures for cell in picture.cells)
    out = io.StringIO()
    writer = csv.writer(out)
    names = [*(figure.name for figure in FIGURES), "doubtful"] if has_scores else []
    head = ["picture", *(axis.name for axis in record.axes), "caption", "likelihood", "equal", *names]
    writer.writerow([*head, *(["rating"] if has_ratings else []), "model", "error"])
    for picture in record.pictures:
        for number, cell in enumerate(picture.cells):
            texts = map(_cell_text, (picture.name, *record.grid.where(number).values(), cell.caption))
            likelihood = "" if cell.likelihood is None else f"{cell.likelihood:.6g}"
            scored = _scored(cell) if has_scores else []
            rated = [cell.rating] if has_ratings else []
            said = map(_cell_text, (cell.model, cell.error))
            writer.writerow([*texts, likelihood, cell.letter, *scored, *rated, *said])
    return out.getvalue().encode("utf-8")


def _scored(cell: SweptCell) -> list[str]:
    values = [cell.scores.get(figure.name) for figure in FIGURES]
    doubtful = " ".join(bare(cell.caption[doubt.start : doubt.end]) for doubt in cell.doubts)
    return [*("" if value is None else f"{value:.4g}" for value in values), _cell_text(doubtful)]


def to_json(record: SweepRecord) -> bytes:
    """Everything about the sweep. A cell's settings are the record's with its own `settings` over them. UTF-8."""
    base = record.settings[record.base_cell]
    value = {
        "name": spelt_out(record.name),
        "axes": [{"name": axis.name, "values": list(axis.values)} for axis in record.axes],
        "base_cell": record.base_cell,
        "settings": dict(base),
        "notes": list(record.notes),
        "scored_by": list(record.asked),
        "pictures": [
            {
                "picture": spelt_out(picture.name),
                "reasons": dict(picture.reasons),
                "cells": [_values(record, number, cell) for number, cell in enumerate(picture.cells)],
            }
            for picture in record.pictures
        ],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8")


def _values(record: SweepRecord, number: int, cell: SweptCell) -> dict[str, Any]:
    base = record.settings[record.base_cell]
    own = record.settings[number]
    places = record.grid.places(number)
    return {
        **{axis.name: axis.values[place] for axis, place in zip(record.axes, places, strict=True)},
        "caption": cell.caption,
        "error": cell.error or None,
        "likelihood": cell.likelihood,
        "equal": cell.letter,
        "changed": [list(mark) for mark in cell.marks],
        "rating": cell.rating or None,
        "scores": {name: None if score is None else round(score, 4) for name, score in cell.scores.items()},
        "parts": dict(cell.parts),
        "doubts": [
            {
                "start": doubt.start,
                "end": doubt.end,
                "probability": None if doubt.probability is None else round(doubt.probability, 4),
                "share": None if doubt.share is None else round(doubt.share, 4),
                "better": doubt.better,
                "why": doubt.why,
            }
            for doubt in cell.doubts
        ],
        "model": spelt_out(cell.model),
        "model_revision": cell.model_revision,
        "settings": {name: value for name, value in own.items() if name not in base or base[name] != value},
    }


def _cell_text(text: str) -> str:
    """A text as a CSV cell: what a spreadsheet would run as a formula gets an apostrophe, which it takes for "text".

    Numbers are no formulas, whatever their sign. Source: OWASP, CSV Injection.
    """
    text = spelt_out(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
    return text
