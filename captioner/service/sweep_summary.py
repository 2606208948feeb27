"""A sweep over all its pictures: what each value of an axis comes to, how scores agree with ratings, and a slope fitted
to them. Pure: what was read comes in, plain values go out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from typing import Any, NamedTuple

from captioner.lab.agreement import FEWEST_RATINGS, rank_agreement, refitted
from captioner.lab.figures import FIGURES
from captioner.lab.measures import measure_set
from captioner.lab.scores import CaptionScore, Weights
from captioner.lab.voices import spread
from captioner.plural import plural
from captioner.service.set_slopes import measured
from captioner.service.sweep_rows import Place, ReadSweep

_COMPARED = 40  # captions of a row that diversity compares: its time grows with the square
_RARE = 40  # phrases that are listed
_COLOURS = ("green", "yellow", "red")
_TOLD_NATS = 3.0  # what speaks against a word by which a slope is explained


class Rated(NamedTuple):
    """A rated caption that was scored."""

    score: CaptionScore
    rating: str


def summary(known: ReadSweep) -> dict[str, Any]:
    """Counts of ratings and means of scores for each value of each axis and for each cell, over all pictures.

    Returns: columns: of the first axis; rows: of the others; cells; agreement: of each score with the ratings, as
        `agreement`; phrases: rare ones, and those that are in at least 80 % of the captions.
    """
    grid = known.swept.grid
    of_axis: list[list[dict[str, Any]]] = []
    for number, axis in enumerate(grid.axes):
        of_axis.append(
            [
                {"axis": axis.name, "value": word}
                | _tally(known, [one for one in known.cells if grid.places(one[1])[number] == place])
                for place, word in enumerate(axis.words)
            ]
        )
    captions = {(place[0], cell.caption): None for place, cell in known.cells.items() if cell.caption}
    said = _measured(tuple(caption for _, caption in captions if caption))
    return {
        "columns": of_axis[0],
        "rows": [row for rows in of_axis[1:] for row in rows],
        "cells": [
            {"cell": number} | _tally(known, [place for place in known.cells if place[1] == number])
            for number in range(len(grid.cells))
        ],
        "agreement": agreement(known),
        "phrases": {"rare": list(said.rare[:_RARE]), "shared": [list(one) for one in said.shared]},
    }


def _tally(known: ReadSweep, places: Sequence[Place]) -> dict[str, Any]:
    ratings = [known.rating_of(place) for place in places if known.cells[place].caption is not None]
    shown = [known.shown[place][1].scores for place in places if place in known.shown]
    captions = [caption for place in places if (caption := known.cells[place].caption)]
    few = _measured(tuple(captions[place] for place in spread(len(captions), _COMPARED))) if captions else None
    return {
        **{colour: ratings.count(colour) for colour in _COLOURS},
        "unrated": ratings.count(""),
        "scores": _means(shown),
        "diversity": {
            "distinct_2": round(few.distinct_2, 4) if few else None,
            "self_bleu": round(few.self_bleu, 4) if few and few.self_bleu is not None else None,
        },
    }


# A rating changes the counts and no caption, and is given many times in a row.
_measured = lru_cache(maxsize=2048)(measure_set)


def _means(scores: Iterable[Mapping[str, float | None]]) -> dict[str, float | None]:
    found: dict[str, list[float]] = {}
    for one in scores:
        for name, value in one.items():
            found.setdefault(name, [])
            if value is not None:
                found[name].append(value)
    return {name: round(fmean(values), 4) if values else None for name, values in found.items()}


def agreement(known: ReadSweep) -> list[dict[str, Any]]:
    """How far each score ranks the sweep's rated captions as the person does; of fewer than 12 ratings nothing.

    Returns: [{"score", "rho", "low", "high", "count"}], the best agreement first; a score of which less is better is
        turned round, so that 1 always means: as the person does.
    """
    captions: dict[tuple[str, str], Place] = {}
    for place, cell in known.cells.items():
        if cell.caption is not None and known.rating_of(place):
            captions.setdefault((place[0], cell.text), place)
    found = []
    for figure in FIGURES:
        sign = -1.0 if figure.better == "low" else 1.0
        values, ratings = [], []
        for place in captions.values():
            value = known.shown[place][1].scores.get(figure.name)
            if value is not None:
                values.append(sign * value)
                ratings.append(known.rating_of(place))
        if (one := rank_agreement(values, ratings)) is not None:
            rounded = {"rho": round(one.rho, 3), "low": round(one.low, 3), "high": round(one.high, 3)}
            found.append({"score": figure.name, **rounded, "count": one.count})
    return sorted(found, key=lambda one: -abs(one["rho"]))


def rated(known: ReadSweep) -> dict[tuple[str, str], Rated]:
    """The rated captions that were scored, by picture and caption without prefix and suffix."""
    return {
        (place[0], cell.text): Rated(cell.score.accuracy, rating)
        for place, cell in known.cells.items()
        if cell.caption is not None and cell.score is not None and (rating := known.rating_of(place))
    }


def refit(found: Sequence[Rated], known: ReadSweep) -> Weights | None:
    """The slope that fits ratings, from what was measured; None of fewer than 12, or of one colour."""
    if len(found) < FEWEST_RATINGS or not known.sweep.outcome.get("asked"):
        return None
    return refitted(measured(known.sweep.outcome), [one.score for one in found], [one.rating for one in found])


def slope(found: Sequence[Rated], known: ReadSweep) -> dict[str, Any] | None:
    """What a refit changes, or has changed. None where there are too few ratings.

    Returns: was, is: the measured slope and the fitted one; was_offset, is_offset; from_count: ratings; is_used:
        whether the set's doubts are reckoned by a fitted one; about: what it means, in a sentence.
    """
    fitted = refit(found, known)
    if fitted is None:
        return None
    before = measured(known.sweep.outcome)
    was, now = before.probability(_TOLD_NATS), fitted.probability(_TOLD_NATS)
    return {
        "was": round(before.slope, 3),
        "is": round(fitted.slope, 3),
        "was_offset": round(before.offset, 3),
        "is_offset": round(fitted.offset, 3),
        "from_count": len(found),
        "is_used": (known.weights.slope, known.weights.offset) != (before.slope, before.offset),
        "about": (
            f"By your {plural(len(found), 'rating')} a word whose rival is {math.exp(_TOLD_NATS):.0f} times as likely "
            f"({_TOLD_NATS:.0f} nats) is false with {now:.0%} instead of {was:.0%}."
        ),
    }
