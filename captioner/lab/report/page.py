"""A sweep as one page that needs no other file: pictures, axes, captions, equal cells, changed and doubtful words."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from captioner.lab.figures import FIGURES, Doubt
from captioner.lab.record import SweepRecord, SweptCell, SweptPicture
from captioner.lab.report.colours import Colouring, counted
from captioner.lab.report.common import settings_of_all
from captioner.limits import spelt_out

_KINDS = {b"\x89PN": "png", b"\xff\xd8\xff": "jpeg", b"RIF": "webp"}
"""How pictures begin -> what they are."""


def to_html(record: SweepRecord, colour_by: str = "") -> bytes:
    """The page. UTF-8. Args: colour_by, Raises: as `Colouring.of`."""
    colouring = Colouring.of(record, colour_by)
    has_scores = any(cell.scores for picture in record.pictures for cell in picture.cells)
    title = escape(spelt_out(record.name))
    notes = "".join(f"<li>{escape(note)}</li>" for note in record.notes)
    scored_by = f" Scored by {escape(', '.join(record.asked))}." if record.asked else ""
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p>Words <mark>marked like this</mark> differ from the caption in the cell with the thick border.
A letter stands for equal captions.{_SCORES_ARE if has_scores else ""} {escape(colouring.legend)}{scored_by}</p>
{f"<ul>{notes}</ul>" if notes else ""}
{"".join(_section(record, picture, colouring) for picture in record.pictures)}
<h2>Settings of all cells</h2>
<p>{escape(settings_of_all(record))}</p>
</body></html>
"""
    return page.encode("utf-8")


def _section(record: SweepRecord, picture: SweptPicture, colouring: Colouring) -> str:
    name = escape(spelt_out(picture.name))
    kind = _KINDS.get(picture.image[:3], "webp")
    data = base64.b64encode(picture.image).decode("ascii")
    image = f'<img src="data:image/{kind};base64,{data}" alt="{name}">' if data else ""
    size = len(record.axes[0].values) * (len(record.axes[1].values) if len(record.axes) > 1 else 1)
    tables = "".join(_table(record, picture, start, size, colouring) for start in range(0, len(picture.cells), size))
    reasons = "".join(f"<li>{letter}: {escape(reason)}</li>" for letter, reason in picture.reasons.items())
    return f"<section><h2>{name}</h2>{image}{tables}{f'<ul>{reasons}</ul>' if reasons else ''}</section>"


def _table(record: SweepRecord, picture: SweptPicture, start: int, size: int, colouring: Colouring) -> str:
    """The cells from `start` on: x and y of one value of z."""
    x, *more = record.axes
    y = more[0] if more else None
    columns = len(x.words)
    rows = []
    for row, word in enumerate(y.words if y else ("",)):
        first = start + row * columns
        places = range(first, first + columns)
        cells = "".join(_cell(picture.cells[place], place == record.base_cell, colouring) for place in places)
        rows.append(
            f"<tr><th scope='row'>{escape(word)}{_counts(picture.cells[place] for place in places)}</th>{cells}</tr>"
        )
    own = picture.cells[start : start + size]
    head = "".join(
        f"<th scope='col'>{escape(word)}{_counts(own[column::columns])}</th>" for column, word in enumerate(x.words)
    )
    z = record.axes[2] if len(record.axes) == 3 else None
    above = f"<h3>{escape(z.name)} {escape(z.words[start // size])}</h3>" if z else ""
    corner = f"{escape(y.name)} ↓ " if y else ""
    return f"""{above}<div class="wide"><table><thead><tr><th>{corner}{escape(x.name)} →</th>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div>"""


def _counts(cells: Iterable[SweptCell]) -> str:
    """How many cells have each of the person's colours."""
    shown = ", ".join(f"{count} {rating}" for rating, count in counted(cells).items())
    return f"<small>{shown}</small>" if shown else ""


def _cell(cell: SweptCell, is_base: bool, colouring: Colouring) -> str:
    tint = colouring.tint(cell)
    classes = " ".join([*(["base"] if is_base else []), *([cell.rating] if cell.rating else [])])
    attribute = f" class='{classes}'" if classes else ""
    attribute += f" style='--tint: {tint}'" if tint else ""
    if cell.error:
        return f"<td{attribute}><em>{escape(cell.error)}</em></td>"
    letter = f" <b title='equal captions'>{cell.letter}</b>" if cell.letter else ""
    likelihood = f"<small>likelihood {cell.likelihood:.3f}</small>" if cell.likelihood is not None else ""
    rated = f"<small>rated {cell.rating}</small>" if cell.rating else ""
    return f"<td{attribute}>{_text(cell) or '(empty)'}{letter}{rated}{likelihood}{_scores(cell)}</td>"


def _text(cell: SweptCell) -> str:
    """The caption with what differs marked and what is doubted underlined; cut where either begins or ends."""
    doubts = {(doubt.start, doubt.end): doubt for doubt in cell.doubts}
    edges = sorted({0, len(cell.caption), *(edge for one in (*cell.marks, *doubts) for edge in one)})
    return "".join(_piece(cell, start, end, list(doubts.values())) for start, end in pairwise(edges))


def _piece(cell: SweptCell, start: int, end: int, doubts: Sequence[Doubt]) -> str:
    shown = escape(cell.caption[start:end])
    doubt = next((one for one in doubts if one.start <= start and end <= one.end), None)
    if doubt is not None:
        shown = f'<u title="{escape(doubt.why)}">{shown}</u>'
    is_marked = any(first <= start and end <= last for first, last in cell.marks)
    return f"<mark>{shown}</mark>" if is_marked else shown


def _scores(cell: SweptCell) -> str:
    shown = []
    for figure in FIGURES:
        if figure.name in cell.scores:
            why = cell.parts.get(figure.name, "")
            title = escape(f"{figure.about} {why}".strip())
            value = figure.shown(cell.scores[figure.name])
            shown.append(f'<span title="{title}">{figure.title.lower()} {value}</span>')
    return f"<small>{', '.join(shown)}</small>" if shown else ""


_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; } img { max-width: min(18rem, 100%); max-height: 18rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { border: 1px solid #8888; padding: .4rem .6rem; vertical-align: top; }
td { min-width: 11rem; } th { text-align: left; white-space: nowrap; } td.base { border: 3px solid; }
td[style] { background: var(--tint); color: #1c1c1e; } td[style] small { color: #505055; }
td.green { border-left: 6px solid #2f9e4f; } td.yellow { border-left: 6px solid #d9a400; }
td.red { border-left: 6px solid #cf3f34; }
mark { background: color-mix(in srgb, currentColor 16%, transparent); color: inherit; border-radius: 2px; }
b { border: 1px solid; border-radius: 3px; padding: 0 .3em; }
small { color: color-mix(in srgb, CanvasText 72%, Canvas); display: block; font-weight: normal; }
h2 { margin-top: 2rem; font-size: 1.1rem; } h3 { font-size: 1rem; }
u { text-decoration: underline wavy 2px; text-decoration-color: #c62828; text-underline-offset: 3px; }
"""

_SCORES_ARE = """ Words <u>underlined like this</u> may be false: hover them for who says so. Hover the figures below a
caption for what they mean."""
