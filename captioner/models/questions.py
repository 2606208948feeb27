"""Questions that captioners which follow instructions are asked: ready ones, and what stands in them for words of the
picture's own. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from captioner.contract import PictureInput, Readable

STRAIGHTFORWARD = (
    "Describe this picture in one paragraph, as a person would who wants it drawn again. Begin with the main subject, "
    "then say what it does, where it is, and how the picture is made. Say only what can be seen; no preamble."
)
PROMPTS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "straightforward": (STRAIGHTFORWARD, 300),
        "short": ("Describe this picture in one short sentence. Begin with the main subject; no preamble.", 60),
        "long": (
            "Describe this picture in detail, in two or three paragraphs: subject, clothing, pose and expression, "
            "surroundings, light, colours, composition, medium and style, and any readable text in quotation marks. "
            "Say only what can be seen; no preamble.",
            600,
        ),
        "tags": (
            "List what can be seen in this picture as tags in lower case, separated by commas: subject first, then "
            "appearance, action, surroundings, style. At most 40 tags, nothing else.",
            250,
        ),
        "character-lora": (
            "Describe this picture in one paragraph for training on its main character. Leave out what always belongs "
            "to the character (face, hair, body); describe clothing, pose, expression, surroundings and light. No "
            "preamble.",
            300,
        ),
        "style-lora": (
            "Describe what this picture shows in one paragraph, and only that: subjects, actions and surroundings. Say "
            "nothing of medium, technique or style. No preamble.",
            300,
        ),
    }
)
"""By preset: the question, and how many tokens its answer needs."""

_VARIABLES: Mapping[str, Readable] = MappingProxyType({"{tags}": "tags", "{name}": "name", "{existing}": "existing"})


def preset_title(name: str) -> str:
    """A ready question's purpose, in words."""
    return name.replace("-", " ").capitalize().replace("lora", "LoRA")


def read_by(prompt: str) -> tuple[Readable, ...]:
    """What a prompt's variables name."""
    return tuple(read for variable, read in _VARIABLES.items() if variable in prompt)


def filled_in(prompt: str, shown: PictureInput) -> str:
    """The prompt with its variables' values; other words in braces stay as they are."""
    values = {
        "{tags}": ", ".join(tag.name.replace("_", " ") for tag in shown.tags),
        "{name}": Path(shown.name).stem,
        "{existing}": shown.existing,
    }
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found.group()], prompt)
