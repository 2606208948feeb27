"""What cells are coloured by in reports: the person's ratings, or any figure from little (light) to much (dark)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from captioner.errors import SettingsError
from captioner.lab.figures import FIGURES, Figure
from captioner.lab.record import Rating, SweepRecord, SweptCell

RATING = "rating"
RATINGS: tuple[Rating, ...] = ("green", "yellow", "red")
TINTS: dict[str, str] = {"green": "#d7f0dc", "yellow": "#fdf0bf", "red": "#fad9d5"}
STRONG: dict[str, str] = {"green": "#2f9e4f", "yellow": "#d9a400", "red": "#cf3f34"}

_LIGHT, _DARK = (255, 255, 255), (165, 201, 245)


@dataclass(frozen=True, slots=True)
class Colouring:
    """What the cells of a record are coloured by. figure: None for the ratings. least, most: of all cells."""

    figure: Figure | None = None
    least: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, record: SweepRecord, name: str = "") -> Colouring:
        """Args: name: of a figure, or `RATING`; "" takes the ratings where there are some, else doubt where that is.

        Raises: SettingsError: no such figure, or no cell has it.
        """
        cells = [cell for picture in record.pictures for cell in picture.cells]
        if not name:
            is_rated = any(cell.rating for cell in cells)
            name = RATING if is_rated or not list(_values(cells, "doubt")) else "doubt"
        if name == RATING:
            return cls()
        cls.check_name(name)
        figure = next(one for one in FIGURES if one.name == name)
        values = list(_values(cells, name))
        if not values:
            raise SettingsError(f"cells cannot be coloured by {name}: no cell has this score.")
        return cls(figure, min(values), max(values))

    @staticmethod
    def check_name(name: str) -> None:
        """Raises: SettingsError: neither a figure nor `RATING` nor "" is called so."""
        names = [RATING, *(one.name for one in FIGURES)]
        if name and name not in names:
            raise SettingsError(f"cells cannot be coloured by {name[:80]!r}; choose one of {', '.join(names)}.")

    def tint(self, cell: SweptCell) -> str:
        """The colour of a cell, as #rrggbb; "" for none."""
        if self.figure is None:
            return TINTS.get(cell.rating, "")
        value = cell.scores.get(self.figure.name)
        if value is None:
            return ""
        share = (value - self.least) / (self.most - self.least) if self.most > self.least else 0.0
        return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_LIGHT, _DARK, strict=True))

    @property
    def legend(self) -> str:
        """What the colours mean, in a line; "" where ratings say it themselves."""
        if self.figure is None:
            return ""
        better = {"high": " More is better.", "low": " Less is better.", "": ""}[self.figure.better]
        least, most = self.figure.shown(self.least), self.figure.shown(self.most)
        return f"Coloured by {self.figure.title.lower()}, {least} (white) to {most} (blue).{better}"


def darker(colour: str, share: float) -> str:
    """A colour, or white for "", with so much of its light."""
    parts = bytes.fromhex(colour.removeprefix("#") or "ffffff")
    return "#" + "".join(f"{round(part * share):02x}" for part in parts)


def counted(cells: Iterable[SweptCell]) -> dict[str, int]:
    """How many cells have each colour, those with none left out."""
    rated = [cell.rating for cell in cells]
    return {rating: rated.count(rating) for rating in RATINGS if rating in rated}


def _values(cells: Iterable[SweptCell], name: str) -> Iterable[float]:
    return (value for cell in cells if (value := cell.scores.get(name)) is not None)
