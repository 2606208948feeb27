"""What a server is asked, and how. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from captioner.models.questions import QuestionSettings
from captioner.settings import Effect, real, whole, words


class EndpointSettings(QuestionSettings):
    """A question, how the server may draw its answer, and what it gets of the picture."""

    first_fields = ("prompt", "wishes", "word_count", "system", "max_tokens")
    preset_fields = ("prompt", "max_tokens")

    model: str = words("", "The model's name on the server; empty takes the first that it lists.", max_length=200)
    max_tokens: int = whole(300, 1, 4096, "Answers are cut here.", unit="tokens", label="Longest answer")
    temperature: float = real(
        0.6, 0.0, 2.0, "Below 1 drawing keeps to likely tokens, above 1 it is bolder; 0 takes the likeliest.", step=0.05
    )
    top_p: float = real(0.9, 0.01, 1.0, "Draw only from the likeliest tokens that together reach this; 1 is off.")
    seed: int = whole(0, 0, 2**31 - 1, "Most servers draw the same answer again for a seed; none promises it.")
    longest_edge: int = whole(
        1024, 128, 4096, "Pictures are sent no larger than this; a model sees little more.", step=64, unit="px"
    )
    timeout_s: int = whole(
        180, 5, 3600, "How long one picture may take.", unit="s", label="Time limit", effect=Effect.CONDUCT
    )
    at_once: int = whole(
        4,
        1,
        16,
        "No more questions at once than this; how many are fastest is measured, from one on.",
        label="Most at once",
        effect=Effect.CONDUCT,
    )

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """A question for each purpose, all else at its default."""
        return cls.asking(length="max_tokens")
