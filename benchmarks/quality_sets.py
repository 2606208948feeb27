"""The captions of scenes of known truth that `quality` judges, and how they are scored. Draws, captions, scores.

The scenes' seeds were used for nothing else: no constant was chosen on them.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image, Resampling
from safetensors.torch import load_file, save_file

from benchmarks.falsify import KINDS, PERSON_KINDS, falsified, retyped
from benchmarks.statements import Statement, statements, word_truth
from captioner.captions.words import bare, spans, tag_probabilities
from captioner.contract import PictureInput, inputs
from captioner.lab.scores import CaptionScore, near_rivals, score_caption, weights_for
from captioner.models.blip import BlipCaptioner, SamplingSettings
from captioner.models.sources import DEMO_FOLDER
from captioner.readings import CaptionReading, Opinion
from demo.drawing import draw
from demo.grammar import word
from demo.scene import Scene
from demo.scenes import scene_from_seed
from taggers.clip import ClipTagger
from taggers.wd14 import Wd14Settings, Wd14Tagger

PAIR_SEED, OWN_SEED, SAMPLE_SEED, TRUTH_SEED, LENGTH_SEED = 947_001, 947_002, 947_003, 947_004, 947_005
EDGE_PX = 256
VARIANTS = ("clip", "tags")
"""BLIP with CLIP, and both with a tagger."""

LONG = SamplingSettings(num_beams=3, max_length=60)
LENGTHS = (5, 10, 15, 22, 30, 40)
OWN_WAYS: dict[str, SamplingSettings] = {
    "nucleus": LONG.replaced(method="nucleus", top_k=0, top_p=1.0),
    "hot": LONG.replaced(method="nucleus", top_k=0, top_p=1.0, temperature=1.5),
    "beam40": LONG.replaced(min_length=40),
    "q14": LONG.replaced(num_beams=4, min_length=30, repetition_penalty=1.4),
    "blur": LONG,
    "weak": LONG,
}
"""Ways in which the demo captioner is often wrong: by chance, made to say too much, on a blurred picture, weakened."""

_BLUR_PX = 24
_WEAKENED_BY = 0.5  # of each weight matrix's own spread; it is then wrong and sure of it
_BACKGROUND = 32

Scores = dict[str, list[CaptionScore]]


@dataclass(frozen=True)
class Judged:
    """A caption with its truth. truth: for each word true, false, or None where it states nothing."""

    scene: Scene
    text: str
    truth: tuple[bool | None, ...]
    scores: dict[str, CaptionScore]

    @property
    def is_false(self) -> bool:
        """Whether anything in it is false."""
        return False in self.truth

    def truth_at(self, start: int) -> bool | None:
        """Of the word that begins there."""
        return next(true for span, true in zip(spans(self.text), self.truth, strict=True) if span.start == start)


class Judges:
    """The demo models, and a captioner that may be a weakened one."""

    def __init__(self, folder: Path = DEMO_FOLDER, captioner: Path | None = None) -> None:
        self.blip = BlipCaptioner.load(captioner or folder / "blip-demo", device="cpu")
        self.clip = ClipTagger.load(folder / "clip-demo", device="cpu")
        self.wd14 = Wd14Tagger.load(folder / "wd14-demo", device="cpu")
        self.weights = weights_for("blip-demo", "clip-demo")

    def background_of(self, pictures: Sequence[Image]) -> tuple[Any, Any]:
        """BLIP's and CLIP's, of the first pictures of a set, which come in no order."""
        shown = inputs(pictures[:_BACKGROUND])
        return self.blip.background_of(shown), self.clip.background_of(shown)

    def heard(
        self, picture: Image, captions: Sequence[str], background: tuple[Any, Any]
    ) -> tuple[list[CaptionReading], dict[str, dict[str, Opinion]]]:
        """What BLIP and CLIP say of captions of a picture, each once."""
        shown = PictureInput(picture)
        readings = self.blip.read(shown, list(dict.fromkeys(captions)), background[0])
        near = {reading.text: near_rivals(reading, self.weights) for reading in readings}
        return readings, self.clip.opinions(shown, near, background[1])

    def score(
        self, picture: Image, captions: Sequence[str], background: tuple[Any, Any], *, is_edit: bool = False
    ) -> Scores:
        """Each variant's scores of captions of a picture."""
        shown = PictureInput(picture)
        readings, opinions = self.heard(picture, captions, background)
        (tags,) = self.wd14.tag([shown], Wd14Settings())
        by_tag = {tag.name: tag.score for tag in tags}
        found: dict[str, dict[str, CaptionScore]] = {variant: {} for variant in VARIANTS}
        for reading in readings:
            spelt = tag_probabilities([one.text for one in reading.words], by_tag, self.wd14.known_tags)
            for variant, given in (("clip", ()), ("tags", spelt)):
                found[variant][reading.text] = score_caption(
                    reading, opinions[reading.text], given, is_edit=is_edit, weights=self.weights
                )
        return {variant: [found[variant][caption] for caption in captions] for variant in VARIANTS}

    def judge(
        self,
        scene: Scene,
        picture: Image,
        captions: Sequence[str],
        background: tuple[Any, Any],
        *,
        is_edit: bool = False,
    ) -> list[Judged]:
        """Captions of a scene with truth and scores."""
        scores = self.score(picture, captions, background, is_edit=is_edit)
        return [
            Judged(
                scene,
                text,
                tuple(word_truth(statements(text, scene), len(text.split()))),
                {variant: scores[variant][number] for variant in VARIANTS},
            )
            for number, text in enumerate(captions)
        ]


def scenes_of(seed: int, count: int) -> tuple[list[Scene], list[Image]]:
    """Scenes and their pictures."""
    scenes = [scene_from_seed(seed, number) for number in range(count)]
    return scenes, [draw(scene, EDGE_PX) for scene in scenes]


@dataclass(frozen=True)
class Pair:
    """A true caption and the same made false. kind: in which way."""

    kind: str
    true: Judged
    false: Judged


def pairs(judges: Judges, count: int) -> Iterator[tuple[str, Pair]]:
    """ "grammar" or "person" with a pair, for so many scenes: captions of the grammar, and retyped as by a person."""
    scenes, pictures = scenes_of(PAIR_SEED, count)
    background = judges.background_of(pictures)
    for number, (scene, picture) in enumerate(zip(scenes, pictures, strict=True)):
        rng = random.Random(f"{PAIR_SEED} {number}")
        for length in ("usual", "long"):
            true = word(scene, rng, length, is_continuation=True)
            false = {kind: text for kind in KINDS if (text := falsified(true, scene, kind, rng))}
            seen = judges.judge(scene, picture, [true, *false.values()], background)
            for kind, one in zip(false, seen[1:], strict=True):
                yield "grammar", Pair(kind, seen[0], one)
            kinds = [kind for kind in PERSON_KINDS if kind in false]
            kind = rng.choice(kinds)
            way = rng.randrange(2**31)
            typed = [retyped(text, random.Random(way)) for text in (true, false[kind])]
            seen = judges.judge(scene, picture, typed, background, is_edit=True)
            if not seen[0].is_false and seen[1].is_false:
                yield "person", Pair(kind, seen[0], seen[1])


def weakened(folder: Path, to: Path) -> Path:
    """A copy of a captioner with noise on its decoder's weights. Returns: the copy's folder."""
    shutil.copytree(folder, to)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name in sorted(weights):
        if name.startswith("text_decoder.") and weights[name].ndim == 2:
            value = weights[name].float()
            noise = torch.randn(value.shape, generator=generator) * value.std() * _WEAKENED_BY
            weights[name] = (value + noise).to(weights[name].dtype)
    save_file(weights, to / "model.safetensors", {"format": "pt"})
    return to


def own_captions(judges: Judges, weak: Judges, count: int) -> Iterator[tuple[str, list[Judged]]]:
    """For each of `OWN_WAYS` the captions that the captioner makes of so many scenes, judged by itself."""
    scenes, pictures = scenes_of(OWN_SEED, count)
    for way, settings in OWN_WAYS.items():
        who = weak if way == "weak" else judges
        shown = pictures
        if way == "blur":
            shown = [
                one.resize((_BLUR_PX, _BLUR_PX), Resampling.BICUBIC).resize(one.size, Resampling.BICUBIC)
                for one in pictures
            ]
        background = who.background_of(shown)
        found = []
        for number, (scene, picture) in enumerate(zip(scenes, shown, strict=True)):
            (said,) = who.blip.caption(inputs([picture]), _with_seed(settings, number))
            (one,) = who.judge(scene, picture, [said.text], background)
            found.append(_without_style(one) if way == "blur" else one)
        yield way, found


def _with_seed(settings: SamplingSettings, number: int) -> SamplingSettings:
    return settings.replaced(seed=number) if settings.method == "nucleus" else settings


def _without_style(one: Judged) -> Judged:
    """A blurred picture does look grainy, so what is said of its style is not judged."""
    said = [statement for statement in statements(one.text, one.scene) if statement.kind != "style"]
    return Judged(one.scene, one.text, tuple(word_truth(said, len(one.truth))), one.scores)


def counts(text: str, scene: Scene) -> tuple[int, int]:
    """How many true and false statements a caption makes; what it says twice counts once, a style in two words too."""
    words = [bare(one) for one in text.split()]
    said = {
        (one.kind, one.is_true, "" if one.kind in ("style", "background") and one.is_true else _said(one, words))
        for one in statements(text, scene)
    }
    return sum(is_true for _, is_true, _ in said), sum(not is_true for _, is_true, _ in said)


def _said(one: Statement, words: Sequence[str]) -> str:
    """The words of a statement; those of a thing with the place of it, since two things may be red."""
    own = " ".join(words[place] for place in one.words)
    return own if one.kind in ("style", "background") else f"{own} {one.words[0]}"
