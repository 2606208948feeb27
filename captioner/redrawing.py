"""Answers that went wrong are replaced: by another that the search found, else by drawing again with the next seeds.

One place for every family of captioners; what was tried stays with the sentence as its alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from captioner.contract import Captioner, PictureInput
from captioner.errors import CaptionerError, ModelFailed
from captioner.glitches import GLITCHES, find_glitch
from captioner.records import Alternative, Sentence

_WORST_FIRST = (*GLITCHES, None)


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What stays of the tries. draws: how many there were beside the first, None where the family draws none.
    kept: the number of the draw that stays, 0 for the first answer or one that the search found beside it."""

    sentence: Sentence
    draws: int | None = 0
    kept: int = 0


def redrawn(model: Captioner, shown: PictureInput, settings: Any, answer: Sentence | CaptionerError) -> Redrawn:
    """The first answer with nothing wrong, or of those that there are the one that is worth most.

    Args: answer: what was said at first, or that it said nothing of use (a `ModelFailed` of code no_caption).
    Raises: CaptionerError: that answer, where drawing again gives none; as `Captioner.draw`.
    """
    most = model.redraws(settings)
    if isinstance(answer, CaptionerError):
        if not (isinstance(answer, ModelFailed) and answer.code == "no_caption"):
            raise answer
        tried: list[Alternative] = []
    else:
        tried = [_as_alternative(answer)]
        if _worth(model, settings, tried[0]) == len(GLITCHES) or not most:
            return Redrawn(answer, None if model.drawing(settings) is None else 0)
        tried += answer.alternatives
    found = len(tried)
    drawing = model.drawing(settings)
    draws = 0
    while drawing is not None and draws < most and not _has_good(model, settings, tried):
        draws += 1
        try:
            tried += model.draw(shown, drawing, skip=draws, count=1)
        except ModelFailed as error:
            if error.code != "no_caption":
                raise
            tried.append(Alternative("", None))
    if isinstance(answer, CaptionerError) and not any(one.text.strip() for one in tried):
        raise answer
    best = max(range(len(tried)), key=lambda place: (_worth(model, settings, tried[place]), -place))
    others = {one.text: one for place, one in enumerate(tried) if place != best and one.text.strip()}
    others.pop(tried[best].text, None)
    chosen = tried[best]
    sentence = Sentence(chosen.text, chosen.score, tuple(others.values()), chosen.finish)
    kept = best - found + 1 if best >= found else 0
    return Redrawn(sentence, None if drawing is None else draws, kept)


def _as_alternative(sentence: Sentence) -> Alternative:
    return Alternative(sentence.text, sentence.score, sentence.finish)


def _worth(model: Captioner, settings: Any, tried: Alternative) -> int:
    """The place of what is wrong with it in `GLITCHES`, behind all of them where nothing is."""
    said = model.select(Sentence(tried.text, tried.score, finish=tried.finish), settings)
    return _WORST_FIRST.index(find_glitch(said.text, is_cut=said.finish == "length"))


def _has_good(model: Captioner, settings: Any, tried: Sequence[Alternative]) -> bool:
    return any(_worth(model, settings, one) == len(GLITCHES) for one in tried)
