"""A sweep as one PNG to send around: pictures, axes and coloured cells with their captions, light and legible."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from captioner.captions.words import spans
from captioner.lab.record import SweepRecord, SweptCell, SweptPicture
from captioner.lab.report.canvas import LINE, Canvas
from captioner.lab.report.colours import STRONG, Colouring, counted, darker
from captioner.lab.report.common import settings_of_all
from captioner.limits import spelt_out

_TITLE_PX, _TEXT_PX, _SMALL_PX = 24, 17, 14
_MARGIN, _GAP, _PAD = 28, 16, 11
_PICTURE_PX, _CELL_PX, _NARROW_PX, _MANY = 280, 236, 190, 6
_WIDEST_HEAD_PX = 200
_INK, _QUIET, _RULE, _HEAD = "#1c1c1e", "#55555a", "#cfcfd4", "#f4f4f6"
_DOUBT = "#c62828"
_MARKED = 0.9  # of the light that the ground of other words gives
_FAILED = "failed: "


def to_png(record: SweepRecord, colour_by: str = "") -> bytes:
    """The picture. Args: colour_by: as `Colouring.of`.

    Raises:
        SettingsError: as `Colouring.of`.
        CaptionerError: as `Canvas.png`.
    """
    return _Sheet(record, Colouring.of(record, colour_by)).png()


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a caption as it is drawn: on which line of the cell, how far from its left edge, and why coloured."""

    text: str
    line: int
    x: float
    width: float
    is_marked: bool
    is_doubted: bool


class _Sheet:
    """One record, laid out from top to bottom."""

    def __init__(self, record: SweepRecord, colouring: Colouring) -> None:
        self._record = record
        self._colouring = colouring
        x, *more = record.axes
        self._y_axis = more[0] if more else None
        self._columns = len(x.values)
        self._rows = len(self._y_axis.values) if self._y_axis else 1
        self._cell_px = _CELL_PX if self._columns <= _MANY else _NARROW_PX
        ruler = Canvas(1)
        heads = (self._y_axis.name, *self._y_axis.words) if self._y_axis else ()
        widest = max((ruler.text_width(head, _TEXT_PX) for head in heads), default=0.0)
        self._head_px = min(_WIDEST_HEAD_PX, round(widest) + 2 * _PAD)
        self._left = _MARGIN + _PICTURE_PX + _GAP
        self._canvas = Canvas(self._left + self._head_px + self._columns * self._cell_px + _MARGIN)

    def png(self) -> bytes:
        """All of it."""
        y = self._above()
        for picture in self._record.pictures:
            y = self._picture(picture, y) + 1.5 * _GAP
        return self._canvas.png(self._below(y) + _MARGIN)

    def _above(self) -> float:
        """The title and how to read the sheet. Returns: its lower edge."""
        room = self._canvas.width_px - 2 * _MARGIN
        y = self._canvas.paragraph((_MARGIN, _MARGIN), spelt_out(self._record.name), _TITLE_PX, _INK, room)
        cells = [cell for picture in self._record.pictures for cell in picture.cells]
        said = [
            "Words on a darker ground differ from the caption in the cell with the thick border.",
            "A letter stands for equal captions." if any(cell.letter for cell in cells) else "",
            "Words underlined in red may be false." if any(cell.doubts for cell in cells) else "",
            self._colouring.legend,
        ]
        return self._canvas.paragraph((_MARGIN, y + 4), " ".join(filter(None, said)), _SMALL_PX, _QUIET, room) + _GAP

    def _below(self, y: float) -> float:
        """What holds for all cells. Returns: its lower edge."""
        room = self._canvas.width_px - 2 * _MARGIN
        scored = f"Scored by {', '.join(self._record.asked)}." if self._record.asked else ""
        for text in (settings_of_all(self._record), *self._record.notes, scored):
            if text:
                y = self._canvas.paragraph((_MARGIN, y), text, _SMALL_PX, _QUIET, room) + 2
        if self._canvas.missing:
            listed = ", ".join(f"U+{ord(letter):04X}" for letter in sorted(self._canvas.missing)[:20])
            text = f"? stands for letters that no font here has ({listed}); the page (HTML) and the CSV have them."
            y = self._canvas.paragraph((_MARGIN, y), text, _SMALL_PX, _DOUBT, room)
        return y

    def _picture(self, picture: SweptPicture, top: float) -> float:
        """A picture and its grids, one for each value of the third axis. Returns: the lower edge."""
        y = top
        if picture.image:
            with Image.open(io.BytesIO(picture.image)) as image:
                image.thumbnail((_PICTURE_PX, _PICTURE_PX))
                self._canvas.picture(image.convert("RGB"), (_MARGIN, y))
                y += image.height
        y = self._canvas.paragraph((_MARGIN, y + 2), spelt_out(picture.name), _SMALL_PX, _QUIET, _PICTURE_PX)
        lowest = y
        y = top
        size = self._columns * self._rows
        for start in range(0, len(picture.cells), size):
            if len(self._record.axes) == 3:
                z = self._record.axes[2]
                y = self._canvas.paragraph(
                    (self._left, y), f"{z.name} {z.words[start // size]}", _TEXT_PX, _INK, self._columns * self._cell_px
                )
                y += 6
            y = self._grid(picture.cells[start : start + size], start, y) + _GAP
        return max(lowest, y - _GAP)

    def _grid(self, cells: Sequence[SweptCell], start: int, top: float) -> float:
        """Heads and cells. Args: start: the number of the first cell. Returns: the lower edge."""
        x_axis = self._record.axes[0]
        right = self._left + self._head_px + self._columns * self._cell_px
        line_px = _TEXT_PX * LINE
        has_counts = bool(counted(cells))
        y = top + 2 * line_px + (line_px if has_counts else 0)
        self._canvas.rectangle((self._left, top, right, y), fill=_HEAD)
        base_px = top + line_px - 5
        first = self._left + self._head_px
        self._canvas.text((first + _PAD, base_px), x_axis.name, _SMALL_PX, _QUIET)
        if self._y_axis:
            self._canvas.text((self._left + _PAD, base_px + line_px), self._y_axis.name, _SMALL_PX, _QUIET)
        for column, word in enumerate(x_axis.words):
            x = first + column * self._cell_px
            self._canvas.text((x + _PAD, base_px + line_px), self._cut(word, self._cell_px), _TEXT_PX, _INK)
            self._counts(cells[column :: self._columns], (x + _PAD, base_px + 2 * line_px))
        for row in range(self._rows):
            of_row = cells[row * self._columns : (row + 1) * self._columns]
            y = self._row(of_row, row, start + row * self._columns, y)
        return y

    def _row(self, cells: Sequence[SweptCell], row: int, start: int, top: float) -> float:
        laid = [self._laid_out(cell) for cell in cells]
        lines = max([2, *(words[-1].line + 1 for words in laid if words)])
        has_foot = any(self._foot(cell) or cell.letter for cell in cells)
        bottom = top + 2 * _PAD + lines * _TEXT_PX * LINE + (_SMALL_PX * LINE if has_foot else 0)
        if self._y_axis:
            self._canvas.rectangle((self._left, top, self._left + self._head_px, bottom), fill=_HEAD)
            base_px = top + _PAD + _TEXT_PX
            self._canvas.text(
                (self._left + _PAD, base_px), self._cut(self._y_axis.words[row], self._head_px), _TEXT_PX, _INK
            )
            self._counts(cells, (self._left + _PAD, base_px + _TEXT_PX * LINE))
        for column, (cell, words) in enumerate(zip(cells, laid, strict=True)):
            x = self._left + self._head_px + column * self._cell_px
            box = (x, top, x + self._cell_px, bottom)
            self._cell(cell, words, box, is_base=start + column == self._record.base_cell)
        return bottom

    def _cell(
        self, cell: SweptCell, words: Sequence[_Word], box: tuple[float, float, float, float], *, is_base: bool
    ) -> None:
        x, y, _, bottom = box
        self._canvas.rectangle(box, fill=self._colouring.tint(cell), outline=_RULE)
        if cell.rating:
            self._canvas.rectangle((x + 1, y + 1, x + 6, bottom - 1), fill=STRONG[cell.rating])
        if is_base:
            self._canvas.rectangle((x, y, box[2], bottom), outline=_INK, width_px=3)
        for word, after in zip(words, [*words[1:], None], strict=True):
            left, base_px = x + word.x, y + _PAD + (word.line + 1) * _TEXT_PX * LINE - 0.35 * _TEXT_PX
            if word.is_marked:
                goes_on = after is not None and after.is_marked and after.line == word.line
                right = x + after.x if after is not None and goes_on else left + word.width + 2
                ground = (left - 2, base_px - 0.95 * _TEXT_PX, right, base_px + 0.32 * _TEXT_PX)
                self._canvas.rectangle(ground, fill=darker(self._colouring.tint(cell), _MARKED))
            if word.is_doubted:
                self._canvas.rectangle((left, base_px + 3, left + word.width, base_px + 4), fill=_DOUBT)
            self._canvas.text((left, base_px), word.text, _TEXT_PX, _DOUBT if cell.error else _INK)
        foot_px = bottom - _PAD + 1
        self._canvas.text((x + _PAD, foot_px), self._foot(cell), _SMALL_PX, _QUIET)
        if cell.letter:
            width = self._canvas.text_width(cell.letter, _SMALL_PX)
            self._canvas.text((box[2] - _PAD - width, foot_px), cell.letter, _SMALL_PX, _INK)

    def _laid_out(self, cell: SweptCell) -> list[_Word]:
        """The words of a cell in lines; of a failed one, why."""
        text = f"{_FAILED}{cell.error}" if cell.error else cell.caption or "(empty)"
        blank = self._canvas.text_width(" ", _TEXT_PX)
        words = spans(text)
        room = self._cell_px - 2 * _PAD
        pieces = [(piece, word) for word in words for piece in self._canvas.pieces(word.text, _TEXT_PX, room)]
        laid: list[_Word] = []
        line, x = 0, 0.0
        for piece, word in pieces:
            width = self._canvas.text_width(piece, _TEXT_PX)
            if x and x + width > room:
                line, x = line + 1, 0.0
            is_marked = any(start < word.end and word.start < end for start, end in cell.marks)
            is_doubted = any(one.start < word.end and word.start < one.end for one in cell.doubts)
            laid.append(_Word(piece, line, _PAD + x, width, is_marked, is_doubted))
            x += width + blank
        return laid

    def _foot(self, cell: SweptCell) -> str:
        """What stands below a caption."""
        figure = self._colouring.figure
        value = f"{figure.title.lower()} {figure.shown(cell.scores.get(figure.name))}" if figure and cell.scores else ""
        return ", ".join(filter(None, (cell.rating, value)))

    def _counts(self, cells: Sequence[SweptCell], place: tuple[float, float]) -> None:
        """How many cells have each of the person's colours, as dots with a number."""
        x, y = place
        for rating, count in counted(cells).items():
            self._canvas.dot((x + 5, y - 5), 5, STRONG[rating])
            self._canvas.text((x + 14, y), str(count), _SMALL_PX, _INK)
            x += 22 + self._canvas.text_width(str(count), _SMALL_PX)

    def _cut(self, text: str, width_px: float) -> str:
        """A head that fits its column."""
        room = width_px - 2 * _PAD
        if self._canvas.text_width(text, _TEXT_PX) <= room:
            return text
        while text and self._canvas.text_width(f"{text}…", _TEXT_PX) > room:
            text = text[:-1]
        return f"{text}…"
