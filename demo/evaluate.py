"""Measure the demo models, through the product's own classes, on pictures that no training has seen.

    python -m demo.evaluate --seed S --count 500 [--models DIR] [--json]

All figures are shares (0..1) but the words of a caption.
"""

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from captioner.contract import inputs
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.records import Sentence, Tag
from demo.drawing import draw
from demo.grammar import ends_whole
from demo.phrases import BACKGROUND_LABELS, PAIRS, STYLE_LABELS, pair_text
from demo.scene import Scene
from demo.scenes import make_scene, scene_from_seed, truth_row
from demo.tags import BACKGROUND_TAGS, COLOUR_TAGS, COUNT_TAGS, NOUN_TAGS, STYLE_TAGS, scene_tags
from demo.truth import Verdict, check
from demo.world import CHARACTERS, RATINGS, WITHHELD_PAIRS
from taggers.clip import ClipSettings, ClipTagger
from taggers.wd14 import Wd14Settings, Wd14Tagger

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "assets" / "demo"
THRESHOLD = 0.35
EDGE_PX = 256
CAPTION_SETTINGS = SamplingSettings(method="beam", num_beams=3, min_length=5, max_length=60)
DECODING_COUNT = 60  # pictures for the decoding figures, which need long searches
DECODING = {
    "min_5": SamplingSettings(num_beams=16, min_length=5, max_length=48),
    "min_22": SamplingSettings(num_beams=16, min_length=22, max_length=48),
    "min_48": SamplingSettings(num_beams=16, min_length=48, max_length=75),
    "min_48_penalty": SamplingSettings(num_beams=16, min_length=48, max_length=75, repetition_penalty=1.5),
}
_BATCH = 50


@dataclass(frozen=True)
class Goal:
    """What a figure must reach, and what it is hoped to."""

    must: float
    aim: float


GOALS = {
    "captions_nouns_and_colours": Goal(0.90, 0.95),
    "captions_nouns_colours_counts": Goal(0.65, 0.80),
    "captions_nouns_colours_counts_one_group": Goal(0.85, 0.95),
    "captions_style_right": Goal(0.97, 0.99),
    "captions_background_right": Goal(0.98, 0.99),
    "captions_style_stated": Goal(0.50, 0.50),
    "captions_background_stated": Goal(0.50, 0.50),
    "captions_groups_mentioned": Goal(0.90, 0.95),
    "clip_style": Goal(0.97, 0.99),
    "clip_background": Goal(0.98, 0.99),
    "clip_colour_noun_one_group": Goal(0.88, 0.93),
    "tagger_f1_all": Goal(0.75, 0.85),
    "tagger_f1_nouns": Goal(0.85, 0.92),
    "tagger_f1_style_and_background": Goal(0.97, 0.99),
}

Figures = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """Drawn pictures with their scenes."""

    scenes: list[Scene]
    pictures: list[Image]

    @classmethod
    def of(cls, scenes: Iterable[Scene], edge_px: int = EDGE_PX) -> "Sample":
        kept = list(scenes)
        return cls(kept, [draw(scene, edge_px) for scene in kept])

    def __getitem__(self, part: slice) -> "Sample":
        return Sample(self.scenes[part], self.pictures[part])


@dataclass(frozen=True)
class Trio:
    """The three demo models, loaded as the app loads them."""

    blip: BlipCaptioner
    clip: ClipTagger
    wd14: Wd14Tagger

    @classmethod
    def load(cls, folder: Path = MODELS) -> "Trio":
        return cls(
            BlipCaptioner.load(folder / "blip-demo", device="cpu"),
            ClipTagger.load(folder / "clip-demo", device="cpu"),
            Wd14Tagger.load(folder / "wd14-demo", device="cpu"),
        )


def sample_from_seed(seed: int, count: int) -> Sample:
    return Sample.of(scene_from_seed(seed, index) for index in range(count))


def withheld_sample(seed: int, count: int) -> Sample:
    """Scenes of one group whose colour and noun no training picture shows together."""
    rng = random.Random(f"withheld {seed}")
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = make_scene(rng)
        if len(scene.groups) == 1 and (scene.groups[0].colour, scene.groups[0].noun) in WITHHELD_PAIRS:
            scenes.append(scene)
    return Sample.of(scenes)


def write_captions(blip: BlipCaptioner, pictures: Sequence[Image], settings: SamplingSettings) -> list[str]:
    return [sentence.text for sentence in write_sentences(blip, pictures, settings)]


def write_sentences(blip: BlipCaptioner, pictures: Sequence[Image], settings: SamplingSettings) -> list[Sentence]:
    sentences = []
    for start in range(0, len(pictures), _BATCH):
        sentences += blip.caption(inputs(pictures[start : start + _BATCH]), settings)
    return sentences


def verdicts_on(captions: Sequence[str], scenes: Sequence[Scene]) -> list[Verdict]:
    return [check(text, truth_row(scene, "", [])) for text, scene in zip(captions, scenes, strict=True)]


def caption_figures(blip: BlipCaptioner, sample: Sample) -> Figures:
    captions = write_captions(blip, sample.pictures, CAPTION_SETTINGS)
    verdicts = verdicts_on(captions, sample.scenes)
    one_group = [v for v in verdicts if v.groups_in_scene == 1]
    with_style = [v for v in verdicts if v.states_style]
    with_background = [v for v in verdicts if v.states_background]
    return {
        "captions_nouns_and_colours": _share(v.nouns_and_colours_are_right for v in verdicts),
        "captions_nouns_colours_counts": _share(v.objects_are_right for v in verdicts),
        "captions_nouns_colours_counts_one_group": _share(v.objects_are_right for v in one_group),
        "captions_everything_right": _share(v.is_right for v in verdicts),
        "captions_style_right": _share(v.style_is_right for v in with_style),
        "captions_background_right": _share(v.background_is_right for v in with_background),
        "captions_style_stated": len(with_style) / len(verdicts),
        "captions_background_stated": len(with_background) / len(verdicts),
        "captions_groups_mentioned": sum(v.groups_mentioned for v in verdicts)
        / sum(v.groups_in_scene for v in verdicts),
        "captions_words": _mean(len(caption.split()) for caption in captions),
    }


def cut_figures(blip: BlipCaptioner, sample: Sample) -> Figures:
    """How sentences end under the default settings, as they are said and as they reach the caption.

    "In the middle" is by the grammar of the scenes, which the product's own rule (`captioner.phrases`) does not know.
    """
    settings = SamplingSettings()
    said = write_sentences(blip, sample.pictures, settings)
    selected = [blip.select(sentence, settings) for sentence in said]
    return {
        "default_cut_at_the_limit": _share(sentence.finish == "length" for sentence in said),
        "default_end_in_the_middle_as_said": _share(not ends_whole(sentence.text) for sentence in said),
        "default_end_in_the_middle": _share(not ends_whole(sentence.text) for sentence in selected),
    }


def decoding_figures(blip: BlipCaptioner, sample: Sample) -> Figures:
    """Words and repeated trigrams of a caption under beam 16, at three lengths and with a repetition penalty."""
    figures = {}
    for name, settings in DECODING.items():
        captions = write_captions(blip, sample.pictures, settings)
        figures[f"beam16_{name}_words"] = _mean(len(caption.split()) for caption in captions)
        figures[f"beam16_{name}_repeated_trigrams"] = _mean(repeated_trigrams(caption) for caption in captions)
    return figures


def repeated_trigrams(caption: str) -> float:
    """The share of a caption's trigrams that it holds more than once already."""
    words = caption.split()
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def clip_figures(clip: ClipTagger, sample: Sample) -> Figures:
    layers = clip.tag(inputs(sample.pictures), ClipSettings())
    pairs = {pair_text(colour, noun) for colour, noun in PAIRS}
    rows = list(zip(layers, sample.scenes, strict=True))
    return {
        "clip_style": _share(_best(tags, "mediums") == STYLE_LABELS[scene.style] for tags, scene in rows),
        "clip_background": _share(
            _best(tags, "movements") == BACKGROUND_LABELS[scene.background] for tags, scene in rows
        ),
        "clip_colour_noun_one_group": pair_accuracy(layers, sample.scenes),
        "clip_colour_noun_any_group": _share(
            _best(tags, "flavors", pairs) in {pair_text(group.colour, group.noun) for group in scene.groups}
            for tags, scene in rows
        ),
    }


def pair_accuracy(layers: Sequence[Sequence[Tag]], scenes: Sequence[Scene]) -> float:
    """How often, among scenes of one group, the best "a COLOUR NOUN" of all names it."""
    pairs = {pair_text(colour, noun) for colour, noun in PAIRS}
    return _share(
        _best(tags, "flavors", pairs) == pair_text(scene.groups[0].colour, scene.groups[0].noun)
        for tags, scene in zip(layers, scenes, strict=True)
        if len(scene.groups) == 1
    )


def _best(tags: Sequence[Tag], vocabulary: str, among: set[str] | None = None) -> str | None:
    fitting = [tag for tag in tags if tag.category == vocabulary and (among is None or tag.name in among)]
    return max(fitting, key=lambda tag: tag.score).name if fitting else None


def tagger_figures(wd14: Wd14Tagger, sample: Sample) -> Figures:
    layers = wd14.tag(inputs(sample.pictures), Wd14Settings())
    kept = [{tag.name for tag in tags if tag.score >= THRESHOLD} for tags in layers]
    truth = [set(scene_tags(scene)) for scene in sample.scenes]
    ratings = [max((tag for tag in tags if tag.category == "rating"), key=lambda tag: tag.score) for tags in layers]
    figures = {
        "tagger_f1_all": micro_f1(kept, truth),
        "tagger_rating": _share(r.name == scene.rating for r, scene in zip(ratings, sample.scenes, strict=True)),
    }
    parts = {
        "nouns": NOUN_TAGS,
        "colours": COLOUR_TAGS,
        "counts": COUNT_TAGS,
        "style_and_background": [*STYLE_TAGS.values(), *BACKGROUND_TAGS.values()],
        "characters": [*CHARACTERS],
        "ratings": [*RATINGS],
    }
    for name, tags in parts.items():
        figures[f"tagger_f1_{name}"] = micro_f1([row & set(tags) for row in kept], [row & set(tags) for row in truth])
    return figures


def micro_f1(kept: Sequence[set[str]], truth: Sequence[set[str]]) -> float:
    """F1 over all pictures' tags together."""
    hits = sum(len(a & b) for a, b in zip(kept, truth, strict=True))
    return 2 * hits / max(1, sum(map(len, kept)) + sum(map(len, truth)))


def measure(trio: Trio, seed: int, count: int) -> Figures:
    """All figures, on `count` scenes of a seed."""
    sample = sample_from_seed(seed, count)
    withheld = withheld_sample(seed, max(10, count // 5))
    verdicts = verdicts_on(write_captions(trio.blip, withheld.pictures, CAPTION_SETTINGS), withheld.scenes)
    return {
        **caption_figures(trio.blip, sample),
        **cut_figures(trio.blip, sample),
        **clip_figures(trio.clip, sample),
        **tagger_figures(trio.wd14, sample),
        **decoding_figures(trio.blip, sample[:DECODING_COUNT]),
        "withheld_captions_nouns_and_colours": _share(v.nouns_and_colours_are_right for v in verdicts),
        "withheld_clip_colour_noun": pair_accuracy(
            trio.clip.tag(inputs(withheld.pictures), ClipSettings()), withheld.scenes
        ),
    }


def missed_goals(figures: Figures) -> list[str]:
    """The figures below what they must reach."""
    return [name for name, goal in GOALS.items() if figures[name] < goal.must]


def as_table(figures: Figures) -> str:
    """The figures in lines of a Markdown table, with what they must and should reach."""
    lines = ["| figure | value | must | aim |", "|---|---|---|---|"]
    for name, value in figures.items():
        goal = GOALS.get(name)
        limits = f"{goal.must:.2f} | {goal.aim:.2f}" if goal else "|"
        shown = f"{value:.1f}" if name.endswith("words") else f"{value:.3f}"
        lines.append(f"| {name.replace('_', ' ')} | {shown} | {limits} |")
    return "\n".join(lines)


def _share(values: Iterable[bool]) -> float:
    return _mean(float(value) for value in values)


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return float(np.mean(kept)) if kept else 0.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.evaluate", description="Measure the demo models.")
    parser.add_argument("--seed", type=int, required=True, help="of the pictures; training never uses it")
    parser.add_argument("--count", type=int, default=500, help="how many pictures (default 500)")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder with the three models")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    figures = measure(Trio.load(options.models), options.seed, options.count)
    print(as_table(figures))
    missed = missed_goals(figures)
    print(f"missed: {', '.join(missed) or 'none'}")
    if options.json:
        result: dict[str, Any] = {"seed": options.seed, "count": options.count, "figures": figures, "missed": missed}
        print(json.dumps(result))


if __name__ == "__main__":
    main()
