"""The sample pictures that the page offers whoever has none at hand: twelve drawn scenes, named by what they show.

    python -m demo.samples [--out assets/samples]

They are shipped, so that the page needs nothing of this package. The same code gives the same pixels.
"""

import argparse
from itertools import count
from pathlib import Path

from demo.drawing import draw
from demo.grammar import NUMBER_WORDS
from demo.scene import Group, Scene
from demo.scenes import scene_from_seed
from demo.world import NOUNS, PLURALS, STYLES

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "samples"
EDGE_PX = 384
_SEED = "samples"


def sample_scenes() -> list[Scene]:
    """One scene for each noun, the styles in turn: one or two kinds of things, none of them small, no folded corner,
    whose tag would be a rating, and nothing that the demo models never saw."""
    return [_scene_of(noun, STYLES[place % len(STYLES)]) for place, noun in enumerate(reversed(NOUNS), start=1)]


def sample_name(number: int, scene: Scene) -> str:
    """ "sample-01-two-red-fish.png": a file that nobody takes for one of their own."""
    things = "-and-".join(_words(group) for group in scene.groups)
    return f"sample-{number:02}-{things}.png".replace(" ", "-")


def _scene_of(noun: str, style: str) -> Scene:
    for index in count():
        scene = scene_from_seed(f"{_SEED} {noun}", index, withheld=False)
        is_plain = not scene.folded_corners and not scene.characters and len(scene.groups) <= 2
        are_large = all(group.size != "small" for group in scene.groups)
        if is_plain and are_large and scene.style == style and scene.groups[0].noun == noun:
            return scene
    raise AssertionError("count ended")


def _words(group: Group) -> str:
    noun = PLURALS[group.noun] if group.count > 1 else group.noun
    return " ".join([*([NUMBER_WORDS[group.count]] if group.count > 1 else []), group.colour, noun])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.samples", description="Draw the page's sample pictures.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for the PNG files")
    folder: Path = parser.parse_args(arguments).out
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(sample_scenes(), start=1):
        draw(scene, EDGE_PX).save(folder / sample_name(number, scene), optimize=True)


if __name__ == "__main__":
    main()
