"""Scenes from a seed: what stands where, and their truth as data. Knows no model.

    python -m demo.scenes --seed S --count N --out DIR

writes N pictures and `truth.jsonl`, one line a picture. One seed always gives the same files.
"""

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo.scene import Group, PlacedObject, Scene
from demo.world import (
    BACKGROUNDS,
    CHARACTER_SHARE,
    CHARACTERS,
    COLOURS,
    GROUP_SHARES,
    MAX_COUNT,
    MAX_GROUPS,
    NOUNS,
    RATING_WEIGHTS,
    RATINGS,
    SIZE_RANGES,
    SMALLEST_IN_PIXEL_ART,
    STYLE_WEIGHTS,
    STYLES,
    WITHHELD_PAIRS,
)

MARGIN = 0.05  # of the edge, kept free of objects on every side
GAP = 0.05  # between two objects of one group, at least
CELL_GAP = 0.03  # between two groups, at least
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CAPTIONS_PER_PICTURE = 5


def scene_from_seed(seed: int | str, index: int, *, withheld: bool = True) -> Scene:
    """The scene `index` of a seed. `withheld=False`, for training, never shows a withheld colour-noun pair."""
    return make_scene(random.Random(f"{seed}:{index}"), withheld=withheld)


def make_scene(rng: random.Random, *, withheld: bool = True) -> Scene:
    """A random scene; see world.py for the shares of everything."""
    style = rng.choices(STYLES, STYLE_WEIGHTS)[0]
    names = [name for name, background in BACKGROUNDS.items() if style in background.styles]
    background = rng.choices(names, [BACKGROUNDS[name].weight for name in names])[0]
    group_count = rng.choices(range(1, MAX_GROUPS + 1), GROUP_SHARES)[0]
    axis = rng.choice("hv")
    nouns = rng.sample(NOUNS, group_count)
    groups: list[Group] = []
    for band in range(group_count):
        character = None
        if not any(group.character for group in groups):
            character = _pick_character(rng, style, background, {*nouns[:band], *nouns[band + 1 :]})
        if character:
            nouns[band] = CHARACTERS[character].noun
            colour = CHARACTERS[character].colour
        else:
            colour = _pick_colour(rng, style, background, nouns[band], withheld=withheld)
        groups.append(_place_group(rng, style, axis, band, group_count, nouns[band], colour, character))
    rating = rng.choices(range(len(RATINGS)), RATING_WEIGHTS)[0]
    return Scene(
        style=style,
        background=background,
        axis=axis,
        groups=tuple(groups),
        folded_corners=tuple(rng.sample(CORNERS, rating)),
        drawing_seed=rng.randrange(2**31),
    )


def mirrored(scene: Scene) -> Scene:
    """The scene seen in a mirror: what its picture, flipped left to right, shows."""
    groups = [
        replace(group, objects=tuple(replace(thing, x=1 - thing.x) for thing in group.objects))
        for group in scene.groups
    ]
    if scene.axis == "h":
        groups.reverse()
    swap = {"left": "right", "right": "left"}
    corners = tuple(f"{row} {swap[column]}" for row, column in (corner.split() for corner in scene.folded_corners))
    return replace(scene, groups=tuple(groups), folded_corners=corners)


def truth_row(scene: Scene, picture: str, captions: list[str]) -> dict[str, Any]:
    """The line of `truth.jsonl` for a picture file."""
    return {
        "picture": picture,
        "objects": [
            {"noun": group.noun, "colour": group.colour, "count": group.count, "size": group.size}
            for group in scene.groups
        ],
        "background": scene.background,
        "style": scene.style,
        "captions": captions,
        "characters": scene.characters,
        "rating": scene.rating,
    }


def _pick_colour(rng: random.Random, style: str, background: str, noun: str, *, withheld: bool) -> str:
    if style == "icon":
        return "white" if background == "black" else "black"
    allowed = [colour for colour in COLOURS if colour not in BACKGROUNDS[background].clashes]
    if not withheld:
        allowed = [colour for colour in allowed if (colour, noun) not in WITHHELD_PAIRS]
    return rng.choice(allowed)


def _pick_character(rng: random.Random, style: str, background: str, taken_nouns: set[str]) -> str | None:
    if style == "icon" or rng.random() >= CHARACTER_SHARE:
        return None
    clashes = BACKGROUNDS[background].clashes
    fitting = [
        name
        for name, character in CHARACTERS.items()
        if character.noun not in taken_nouns and character.colour not in clashes
    ]
    return rng.choice(fitting) if fitting else None


def _place_group(
    rng: random.Random,
    style: str,
    axis: str,
    band: int,
    band_count: int,
    noun: str,
    colour: str,
    character: str | None,
) -> Group:
    """A group in its band of the picture: evenly spaced along the band's middle line, with a gap between any two."""
    band_width = (1 - 2 * MARGIN) / band_count
    length = 1 - 2 * MARGIN
    count = 1 if character else rng.randint(1, MAX_COUNT)
    longest_side = min(band_width - CELL_GAP, (length - (count - 1) * GAP) / count)
    sizes = [size for size, (low, _) in SIZE_RANGES.items() if low <= longest_side]
    size = rng.choice([name for name in sizes if not (character and name == "small")])
    low, high = SIZE_RANGES[size]
    if style == "pixel":
        low = max(low, SMALLEST_IN_PIXEL_ART)
    side = rng.uniform(low, min(high, longest_side))
    spare = length - count * side
    gap = rng.uniform(GAP, spare / (count - 1)) if count > 1 else 0.0
    start = MARGIN + rng.uniform(0, spare - (count - 1) * gap) + side / 2
    across = MARGIN + band * band_width + rng.uniform((CELL_GAP + side) / 2, band_width - (CELL_GAP + side) / 2)
    along = [start + index * (side + gap) for index in range(count)]
    places = [(across, position) if axis == "h" else (position, across) for position in along]
    objects = tuple(PlacedObject(x=x, y=y, side=side) for x, y in places)
    return Group(noun=noun, colour=colour, size=size, objects=objects, character=character)


def write_scenes(seed: int, count: int, folder: Path, edge_px: int) -> None:
    """Write `count` pictures of a seed and their truth into a folder, which is made when missing."""
    from demo.drawing import draw
    from demo.grammar import word

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for index in range(count):
            scene = scene_from_seed(seed, index)
            name = f"scene-{seed}-{index:05d}.png"
            draw(scene, edge_px).save(folder / name)
            rng = random.Random(f"{seed}:{index}:captions")
            captions = [word(scene, rng) for _ in range(CAPTIONS_PER_PICTURE)]
            truth.write(json.dumps(truth_row(scene, name, captions)) + "\n")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.scenes", description="Draw pictures whose truth is known.")
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same pictures")
    parser.add_argument("--count", type=int, required=True, help="how many pictures")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the PNG files and truth.jsonl")
    parser.add_argument("--edge-px", type=int, default=256, help="the pictures' edge in pixels (default 256)")
    options = parser.parse_args(arguments)
    write_scenes(options.seed, options.count, options.out, options.edge_px)


if __name__ == "__main__":
    main()
