"""A grid's captions as files: one page to look at, CSV for a spreadsheet, JSON for programs.

A file's name that is no UTF-8 is spelt out (\\udcff), and a CSV cell that a spreadsheet would take for a formula has an
apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import json
from html import escape
from typing import Any

from captioner.captions.word_diff import changed_words
from captioner.captions.words import bare, spans
from captioner.lab.grid import CellScore, Sweep, target_field
from captioner.lab.scores import underlined
from captioner.limits import spelt_out


def to_csv(sweep: Sweep, picture_name: str) -> bytes:
    """A line a cell: picture, the axes' values, caption, score, letter of equal captions. UTF-8; see `_csv_text`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["picture", *sweep.grid.where(0), "caption", "score", "equal", *(_SCORED if sweep.scores else ())])
    for cell, sentence in enumerate(sweep.sentences):
        score = "" if sentence.score is None else f"{sentence.score:.6g}"
        texts = map(_csv_text, (picture_name, *sweep.grid.where(cell).values(), sentence.text))
        scored = _csv_score(sweep.scores[cell]) if sweep.scores else ()
        writer.writerow([*texts, score, sweep.groups[cell], *scored])
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
                **(_score_values(sweep.scores[cell]) if sweep.scores else {}),
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
    on_axes = {target_field(axis.name, grid.cells[0]) for axis in (grid.x, grid.y) if axis}
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
A letter stands for equal captions.{_SCORES_ARE if sweep.scores else ""}</p>
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
u { text-decoration: underline wavy 2px; text-decoration-color: #c62828; text-underline-offset: 3px; }
"""

_SCORED = ("false_words", "true_words", "doubt", "agreement", "tokens", "repetition", "detail", "doubtful")
_SCORES_ARE = """ Words <u>underlined like this</u> may be false: hover them for who says so. Below each caption stands
how many of its words are expected to be false, how many to be true and said once, and what can be counted in it."""


def _cell(sweep: Sweep, cell: int) -> str:
    sentence, letter = sweep.sentences[cell], sweep.groups[cell]
    words = changed_words(sentence.text, sweep.sentences[sweep.grid.centre].text)
    doubts = _doubts(sweep.scores[cell]) if sweep.scores else {}
    shown = [_doubted(escape(word), doubts.get(place)) for place, (word, _) in enumerate(words)]
    text = " ".join(
        f"<mark>{word}</mark>" if is_changed else word for word, (_, is_changed) in zip(shown, words, strict=True)
    )
    equal = f" <b title='equal captions'>{letter}</b>" if letter else ""
    score = "" if sentence.score is None else f"<small>{sentence.score:.3f}</small>"
    centre = " class='centre'" if cell == sweep.grid.centre else ""
    scored = _shown_score(sweep.scores[cell]) if sweep.scores else ""
    return f"<td{centre}>{text or '(empty)'}{equal}{score}{scored}</td>"


def _doubts(score: CellScore) -> dict[int, str]:
    """Which words of a caption, by place, may be false, and who says so."""
    starts = {span.start: place for place, span in enumerate(spans(score.caption))}
    return {starts[word.start]: word.explained() for word in underlined(score.accuracy)}


def _doubted(word: str, why: str | None) -> str:
    return word if why is None else f'<u title="{escape(why)}">{word}</u>'


def _shown_score(score: CellScore) -> str:
    return f"<small>{escape(score.accuracy.explained())}</small><small>{escape(score.text.explained())}</small>"


def _csv_score(score: CellScore) -> tuple[str, ...]:
    accuracy, text = score.accuracy, score.text
    agreement = "" if accuracy.agreement is None else f"{accuracy.agreement:.3f}"
    figures = f"{accuracy.false_words:.3f}", f"{accuracy.true_words:.3f}", f"{accuracy.doubt:.3f}", agreement
    doubtful = _csv_text(" ".join(bare(word.text) for word in underlined(accuracy)))
    return (*figures, str(text.tokens), f"{text.repetition:.3f}", str(text.detail), doubtful)


def _score_values(score: CellScore) -> dict[str, Any]:
    text = score.text
    return {
        "accuracy": score.accuracy.to_values(),
        "tokens": text.tokens,
        "repetition": round(text.repetition, 4),
        "detail": text.detail,
    }


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
