"""What people run today for captions and tags, as `benchmarks.job` compares with it: one picture after the other.

Transformers' generate, the package clip-interrogator and onnxruntime, each as its own documentation shows it, with
pictures opened by Pillow and a .txt written beside. Nothing of ours works for it but label embeddings, of which the
package has a cache too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import blip, clip, wd14
from captioner.models.blip import SamplingSettings
from captioner.models.weights import fingerprint
from captioner.pipeline import Captioned
from taggers import vocabularies
from taggers.clip import loading
from taggers.clip.labels import LabelCache

_FITS = 1e-3


@dataclass(frozen=True)
class Said:
    """What was said about a picture. tags: name -> score of every tag. None: nothing of this kind was asked for."""

    sentence: str
    flavors: list[str] | None
    tags: dict[str, float] | None


def caption_files(paths: Sequence[Path], settings: Mapping[str, Any], models: Path, out: Path) -> Iterator[Said]:
    """A caption file a picture, one by one.

    Args: settings: flat, as ours. models: a folder with a subfolder a model.
    """
    out.mkdir(parents=True, exist_ok=True)
    captioner = blip.Transformers(models / settings["captioner"], "cpu")
    sampling = SamplingSettings.from_mapping({f.name: settings[f.name] for f in SamplingSettings.fields()})
    interrogator = _interrogator(models / settings["clip"], out) if settings["clip"] else None
    tagger = wd14.Peer(models / settings["wd14"], "CPUExecutionProvider") if settings["wd14"] else None
    for path in paths:
        with Image.open(path) as file:
            image = file.convert("RGB")
        sentence = _text(captioner, captioner.tokens(image, sampling), sampling.prompt)
        flavors = None
        if interrogator is not None:
            with clip.quiet():
                features = interrogator.image_to_features(image)
                flavors = interrogator.flavors.rank(features, settings["flavors"])
        tags = None if tagger is None else tagger.tag(image)
        kept = [name for name, score in (tags or {}).items() if score >= settings["general_threshold"]]
        (out / f"{path.stem}.txt").write_text(", ".join([sentence, *(flavors or []), *kept]), encoding="utf-8")
        yield Said(sentence, flavors, tags)


def _text(captioner: blip.Transformers, tokens: list[int], prompt: str) -> str:
    """Without the prompt, which is cut off by its length, as the original BLIP does."""
    whole = captioner.processor.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=True)
    return str(whole[len(prompt) :]).strip()


def agree(ours: Captioned, theirs: Said) -> bool:
    """Whether a picture's layers say what they say: the sentence, the flavors in order, the scores of all tags."""
    layers = {layer.family: layer for layer in ours.layers}
    sentence = layers["blip"].sentence
    equal = sentence is not None and sentence.text == theirs.sentence
    if theirs.flavors is not None:
        flavors = [tag.name for tag in layers["clip"].tags or () if tag.category == "flavors"]
        equal = equal and flavors[: len(theirs.flavors)] == theirs.flavors
    if theirs.tags is not None:
        scores = {tag.name: tag.score for tag in layers["wd14"].tags or ()}
        kept = {name for name, score in theirs.tags.items() if score >= 0.011}
        equal = equal and kept <= scores.keys()
        equal = equal and all(abs(scores[name] - theirs.tags[name]) < _FITS for name in scores)
    return equal


@contextmanager
def labels_embedded(models: Path, cache: Path) -> Iterator[None]:
    """Have random label embeddings in a cache of its own for every CLIP in a folder of models: real ones take a CPU
    half an hour, once, on either side."""
    for weights in models.glob(f"*/{loading.WEIGHTS}"):
        labels = LabelCache(fingerprint(weights), cache)
        for number, (vocabulary, rows) in enumerate(_embeddings(weights.parent)):
            if labels.missing(vocabulary):
                labels.keep(vocabulary, rows(number))
    before = os.environ.get("CAPTIONER_CACHE")
    os.environ["CAPTIONER_CACHE"] = str(cache)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CAPTIONER_CACHE"]
        else:
            os.environ["CAPTIONER_CACHE"] = before


def _embeddings(folder: Path) -> Iterator[tuple[vocabularies.Vocabulary, Any]]:
    for vocabulary in vocabularies.for_model(folder).values():
        count = len(vocabulary.labels)

        def rows(seed: int, count: int = count) -> Any:
            found = np.random.default_rng(seed).standard_normal((count, _width(folder)), dtype=np.float32)
            return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)

        yield vocabulary, rows


def _width(folder: Path) -> int:
    return int(loading.read_config(folder)["model_cfg"]["embed_dim"])


def _interrogator(folder: Path, work: Path) -> Any:
    """The package on a model of its own, with the labels and embeddings that ours ranks."""
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    held = SimpleNamespace(
        _model=model.eval().requires_grad_(False),
        _preprocess=preprocess,
        _cache=LabelCache(fingerprint(folder / loading.WEIGHTS)),
        vocabularies=vocabularies.for_model(folder),
        device="cpu",
    )
    with clip.quiet():
        return clip.interrogator_of(held, work / "package")
