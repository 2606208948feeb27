"""Sweeps as files: the record that reports are made from, with small pictures, and the reports. Runs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from captioner import images
from captioner.errors import CaptionerError, SettingsError
from captioner.formats.names import safe_name
from captioner.lab.doubts import Told
from captioner.lab.grid import flat_in_effect
from captioner.lab.record import SweepRecord, SweptCell, SweptPicture
from captioner.lab.report import to_csv, to_html, to_json, to_png
from captioner.lab.voices import ORDER_ONLY
from captioner.service.pictures import Pictures
from captioner.service.sweep_rows import Place, ReadSweep, Sweeps
from captioner.workspace import Workspace

MEDIA_TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
}
"""By the ending of the file."""

_EDGE_PX = 512
_NOT_THERE = "this cell is not done yet; continue the comparison."


class SweepFile(NamedTuple):
    """A report as it is saved."""

    name: str
    media_type: str
    data: bytes


class SweepFiles:
    """The reports of all sweeps."""

    def __init__(self, workspace: Workspace, pictures: Pictures, sweeps: Sweeps) -> None:
        self._workspace = workspace
        self._pictures = pictures
        self._sweeps = sweeps

    def file(self, set_id: str, sweep_id: str, kind: str, colour_by: str = "") -> SweepFile:
        """A sweep as a file.

        Args: kind: html, csv, json or png. colour_by: as `report.Colouring.of`, for html and png.
        Raises: SettingsError: no such kind, or nothing to colour by. UnknownSet, UnknownSweep, StoreError.
        """
        if kind not in MEDIA_TYPES:
            raise SettingsError(f"{kind[:20]!r} is no kind of file here; it must be one of {', '.join(MEDIA_TYPES)}.")
        record = self.record(set_id, sweep_id, with_images=kind in ("html", "png"))
        if kind in ("html", "png"):
            data = (to_html if kind == "html" else to_png)(record, colour_by)
        else:
            data = (to_csv if kind == "csv" else to_json)(record)
        return SweepFile(f"{safe_name(record.name) or 'comparison'}.{kind}", MEDIA_TYPES[kind], data)

    def record(self, set_id: str, sweep_id: str, *, with_images: bool) -> SweepRecord:
        """The sweep as reports take it. Raises: UnknownSet, UnknownSweep, StoreError."""
        known = self._sweeps.of(set_id, sweep_id)
        with known.lock:
            swept, outcome = known.swept, known.sweep.outcome
            numbers = range(len(swept.grid.cells))
            told = known.told()
            cells = {
                picture_id: tuple(_cell(known, (picture_id, number), told) for number in numbers)
                for picture_id, _ in swept.pictures
            }
            is_order = bool(outcome.get("asked")) and not known.has_percentages
            reasons = {picture_id: dict(known.reasons.get(picture_id, {})) for picture_id, _ in swept.pictures}
            name = known.sweep.name
        return SweepRecord(
            name=name,
            axes=swept.grid.axes,
            settings=tuple(map(flat_in_effect, swept.grid.cells)),
            base_cell=swept.base_cell,
            pictures=tuple(
                SweptPicture(
                    name=picture_name,
                    cells=cells[picture_id],
                    image=self._image(set_id, picture_id) if with_images else b"",
                    reasons=reasons[picture_id],
                )
                for picture_id, picture_name in swept.pictures
            ),
            notes=(*swept.notes, *outcome.get("notes", ()), *([ORDER_ONLY] if is_order else [])),
            asked=tuple(outcome.get("asked", ())),
        )

    def _image(self, set_id: str, picture_id: str) -> bytes:
        """A small picture; none where it was removed, or its file is damaged."""
        try:
            view = self._workspace.view(set_id, picture_id)
            return images.preview(self._pictures.open(set_id, picture_id, view.digest), _EDGE_PX)
        except CaptionerError:
            return b""


def _cell(known: ReadSweep, place: Place, told: Told) -> SweptCell:
    if place not in known.shown:
        return SweptCell(error=_NOT_THERE)
    score = known.cells[place].score
    return replace(known.shown[place][1], doubts=score.doubts(told) if score else ())
