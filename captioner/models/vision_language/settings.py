"""How a vision-language model is asked. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH
from captioner.models.questions import PROMPTS, STRAIGHTFORWARD, preset_title
from captioner.settings import Settings, choice, real, whole, words

_BEAM = ("method", ("beam",))
_NUCLEUS = ("method", ("nucleus",))


class SearchSettings(Settings):
    """How an answer is searched for. Lengths count the answer's tokens alone.

    Under beam search with one beam the search is greedy.
    """

    method: str = choice("beam", ("beam", "nucleus"), "Search for the likeliest answer, or draw one at random.")
    num_beams: int = whole(1, 1, 16, "How many answers are followed at once; 1 is greedy.", only_when=_BEAM)
    max_new_tokens: int = whole(300, 1, 4096, "Answers are cut here.", unit="tokens", label="Longest answer")
    min_new_tokens: int = whole(0, 0, 1024, "No answer ends before this.", unit="tokens", label="Shortest answer")
    repetition_penalty: float = real(
        1.0, 0.01, 5.0, "Above 1 repeats become rarer; only what is new counts, not the prompt."
    )
    length_penalty: float = real(
        1.0, -3.0, 3.0, "Above 0 favours long answers among the finished beams, below 0 short ones.", only_when=_BEAM
    )
    no_repeat_ngram_size: int = whole(0, 0, 20, "No run of so many tokens occurs twice; 0 is off.", unit="tokens")
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
        if self.min_new_tokens > self.max_new_tokens:
            raise SettingsError(
                f"min_new_tokens is {self.min_new_tokens} and max_new_tokens is {self.max_new_tokens}; "
                "min_new_tokens must not be above max_new_tokens."
            )


class VisionLanguageSettings(SearchSettings):
    """What is asked, and how the answer is searched for."""

    first_fields = ("prompt", "max_new_tokens")

    prompt: str = words(STRAIGHTFORWARD, "What the model is asked.", max_length=MAX_CAPTION_LENGTH)
    system: str = words(
        "", "What the model is told about itself, before the question; models that take none get it before the prompt."
    )

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """A question for each purpose, all else at its default."""
        defaults = cls.from_mapping({})
        return {
            name: defaults.replaced(prompt=prompt, max_new_tokens=count) for name, (prompt, count) in PROMPTS.items()
        }

    @classmethod
    def preset_title(cls, name: str) -> str:
        """The purpose, in words."""
        return preset_title(name)
