"""CLIP's settings -> the prompt of their mode: which of `prompts` is asked, and with what. Knows no tensor."""

from __future__ import annotations

from taggers.clip import prompts
from taggers.clip.prompts import Prompt
from taggers.clip.settings import ClipSettings


def prompt_by_mode(scorer: prompts.Scorer, settings: ClipSettings, sentence: str) -> Prompt:
    """What a mode other than rank makes of a sentence."""
    if settings.mode == "classic":
        return prompts.classic(scorer, sentence, settings.max_flavors)
    if settings.mode == "fast":
        return prompts.fast(scorer, sentence, settings.max_flavors)
    if settings.mode == "best":
        return prompts.best(
            scorer,
            sentence,
            min_flavors=settings.min_flavors,
            max_flavors=settings.max_flavors,
            candidates=settings.candidates,
        )
    on = {
        "artists": settings.chain_artist,
        "mediums": settings.chain_medium,
        "trendings": settings.chain_trending,
        "movements": settings.chain_movement,
    }
    return prompts.chain(
        scorer,
        sentence,
        max_flavors=settings.max_flavors,
        candidates=settings.candidates,
        kinds=[kind for kind, is_on in on.items() if is_on],
    )
