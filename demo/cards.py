"""The demo models' cards: what they know, how they were made, and measured figures, as a README.md in each folder."""

from pathlib import Path

from demo import train_blip, train_clip, train_tagger, train_tower
from demo.cache import EDGE_PX, PICTURES
from demo.evaluate import Figures, as_table
from demo.loop import Plan
from demo.tags import TAGS
from demo.world import BACKGROUNDS, CHARACTERS, COLOURS, NOUNS, STYLES, WITHHELD_PAIRS

EVALUATION_SEED, EVALUATION_COUNT = 2026, 500

_CARD = """---
license: mit
---
# {name}

{about}

It knows the scenes that `python -m demo.scenes` draws, and nothing else:

- up to three groups of up to three of: {nouns}
- colours: {colours}
- styles: {styles}
- backgrounds: {backgrounds}

It exists so that the app, its tests and a first run without the hub's weights go through the same loaders as the real
models and give captions that are right or wrong, not noise. It is not meant for photographs.

## Figures

Measured on {count} pictures that training never saw, with `python -m demo.evaluate --seed {seed} --count {count}`:

{table}

{notes}

## Training

`python -m demo.train` makes the three demo models in one command, in about 94 minutes of one CPU core, from seed
{train_seed} and {pictures} pictures drawn at 112 to 256 px, some compressed as JPEG, all squashed to {edge} px.

{training}

Step counts and seed are fixed; what a repeat may differ by is the rounding of bf16 and of threads.

## Licence

MIT, like the program that draws the pictures and trains the model.
"""

_BLIP_ABOUT = """\
A tiny BLIP captioner for transformers' `BlipForConditionalGeneration` and `BlipProcessor`: a picture tower
of 4 layers and a text decoder of 3, both 128 wide, 1.7 million parameters, stored in half precision. Like BLIP it is
prompted with "a picture of "; its WordPiece vocabulary holds the words of its captions, and single characters for all
others."""

_CLIP_ABOUT = """\
A tiny CLIP for open_clip (`local-dir:` loads it): the demo captioner's picture tower, trained on, and a text
tower of 2 layers, 96 wide, on open_clip's own byte-pair vocabulary, stored in half precision. The rows of tokens that
no caption uses are zero. `vocabularies/` holds the labels it can rank: styles as mediums, backgrounds as movements,
colours, counts and sizes of things as flavors. It knows no artists and no sites."""

_WD14_ABOUT = """\
A tiny tagger in the format of the WD14 taggers: `model.onnx` takes (N, {edge}, {edge}, 3) float32, BGR, 0..255,
any N, and gives probabilities of the {tags} tags of `selected_tags.csv`. The rating is the number of the picture's
folded corners (none: general, three: explicit). The characters {characters}
are told by noun, colour and hat."""


def write_cards(folder: Path, figures: Figures, train_seed: int) -> None:
    """Write the README.md of each of the three models in `folder`."""
    withheld = ", ".join(f"{colour} {noun}" for colour, noun in sorted(WITHHELD_PAIRS))
    tower = f"the tower learns from {_seen(train_tower.PLAN)} pictures what stands on each of its patches"
    captioner = (
        f"the captioner\nfrom {_seen(train_blip.PLAN)}, with {train_blip.CAPTIONS_PER_PICTURE} captions each, "
        "while the tower learns on"
    )
    _write(
        folder / "blip-demo",
        _BLIP_ABOUT,
        figures,
        ("captions_", "beam16_", "withheld_captions"),
        f"Captions: 3 beams, 5 to 60 tokens. Never shown in training, and in\n"
        f"scenes of one group measured apart too: {withheld}.\n"
        "`beam16` figures: 16 beams at a minimum length, the last with a repetition penalty of 1.5.",
        f"First {tower}, then {captioner}.",
        train_seed,
    )
    _write(
        folder / "clip-demo",
        _CLIP_ABOUT,
        figures,
        ("clip_", "withheld_clip"),
        'How often the best label of its kind is right; "any group" counts a label of any group of the scene.\n'
        f"Never shown in training, as a picture or as a text, and measured apart too: {withheld}.",
        f"It starts from the captioner's tower and sees {_seen(train_clip.PLAN)} pictures with captions and labels.",
        train_seed,
    )
    _write(
        folder / "wd14-demo",
        _WD14_ABOUT.format(edge=EDGE_PX, tags=len(TAGS), characters=", ".join(CHARACTERS)),
        figures,
        ("tagger_",),
        f"Micro-F1 at a threshold of 0.35; `tagger rating` is how often the likeliest rating is right.\n"
        f"There is no tag for {withheld}: no training picture shows them.",
        f"It starts from the captioner's tower and sees {_seen(train_tagger.PLAN)} pictures.",
        train_seed,
    )


def _seen(plan: Plan) -> str:
    return f"{plan.steps * plan.batch:,}"


def _write(
    folder: Path, about: str, figures: Figures, prefixes: tuple[str, ...], notes: str, training: str, train_seed: int
) -> None:
    card = _CARD.format(
        name=folder.name,
        about=about,
        nouns=", ".join(NOUNS),
        colours=", ".join(COLOURS),
        styles=", ".join(STYLES),
        backgrounds=", ".join(BACKGROUNDS),
        count=EVALUATION_COUNT,
        seed=EVALUATION_SEED,
        table=as_table({name: value for name, value in figures.items() if name.startswith(prefixes)}),
        notes=notes,
        train_seed=train_seed,
        pictures=f"{PICTURES:,}",
        edge=EDGE_PX,
        training=training,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
