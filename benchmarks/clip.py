"""CLIP interrogation against the package clip-interrogator, with one model object, in one process.

    python -m benchmarks.clip [--json] [--architecture ViT-L-14-quickgelu] [--device cpu|cuda] [--candidates 512]
        [--threads N] [--cpu-time]

The weights are random, so no words are right; both sides rank, embed and chain the same labels and must agree. The
peer's full run takes minutes on a CPU: a chain of four steps encodes 2,048 texts of 77 tokens.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from benchmarks.report import Row, show, timed
from captioner.contract import inputs
from captioner.models.cards import put_on
from taggers import vocabularies
from taggers.clip import STORED_LABELS, ClipSettings, ClipTagger, prompts
from taggers.clip.labels import LabelCache
from taggers.clip.prompts import Scored
from taggers.clip.ranking import Labels
from taggers.vocabularies import Vocabulary

CAPTION = "a woman in a red coat standing on a bridge over a river at night with a lantern in her hand"
TOLERANCE = 2e-3  # of similarities and of embeddings: both sides keep them as float16


def compare(
    model: Any,
    preprocess: Callable[[Image.Image], torch.Tensor],
    tokenizer: Any,
    words: Mapping[str, Vocabulary],
    *,
    candidates: int = 512,
    steps: int = 4,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Row]:
    """The rows, one by one as they are measured.

    Args: words: the public vocabularies; the package builds its tables of exactly these. clock: as `report.timed`.
    """
    numbers = random.Random(0)
    flavors = [label for label in dict.fromkeys(words["flavors"].labels) if label]
    sample = numbers.sample(flavors, min(candidates, len(flavors)))
    picture = Image.effect_mandelbrot((320, 240), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    device = str(next(model.parameters()).device)

    with tempfile.TemporaryDirectory() as folder:
        tagger = ClipTagger(model, preprocess, tokenizer, words, device=device, revision="benchmark")
        tagger._cache = LabelCache("benchmark", Path(folder))
        width = int(model.encode_text(tokenizer(["x"]).to(device)).shape[1])
        generator = np.random.default_rng(0)
        for vocabulary in words.values():
            rows = generator.standard_normal((len(vocabulary.labels), width), dtype=np.float32)
            tagger._cache.keep(vocabulary, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16))
        tagger.prepare(ClipSettings())
        package = interrogator_of(tagger, Path(folder) / "package")
    (features,) = tagger._features(inputs([picture]))
    scorer = tagger._scorer(tagger._rankable(ClipSettings()), features)
    encoder = tagger._label_encoder()
    encoder.embed(encoder.tokenize(sample[:8]))  # makes the text tower

    texts = [f"{CAPTION}, {label}" for label in sample]
    ours, similarities = timed(lambda: scorer.similarities(texts), 2, clock)
    peer, winner = timed(lambda: package.rank_top(features, texts), clock=clock)
    found = similarities[texts.index(winner)]
    yield Row("chain_step", ours, "s", peer, found > max(similarities) - TOLERANCE / 10)

    ours, embeds = timed(lambda: encoder.embed(encoder.tokenize(sample)), 2, clock)
    peer, embedded = timed(lambda: _table(package, sample), clock=clock)
    distance = float(np.abs(embeds.astype(np.float32) - np.stack(embedded.embeds).astype(np.float32)).max())
    yield Row("embed_labels", ours, "s", peer, distance < TOLERANCE)

    everything = tagger._rankable(ClipSettings())[0]
    table = next(table for table in everything.tables if table.vocabulary.kind == "flavors")
    only = Labels([replace(table, start=0, end=table.end - table.start)], everything.matrix[table.start : table.end])

    def rank() -> list[Scored]:  # making a scorer computes all similarities
        return tagger._scorer([only], features).top("flavors", STORED_LABELS)

    ours, tops = timed(rank, 5, clock)
    peer, names = timed(lambda: package.flavors.rank(features, STORED_LABELS), 5, clock)
    yield Row("rank_labels", ours, "s", peer, [label for label, _ in tops] == names)

    start = scorer.similarities([CAPTION])[0]
    bounds = {"min_count": steps, "max_count": steps}
    ours, prompt = timed(lambda: prompts.package_chain(scorer, sample, CAPTION, start, **bounds), clock=clock)
    peer, text = timed(lambda: package.chain(features, sample, CAPTION, start, **bounds), clock=clock)
    yield Row("chain", ours, "s", peer, prompt.text == text)


def lively_model(architecture: str, device: str = "cpu") -> tuple[Any, Any, Any]:
    """open_clip's model with random weights strong enough that texts differ, its preprocessing and its tokenizer.

    On a device, in the precision that the app gives it there.
    """
    import open_clip

    logging.disable(logging.WARNING)  # it warns of random weights, which are meant
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(
        architecture, precision="fp16" if device.startswith("cuda") else "fp32", device="cpu"
    )
    logging.disable(logging.NOTSET)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "positional" in name or "token_embedding" in name:
                value.mul_(20)
    return put_on(model.eval().requires_grad_(False), device), preprocess, open_clip.get_tokenizer(architecture)


def interrogator_of(tagger: ClipTagger, folder: Path) -> Any:
    """The package's interrogator on the tagger's model, with our vocabularies and their embeddings as its cache."""
    import clip_interrogator
    from safetensors.numpy import save_file

    data, cache = folder / "data", folder / "cache"
    data.mkdir(parents=True)
    cache.mkdir()
    words = tagger.vocabularies
    half = len(words["artists"].labels) // 2  # the package writes "by" and "inspired by" before each name itself
    lists = {kind: words[kind].labels for kind in ("flavors", "mediums", "movements")}
    lists |= {"artists": tuple(name.removeprefix("by ") for name in words["artists"].labels[:half]), "negative": ("x",)}
    for name, labels in lists.items():
        (data / f"{name}.txt").write_text("\n".join(labels), encoding="utf-8")
    for kind, vocabulary in words.items():
        embeds = tagger._cache.load(vocabulary)
        digest = np.frombuffer(vocabulary.digest.encode("ascii"), np.int8)
        save_file({"embeds": embeds, "hash": digest}, cache / f"ViT-L-14_openai_{kind}.safetensors")
    config = clip_interrogator.Config(
        caption_model_name=None,
        data_path=str(data),
        cache_path=str(cache),
        download_cache=False,
        device=tagger.device,
        quiet=True,
    )
    config.clip_model, config.clip_preprocess = tagger._model, tagger._preprocess
    return clip_interrogator.Interrogator(config)


def _table(package: Any, labels: Sequence[str]) -> Any:
    from clip_interrogator.clip_interrogator import LabelTable

    return LabelTable(list(labels), None, package)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses torch's former name for autocast
        yield


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clip", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--architecture", default="ViT-L-14-quickgelu", help="an open_clip architecture")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--candidates", type=int, default=512, help="texts a step and labels embedded")
    parser.add_argument("--threads", type=int, help="of torch and numpy; default: their own choice")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds: for a machine that others use too")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        threadpool_limits(arguments.threads)  # of numpy too
    model, preprocess, tokenizer = lively_model(arguments.architecture, arguments.device)
    words = {kind: vocabularies.public(kind) for kind in vocabularies.KINDS}
    with quiet():
        clock = time.process_time if arguments.cpu_time else time.perf_counter
        rows = list(compare(model, preprocess, tokenizer, words, candidates=arguments.candidates, clock=clock))
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
