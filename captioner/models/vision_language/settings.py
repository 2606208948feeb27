"""How a vision-language model is asked. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from captioner.errors import SettingsError
from captioner.models.questions import QuestionSettings, RedrawnSettings
from captioner.settings import choice, real, whole

MAX_ANSWER = 4096
"""Tokens that an answer may have at most."""

_BEAM = ("method", ("beam",))
_NUCLEUS = ("method", ("nucleus",))


class SearchSettings(RedrawnSettings):
    """How an answer is searched for. Lengths count the answer's tokens alone.

    Under beam search with one beam the search is greedy.
    """

    method: str = choice("beam", ("beam", "nucleus"), "Search for the likeliest answer, or draw one at random.")
    num_beams: int = whole(1, 1, 16, "How many answers are followed at once; 1 is greedy.", only_when=_BEAM)
    max_new_tokens: int = whole(300, 1, MAX_ANSWER, "Answers are cut here.", unit="tokens", label="Longest answer")
    min_new_tokens: int = whole(0, 0, 1024, "No answer ends before this.", unit="tokens", label="Shortest answer")
    repetition_penalty: float = real(
        1.0, 0.01, 5.0, "Above 1 repeats become rarer; only what is new counts, not the prompt."
    )
    length_penalty: float = real(
        1.0, -3.0, 3.0, "Above 0 favours long answers among the finished beams, below 0 short ones.", only_when=_BEAM
    )
    no_repeat_ngram_size: int = whole(
        0, 0, 20, "No run of so many tokens occurs twice in an answer; 0 is off.", unit="tokens"
    )
    top_p: float = real(
        0.9, 0.01, 1.0, "Draw only from the likeliest tokens that together reach this; 1 is off.", only_when=_NUCLEUS
    )
    top_k: int = whole(0, 0, 1000, "Draw only from so many likeliest tokens; 0 is off.", only_when=_NUCLEUS)
    temperature: float = real(
        0.6, 0.05, 2.0, "Below 1 drawing keeps to likely tokens, above 1 it is bolder.", step=0.05, only_when=_NUCLEUS
    )
    seed: int = whole(0, 0, 2**31 - 1, "The same seed draws the same answer again.", only_when=_NUCLEUS)

    def check_together(self) -> None:
        """Raises: SettingsError: min_new_tokens is above max_new_tokens."""
        super().check_together()
        if self.min_new_tokens > self.max_new_tokens:
            raise SettingsError(
                f"min_new_tokens is {self.min_new_tokens} and max_new_tokens is {self.max_new_tokens}; "
                "min_new_tokens must not be above max_new_tokens."
            )


class VisionLanguageSettings(SearchSettings, QuestionSettings):
    """What is asked, and how the answer is searched for."""

    first_fields = ("prompt", "wishes", "word_count", "system", "max_new_tokens")
    preset_fields = ("prompt", "max_new_tokens")

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """A question for each purpose, all else at its default."""
        return cls.asking(length="max_new_tokens")


_SAME = (
    "num_beams",
    "max_new_tokens",
    "min_new_tokens",
    "repetition_penalty",
    "length_penalty",
    "no_repeat_ngram_size",
)
_OF_DRAWING = ("temperature", "top_p", "top_k")


def wanted_by_folder(content: Mapping[str, Any]) -> dict[str, Any]:
    """A folder's generation_config.json as values of our settings; what is outside a field's range, at its end.

    Where it asks for sampling and names no top_k, transformers draws from 50 tokens, and so it is meant.
    """
    is_drawn = content.get("do_sample") is True and content.get("temperature") != 0
    wanted = {name: content.get(name) for name in _SAME}
    if is_drawn:
        given = {name: content[name] for name in _OF_DRAWING if content.get(name) is not None}
        wanted |= {"temperature": 1.0, "top_p": 1.0, "top_k": 50, **given}
    found: dict[str, Any] = {"method": "nucleus"} if is_drawn else {}
    for field in VisionLanguageSettings.fields():
        value, lowest, highest = wanted.get(field.name), field.minimum, field.maximum
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
        if is_number and lowest is not None and highest is not None:
            held = min(max(value, lowest), highest)  # type: ignore[type-var]
            found[field.name] = field.kind(held)
    if found.get("min_new_tokens", 0) > found.get(
        "max_new_tokens", VisionLanguageSettings.from_mapping({}).max_new_tokens
    ):
        del found["min_new_tokens"]
    return found
