"""Questions that captioners which follow instructions are asked: ready ones, wishes to add to them, and what stands in
them for words of the picture's own. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from captioner.contract import Captioner, PictureInput, Readable
from captioner.errors import SettingsError
from captioner.limits import MAX_CAPTION_LENGTH
from captioner.limits import shown as as_shown
from captioner.settings import Effect, Settings, several, whole, words

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
        "descriptive": (
            "Describe this picture in about {word_count} words and a sober tone: first what it is (photograph, "
            "painting, drawing, render), then its subject and the details around it. No preamble.",
            600,
        ),
        "casual": (
            "Tell a friend in about {word_count} words what is in this picture, in everyday language and as if you had "
            "it before you. No preamble.",
            600,
        ),
        "image-prompt": (
            "Write the prompt that a person would give to a text-to-image model to get this picture: phrases separated "
            "by commas, subject first, then details, surroundings, light and style. About {word_count} words, nothing "
            "else.",
            400,
        ),
        "midjourney": (
            "Write a Midjourney prompt that would make this picture: one line of dense phrases about subject, mood, "
            "medium and light, without parameters. About {word_count} words, nothing else.",
            300,
        ),
        "danbooru-tags": (
            "List Danbooru tags for this picture, separated by commas, in lower case and with underscores: artist, "
            "copyright and character as artist:, copyright: and character: first where you know them, then the number "
            "of people (1girl, 2boys), then all other tags. Nothing else.",
            300,
        ),
        "e621-tags": (
            "List e621 tags for this picture, separated by commas, in lower case and with underscores, in the order "
            "artist, copyright, character, species, meta, general, each of the first five with its kind and a colon "
            "before it (species:fox). Nothing else.",
            300,
        ),
        "booru-tags": (
            "List tags for this picture as image boards use them, in lower case and separated by commas: who and how "
            "many, appearance, clothing, action, surroundings, style. About {word_count} words, nothing else.",
            300,
        ),
        "art-critic": (
            "Discuss this picture as an art critic would, in about {word_count} words: composition, colour, light, "
            "symbolism, technique, and what movement it may belong to. No preamble.",
            600,
        ),
        "product": (
            "Write about this picture as if it were a product for sale: its features, material, look and use, in about "
            "{word_count} words. No preamble.",
            500,
        ),
        "social-media": (
            "Write what somebody would post beneath this picture on social media, in about {word_count} words.",
            300,
        ),
    }
)
"""By preset: the question, and how many tokens its answer needs."""

WISHES: Mapping[str, str] = MappingProxyType(
    {
        "call-it": "Call the main subject {trigger}.",
        "no-fixed-traits": "Leave out of people what cannot be changed, such as skin, body and sex; say what can be, "
        "such as hair and clothing.",
        "ages": "Say how old people look.",
        "lighting": "Say how the light is.",
        "light-sources": "Name the sources of light, natural or artificial.",
        "camera-angle": "Say from what angle it is seen.",
        "camera-height": "Say whether it is seen from eye level, from below or from above.",
        "shot": "Say what shot it is: close-up, medium, full body, wide.",
        "camera": "If it is a photograph, say what camera, lens, aperture and exposure may have taken it.",
        "depth-of-field": "Say what is sharp and what is blurred.",
        "composition": "Say how it is composed, such as by thirds, leading lines or symmetry.",
        "orientation": "Say whether it is upright, wide or square.",
        "mood": "Say what mood it has.",
        "quality": "Judge how good it looks, from very low to very high.",
        "rating": "Say whether it is safe for work, suggestive or explicit.",
        "watermark": "Say whether there is a watermark.",
        "artifacts": "Say whether compression has left traces.",
        "only-essentials": "Say only what matters most in it.",
        "no-text": "Do not mention text that is in it.",
        "no-artist": "If it is a work of art, name neither its artist nor its title.",
        "no-resolution": "Say nothing of its resolution.",
        "no-sexual": "Say nothing sexual.",
        "no-euphemisms": "Name things bluntly instead of by euphemisms.",
        "vulgar": "Use vulgar words.",
        "no-hedging": "Say nothing vague or uncertain.",
        "no-phrases": 'Do not begin with "This image shows" or the like; begin with what is seen.',
    }
)
"""By name, sentences that may stand behind a question."""

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "{tags}": "what the taggers found that are on",
        "{name}": "the file's name without its ending",
        "{folder}": "the picture's folder in its set",
        "{existing}": "the caption that came along",
        "{trigger}": "the trigger word, as the prefix has it",
        "{word_count}": "the number of words that is set below",
    }
)
_READ: Mapping[str, Readable] = MappingProxyType(
    {
        "{tags}": "tags",
        "{name}": "name",
        "{folder}": "folder",
        "{existing}": "existing",
        "{trigger}": "trigger",
    }
)
_VARIABLE = re.compile(r"\{[A-Za-z_]\w*\}")


class RedrawnSettings(Settings):
    """How often a captioner that can draw by chance tries again."""

    redraws: int = whole(
        2,
        0,
        10,
        "How often an answer that went wrong (cut, going round in circles, a refusal) is drawn again with the next "
        "seed; 0 is never. Where nothing is drawn by chance it is only marked.",
        effect=Effect.CONDUCT,
    )


class QuestionSettings(RedrawnSettings):
    """What is asked about each picture; the settings of a captioner that is asked something derive from it."""

    prompt: str = words(
        STRAIGHTFORWARD,
        f"What the model is asked; {', '.join(VARIABLES)} stand for the picture's own words.",
        max_length=MAX_CAPTION_LENGTH,
        lines=5,
        insertable=tuple(VARIABLES.items()),
    )
    wishes: str = several(
        tuple(WISHES.items()), "Sentences to put behind the prompt, by name.", label="Wishes beside the prompt"
    )
    word_count: int = whole(
        100, 5, 1000, "How many words the prompt asks for.", step=5, only_with=("prompt", "{word_count}")
    )
    system: str = words(
        "",
        "What the model is told about itself, before the question; models that take none get it before the prompt.",
        label="System prompt",
        lines=2,
    )
    preset_fields: ClassVar[tuple[str, ...]] = ("prompt",)

    def check_together(self) -> None:
        """Raises: SettingsError: the prompt has a variable that nobody knows."""
        super().check_together()
        unknown = next((found for found in _VARIABLE.findall(self.prompt) if found not in VARIABLES), None)
        if unknown is not None:
            raise SettingsError(
                f"the prompt has {as_shown(unknown, max_length=60)}, which stands for nothing; the variables are "
                f"{', '.join(VARIABLES)}."
            )

    @classmethod
    @cache  # a comparison asks for each of its settings
    def asking(cls, *, length: str) -> Mapping[str, Self]:
        """A preset for each ready question, all else at its default. Args: length: the field of the longest answer."""
        defaults = cls.from_mapping({})
        asking = {
            name: defaults.replaced(**{"prompt": prompt, length: tokens}) for name, (prompt, tokens) in PROMPTS.items()
        }
        return MappingProxyType(asking)

    @classmethod
    def preset_title(cls, name: str) -> str:
        """A ready question's purpose, in words."""
        return name.replace("-", " ").capitalize().replace("lora", "LoRA").replace("E621", "e621")

    @classmethod
    def effective(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """As `Settings.effective`; no wishes are as in layers of before there were some."""
        found = super().effective(values)
        if not found.get("wishes"):
            found.pop("wishes", None)
        return found

    @property
    def question(self) -> str:
        """The prompt with the wishes behind it, its variables as they are."""
        wished = [WISHES[name] for name in self.wishes.split(", ") if name]
        return "\n".join([self.prompt, *wished])

    def reads(self) -> tuple[Readable, ...]:
        """What the question's variables name."""
        return tuple(read for variable, read in _READ.items() if variable in self.question)

    def asked(self, shown: PictureInput) -> str:
        """The question about a picture: its variables filled in once, other words in braces as they are."""
        values = {
            "{tags}": ", ".join(tag.name.replace("_", " ") for tag in shown.tags),
            "{name}": Path(shown.name).stem,
            "{folder}": shown.folder,
            "{existing}": shown.existing,
            "{trigger}": shown.trigger,
            "{word_count}": str(self.word_count),
        }
        return _VARIABLE.sub(lambda found: values.get(found.group(), found.group()), self.question)


class AskedCaptioner(Captioner):
    """A captioner whose settings are `QuestionSettings`."""

    @staticmethod
    def reads(settings: QuestionSettings) -> Sequence[Readable]:
        """What the question's variables name."""
        return settings.reads()

    @staticmethod
    def asked(shown: PictureInput, settings: QuestionSettings) -> str:
        """The question about this picture."""
        return settings.asked(shown)
