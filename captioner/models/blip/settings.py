"""BLIP's settings, the presets users know from other tools, and EveryDream's q_factor. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from captioner.errors import SettingsError
from captioner.limits import is_finite, value_shown
from captioner.settings import Effect, Field, Levels, Settings, choice, real, switch, whole, words

_BEAM = ("method", ("beam",))
_NUCLEUS = ("method", ("nucleus",))


class SamplingSettings(Settings):
    """How a sentence is searched for. The defaults are those of the BLIP paper (the preset blip-paper).

    Lengths count tokens with the start token and the prompt's own (4 together for "a picture of "), as the original
    BLIP and transformers do. Under beam search with one beam the search is greedy.
    """

    method: str = choice("beam", ("beam", "nucleus"), "Search for the likeliest sentence, or draw one at random.")
    num_beams: int = whole(3, 1, 20, "How many sentences are followed at once; 1 is greedy.", only_when=_BEAM)
    min_length: int = whole(5, 1, 75, "No sentence ends before this; the prompt counts too.", unit="tokens")
    max_length: int = whole(20, 1, 75, "Sentences are cut here; the prompt counts too.", unit="tokens")
    fit_length: bool = switch(
        False,
        "A minimum for each picture, from the one above up: the shortest whose sentence is worth as much as any, so "
        "that simple pictures get short ones. Takes about two captions' time.",
        label="Fit the length to each picture",
        only_when=_BEAM,
    )
    repetition_penalty: float = real(
        1.0, 0.01, 5.0, "Above 1 repeats become rarer, below 1 more frequent (EveryDream's q_factor)."
    )
    length_penalty: float = real(
        1.0, -3.0, 3.0, "Above 0 favours long sentences among the finished beams, below 0 short ones.", only_when=_BEAM
    )
    no_repeat_ngram_size: int = whole(0, 0, 10, "No run of so many tokens occurs twice; 0 is off.", unit="tokens")
    top_p: float = real(
        0.9, 0.01, 1.0, "Draw only from the likeliest tokens that together reach this; 1 is off.", only_when=_NUCLEUS
    )
    top_k: int = whole(50, 0, 1000, "Draw only from so many likeliest tokens; 0 is off.", only_when=_NUCLEUS)
    temperature: float = real(
        1.0, 0.1, 2.0, "Below 1 drawing keeps to likely tokens, above 1 it is bolder.", step=0.05, only_when=_NUCLEUS
    )
    prompt: str = words(
        "a picture of ", "What the sentence begins with; it is taken off the result again.", max_length=200
    )
    seed: int = whole(
        0, 0, 2**31 - 1, "The same seed draws the same sentence again, on the same device.", only_when=_NUCLEUS
    )
    redraws: int = whole(
        2,
        0,
        10,
        "How often a sentence that went wrong (going round in circles, one character again and again) is drawn again "
        "with the next seed under nucleus sampling; under beam search the next best sentence takes its place. 0 leaves "
        "it as it is.",
        effect=Effect.CONDUCT,
    )
    whole_phrases: bool = switch(
        True,
        "A sentence that is cut at its maximum length ends at its last whole phrase.",
        label="End at a whole phrase",
        effect=Effect.COMPOSE,
    )

    def check_together(self) -> None:
        """Raises: SettingsError: min_length is above max_length."""
        if self.min_length > self.max_length:
            raise SettingsError(
                f"min_length is {self.min_length} and max_length is {self.max_length}; "
                "min_length must not be above max_length."
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """As `Settings.from_mapping`, and `q_factor` is understood too (see `resolve_q_factor`)."""
        return super().from_mapping(resolve_q_factor(values)[0])

    @classmethod
    def effective(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """As `Settings.effective`; a single beam is not compared by length with others. A length that is not fitted is
        as in layers of before it could be."""
        found = super().effective(values)
        if not found.get("fit_length"):
            found.pop("fit_length", None)
        if found.get("num_beams") == 1:
            found.pop("length_penalty", None)
        return found

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """What other tools start with; see below."""
        return PRESETS  # type: ignore[return-value]

    @classmethod
    def preset_title(cls, name: str) -> str:
        """As the tools write themselves."""
        return _PRESET_TITLES.get(name, name)

    @classmethod
    def levels(cls) -> Levels:
        """How long a sentence becomes; short are the lengths of the BLIP paper."""
        values = {
            "short": {"min_length": 5, "max_length": 20},
            "balanced": {"min_length": 10, "max_length": 40},
            "detailed": {"min_length": 24, "max_length": 60},
            "fitted": {"min_length": 5, "max_length": 60},
        }
        return Levels(
            title="Length",
            help="Short: 5 to 20 tokens (words or parts of them), balanced: 10 to 40, detailed: 24 to 60. Fitted: as "
            "much as each picture has to say, 5 to 60.",
            values={
                word: {**lengths, "whole_phrases": True, "fit_length": word == "fitted"}
                for word, lengths in values.items()
            },
        )

    @classmethod
    def aliases(cls) -> tuple[Field, ...]:
        """EveryDream's q_factor."""
        return (Q_FACTOR,)

    @classmethod
    def resolve(cls, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """As `resolve_q_factor`."""
        return resolve_q_factor(values)

    @classmethod
    def alias_target(cls, alias: str, values: Mapping[str, Any]) -> str:
        """Under nucleus sampling q_factor is top_p, under beam search the repetition penalty."""
        if alias != Q_FACTOR.name:
            raise KeyError(alias)
        return "top_p" if values.get("method", "beam") == "nucleus" else "repetition_penalty"


FITTED_LENGTHS = (5, 10, 15, 22, 30, 40)
"""The minimum lengths among which `fit_length` chooses."""


def lengths_to_try(settings: SamplingSettings) -> tuple[SamplingSettings, ...]:
    """What is searched with where the length is fitted: the minimum as it is, then longer ones, ascending."""
    longer = [length for length in FITTED_LENGTHS if settings.min_length < length <= settings.max_length]
    fixed = settings.replaced(fit_length=False)
    return (fixed, *(fixed.replaced(min_length=length) for length in longer))


Q_FACTOR = Field(
    name="q_factor",
    kind=float,
    minimum=0.01,
    maximum=10_000.0,
    label="Repetition penalty (q_factor)",
    help="EveryDream's name: the repetition penalty under beam search, top_p under nucleus sampling.",
)


def resolve_q_factor(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same values with EveryDream's `q_factor` replaced by the field it stands for, and what to tell the person.

    Under beam search it is the repetition penalty; under nucleus sampling EveryDream hands it to top_p, where all
    values from 1 up mean the same: no filter. It wins over a value for that field, so that it can follow a preset.

    Returns: the mapping without `q_factor`; sentences that say what was changed, empty when nothing was.
    Raises: SettingsError: q_factor is no finite number, below 0.01, or above 5 under beam search.
    """
    resolved = dict(values)
    if "q_factor" not in resolved:
        return resolved, ()
    q_factor = resolved.pop("q_factor")
    target = SamplingSettings.alias_target(Q_FACTOR.name, resolved)
    is_nucleus = target == "top_p"
    if not is_finite(q_factor):
        raise SettingsError(f"q_factor is {value_shown(q_factor)}; it must be a number.")
    if q_factor < 0.01:
        raise SettingsError(f"q_factor is {q_factor:g}; it must be at least 0.01.")
    if not is_nucleus and q_factor > 5:
        raise SettingsError(
            f"q_factor is {q_factor:g}; under beam search it is the repetition penalty and must be at most 5."
        )
    notes: tuple[str, ...] = ()
    if is_nucleus and q_factor > 1:
        notes = (
            f"q_factor {q_factor:g} was taken as top_p 1: under nucleus sampling it is top_p, "
            "and every value from 1 up leaves that filter out.",
        )
        q_factor = 1.0
    resolved[target] = q_factor
    return resolved, notes


# Each preset sets every field, so that a later change of a default cannot change what a preset means. Where a tool
# leaves a field alone, it has the value BLIP's own generate or, below it, transformers gives it: length_penalty 1,
# no n-gram rule, temperature 1, top_k 50 (transformers), top_p 0.9 (BLIP's default for sampling). The prompt is the one
# the original BLIP always uses. No tool mends the end of a sentence that was cut, so neither do their presets.
PRESETS: Mapping[str, SamplingSettings] = MappingProxyType(
    {
        # EveryDream's auto_caption as it starts: 16 beams, 22 to 48 tokens, q_factor 1.0 = repetition penalty.
        "everydream-beam": SamplingSettings(
            method="beam",
            num_beams=16,
            min_length=22,
            max_length=48,
            fit_length=False,
            repetition_penalty=1.0,
            length_penalty=1.0,
            no_repeat_ngram_size=0,
            top_p=0.9,
            top_k=50,
            temperature=1.0,
            prompt="a picture of ",
            seed=0,
            redraws=2,
            whole_phrases=False,
        ),
        # Its --nucleus: q_factor 1.0 goes to top_p (no filter) and its lengths are not passed on, so that BLIP's own
        # defaults hold: 10 to 30 tokens, the repetition penalty 1.1 it fixes under nucleus, transformers' top_k 50.
        "everydream-nucleus": SamplingSettings(
            method="nucleus",
            num_beams=1,
            min_length=10,
            max_length=30,
            fit_length=False,
            repetition_penalty=1.1,
            length_penalty=1.0,
            no_repeat_ngram_size=0,
            top_p=1.0,
            top_k=50,
            temperature=1.0,
            prompt="a picture of ",
            seed=0,
            redraws=2,
            whole_phrases=False,
        ),
        # The sliders of the Smart Pre-Process extension as they start: 8 beams, 30 to 50 tokens (with BLIP ViT-L).
        "smart-preprocess": SamplingSettings(
            method="beam",
            num_beams=8,
            min_length=30,
            max_length=50,
            fit_length=False,
            repetition_penalty=1.0,
            length_penalty=1.0,
            no_repeat_ngram_size=0,
            top_p=0.9,
            top_k=50,
            temperature=1.0,
            prompt="a picture of ",
            seed=0,
            redraws=2,
            whole_phrases=False,
        ),
        # The BLIP paper's captioning evaluation: 3 beams, 5 to 20 tokens.
        "blip-paper": SamplingSettings(
            method="beam",
            num_beams=3,
            min_length=5,
            max_length=20,
            fit_length=False,
            repetition_penalty=1.0,
            length_penalty=1.0,
            no_repeat_ngram_size=0,
            top_p=0.9,
            top_k=50,
            temperature=1.0,
            prompt="a picture of ",
            seed=0,
            redraws=2,
            whole_phrases=True,
        ),
    }
)


_PRESET_TITLES = {
    "everydream-beam": "EveryDream beam",
    "everydream-nucleus": "EveryDream nucleus",
    "smart-preprocess": "Smart Pre-Process",
    "blip-paper": "BLIP paper",
}


def preset(name: str) -> SamplingSettings:
    """The preset of this name.

    Raises: SettingsError: nobody knows it; the message lists the names.
    """
    if name not in PRESETS:
        raise SettingsError(f"no preset is called {name!r}; the presets are {', '.join(PRESETS)}.")
    return PRESETS[name]
