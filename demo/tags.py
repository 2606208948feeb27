"""The tagger's tags, and which of them a scene or a caption's claims bear. Knows no model.

Tags are named as booru taggers name them: `red_star`, `2cats`, `large_tree`, `pixel_art`, `night_sky`, `mikan_(cat)`.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from demo.scene import Scene
from demo.truth import Claims
from demo.world import BACKGROUNDS, CHARACTERS, COLOURS, MAX_COUNT, NOUNS, PLURALS, RATINGS, WITHHELD_PAIRS

GENERAL, CHARACTER, RATING = 0, 4, 9  # the categories of selected_tags.csv
STYLE_TAGS = {
    "icon": "flat_icon",
    "cartoon": "cartoon",
    "pencil": "pencil_drawing",
    "photo": "grainy_photo",
    "pixel": "pixel_art",
}
_LANDSCAPE_TAGS = {"grass": "grass", "night sky": "night_sky", "beach": "beach"}
BACKGROUND_TAGS = {name: _LANDSCAPE_TAGS.get(name, f"{name}_background") for name in BACKGROUNDS}


def colour_tag(colour: str, noun: str) -> str:
    return f"{colour}_{noun}"


def count_tag(count: int, noun: str) -> str:
    return f"{count}{PLURALS[noun] if count > 1 else noun}"


def size_tag(size: str, noun: str) -> str:
    return f"{size}_{noun}"


NOUN_TAGS = list(NOUNS)
COLOUR_TAGS = [colour_tag(colour, noun) for colour in COLOURS for noun in NOUNS if (colour, noun) not in WITHHELD_PAIRS]
COUNT_TAGS = [count_tag(count, noun) for count in range(1, MAX_COUNT + 1) for noun in NOUNS]
SIZE_TAGS = [size_tag(size, noun) for size in ("large", "small") for noun in NOUNS]
# Tags of single objects stand before tags of the whole picture; the ratings come first, as in every WD14 tag file.
OBJECT_TAGS = [*NOUN_TAGS, *COLOUR_TAGS, *COUNT_TAGS, *SIZE_TAGS, *CHARACTERS]
PICTURE_TAGS = [*STYLE_TAGS.values(), *BACKGROUND_TAGS.values()]
TAGS = [*RATINGS, *OBJECT_TAGS, *PICTURE_TAGS]
TAG_INDEX = {tag: index for index, tag in enumerate(TAGS)}


def scene_tags(scene: Scene) -> list[str]:
    """Every tag that is true of a scene, among those there are."""
    tags = [scene.rating, STYLE_TAGS[scene.style], BACKGROUND_TAGS[scene.background], *scene.characters]
    for group in scene.groups:
        tags += [group.noun, count_tag(group.count, group.noun), colour_tag(group.colour, group.noun)]
        if group.size != "medium":
            tags.append(size_tag(group.size, group.noun))
    return [tag for tag in tags if tag in TAG_INDEX]


def claimed_tags(claims: Claims) -> list[str]:
    """The tags that must all be true of a picture for a caption's claims to hold, but for the relations."""
    tags = [STYLE_TAGS[style] for style in claims.styles] + [BACKGROUND_TAGS[name] for name in claims.backgrounds]
    for group in claims.groups:
        tags.append(group.noun)
        tags += [colour_tag(colour, group.noun) for colour in group.colours]
        tags += [size_tag(size, group.noun) for size in group.sizes]
        if len(group.counts) == 1:
            tags.append(count_tag(*group.counts, group.noun))
    return tags


def category(tag: str) -> int:
    return RATING if tag in RATINGS else CHARACTER if tag in CHARACTERS else GENERAL


def write_tag_file(path: Path, counts: Iterable[int]) -> None:
    """Write selected_tags.csv; `counts` says how often each tag was seen in training, in the order of TAGS."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["tag_id", "name", "category", "count"])
        for tag_id, (tag, count) in enumerate(zip(TAGS, counts, strict=True)):
            writer.writerow([tag_id, tag, category(tag), count])
