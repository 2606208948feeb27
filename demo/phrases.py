"""The demo vocabularies: the labels the demo CLIP ranks, and the tags each needs. Knows no model."""

from dataclasses import dataclass

from demo.grammar import background_phrases
from demo.tags import BACKGROUND_TAGS, STYLE_TAGS, colour_tag, count_tag, size_tag
from demo.world import BACKGROUNDS, COLOURS, NOUNS, PLURALS, STYLES, WITHHELD_PAIRS, indefinite_article

STYLE_LABELS = {
    "icon": "a flat icon",
    "cartoon": "a cartoon",
    "pencil": "a pencil drawing",
    "photo": "a grainy photo",
    "pixel": "pixel art",
}
BACKGROUND_LABELS = {name: background_phrases(name)[0] for name in BACKGROUNDS}


@dataclass(frozen=True)
class Label:
    """A text and the tags that must be true of a picture for it to fit; no tag where no training picture shows it."""

    text: str
    tags: tuple[str, ...]
    is_withheld: bool = False


def pair_text(colour: str, noun: str) -> str:
    return f"{indefinite_article(colour)} {colour} {noun}"


STYLE_VOCABULARY = [Label(STYLE_LABELS[style], (STYLE_TAGS[style],)) for style in STYLES]
BACKGROUND_VOCABULARY = [Label(BACKGROUND_LABELS[name], (BACKGROUND_TAGS[name],)) for name in BACKGROUNDS]
PAIRS = [(colour, noun) for colour in COLOURS for noun in NOUNS]
PAIR_VOCABULARY = [
    Label(pair_text(colour, noun), (noun, colour_tag(colour, noun)), is_withheld=(colour, noun) in WITHHELD_PAIRS)
    for colour, noun in PAIRS
]
COUNT_VOCABULARY = [
    Label(f"{number} {PLURALS[noun]}", (noun, count_tag(count, noun)))
    for count, number in ((2, "two"), (3, "three"))
    for noun in NOUNS
]
SIZE_VOCABULARY = [
    Label(f"a {size} {noun}", (noun, size_tag(size, noun))) for size in ("large", "small") for noun in NOUNS
]
# By the names of the public vocabularies. The demo CLIP knows no artists and no trending sites.
VOCABULARIES = {
    "mediums": STYLE_VOCABULARY,
    "flavors": [*PAIR_VOCABULARY, *COUNT_VOCABULARY, *SIZE_VOCABULARY],
    "movements": BACKGROUND_VOCABULARY,
}
