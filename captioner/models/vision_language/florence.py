"""Florence-2 and its fine-tunes as captioners: they know tasks instead of questions. Loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from captioner.contract import ModelSpec, PictureInput, Readable
from captioner.errors import CaptionerError, SettingsError
from captioner.limits import shown as as_shown
from captioner.models.descriptions import read_json_object
from captioner.models.vision_language.captioner import FILES, VisionLanguageCaptioner
from captioner.models.vision_language.settings import SearchSettings
from captioner.settings import Settings, choice, whole, words

TASKS: Mapping[str, str] = MappingProxyType(
    {
        name: f"<{name.upper()}>"
        for name in (
            *("caption", "detailed_caption", "more_detailed_caption"),
            *("generate_tags", "mixed_caption", "mixed_caption_plus", "analyze"),
        )
    }
)
"""By name, the tokens that ask for a caption. A model that was not trained on one answers it anyhow."""

FLORENCE_FILES = ("config.json", "tokenizer.json", *(name for name in FILES if "*" in name))
"""As `FILES`; the published repositories do not all have a tokenizer_config.json."""

_TOKEN = re.compile(r"<[A-Z][A-Z_]+>")


class FlorenceSettings(SearchSettings):
    """Which task the model does, and how its answer is searched for."""

    first_fields = ("task", "max_new_tokens")

    task: str = choice(
        "more_detailed_caption",
        tuple(TASKS),
        "What the model is told to do. The first three all know, the others only PromptGen; mixed is caption and tags.",
    )
    own_task: str = words(
        "", "Told to the model in the task's place where it is not empty, for fine-tunes that know other words."
    )
    num_beams: int = whole(
        3, 1, 16, "How many answers are followed at once; 1 is greedy.", only_when=("method", ("beam",))
    )
    max_new_tokens: int = whole(1024, 1, 4096, "Answers are cut here.", unit="tokens", label="Longest answer")
    no_repeat_ngram_size: int = whole(3, 0, 20, "No run of so many tokens occurs twice; 0 is off.", unit="tokens")

    def check_together(self) -> None:
        """Raises: SettingsError: as `SearchSettings`; a task's token with something beside it, which breaks it."""
        super().check_together()
        token = next((token for token in _TOKEN.findall(self.own_task) if token in TASKS.values()), None)
        if token is not None and self.own_task != token:
            raise SettingsError(
                f"own_task is {as_shown(self.own_task, max_length=60)!r}, but {token} must stand alone, without so "
                "much as a space; choose it as the task, or leave the other words out."
            )

    @property
    def prompt(self) -> str:
        """What the model is told."""
        return self.own_task or TASKS[self.task]

    @property
    def system(self) -> str:
        """It is told nothing about itself."""
        return ""

    def reads(self) -> tuple[Readable, ...]:
        """Nothing beside the picture."""
        return ()

    def asked(self, shown: PictureInput) -> str:
        """As `prompt`, for every picture."""
        return self.prompt


class FlorenceCaptioner(VisionLanguageCaptioner):
    """Does one of Florence-2's tasks on each picture; in transformers' own layout or as it is published."""

    family: ClassVar[str] = "florence"
    title: ClassVar[str] = "Florence-2"
    about: ClassVar[str] = "Small and quick; knows tasks instead of questions."
    Settings: ClassVar[type[Settings]] = FlorenceSettings
    files: ClassVar[tuple[str, ...]] = FLORENCE_FILES
    names_with: ClassVar[tuple[str, ...]] = ("florence-2", "promptgen")
    other_names: ClassVar[str] = "the hub id of a Florence-2 or PromptGen"

    @classmethod
    def spec_for(cls, name: str) -> ModelSpec | None:
        """A hub id stands for the model of that repository, where its name says that it is a Florence-2."""
        if not any(word in name.lower() for word in cls.names_with):
            return None
        return cls.spec_of_repo(name)

    @classmethod
    def accepts(cls, folder: Path) -> bool:
        """Whether its config.json is of Florence-2, in either layout."""
        try:
            return read_json_object(folder / "config.json").get("model_type") == "florence2"
        except CaptionerError:
            return False
