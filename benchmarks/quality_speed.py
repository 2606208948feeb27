"""How long reading a finished 5 x 5 sweep takes with full-size models on one core, beside the sweep itself.

BLIP base and CLIP ViT-L have random weights, which take as long as trained ones but find every word as likely as
another; so as many rivals are tried in their sentences, and shown to CLIP, as the demo models' sweeps have on average.
Picture and background were looked at by BLIP for the sweep; CLIP looks at the picture for the first time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.clip import lively_model
from benchmarks.full_size import picture, save_full_size_blip
from benchmarks.quality_sets import LENGTH_SEED, Judges, scenes_of
from benchmarks.report import timed
from captioner.contract import inputs
from captioner.lab.scores import Weights, near_rivals
from captioner.models.blip import BlipCaptioner, SamplingSettings, reading
from captioner.models.blip.reading import Reader
from captioner.readings import CaptionReading
from taggers.clip import ClipTagger

Seconds = Callable[[Callable[[], Any]], tuple[float, Any]]
DEMO_PICTURES = 4


def full_size_seconds(
    sweep: Sequence[SamplingSettings], *, size: str = "ViT-L-14-quickgelu"
) -> Iterator[tuple[str, float]]:
    """Names and values, seconds of the processor; the last is the share that reading takes of the sweep's own time."""
    seconds: Seconds = partial(timed, clock=time.process_time)
    judges = Judges()
    tried, near = _demo_shares(judges, sweep)
    yield "full_size_tried", tried
    yield "full_size_near", near
    del judges
    with tempfile.TemporaryDirectory() as folder:
        blip = BlipCaptioner.load(save_full_size_blip(Path(folder) / "blip-base"), device="cpu")
    model, preprocess, tokenizer = lively_model(size)
    clip = ClipTagger(model, preprocess, tokenizer, {}, device="cpu", revision="benchmark")
    first, shown = inputs([picture(number) for number in range(2)])
    background = blip.background_of([first])
    clip_background = clip.background_of([first])
    blip.read(first, ["a picture"], background)  # the background's keys are made once a set
    clip.opinions(first, {"a picture": ["a word"]})  # so is the text tower

    swept, said = seconds(lambda: blip.caption_grid(shown, sweep))
    texts = list(dict.fromkeys(sentence.text for sentence in said))
    with _trying(tried) as spent:
        read, readings = seconds(lambda: blip.read(shown, texts, background))
    rivals = _nearest(readings, near)
    looked, _ = seconds(lambda: clip.background_of([shown]))
    compared, _ = seconds(lambda: clip.opinions(shown, rivals, clip_background))
    yield "full_size_sweep_s", swept
    yield "full_size_read_s", read
    yield "full_size_read_trials_s", sum(spent)
    yield "full_size_clip_picture_s", looked
    yield "full_size_clip_texts_s", compared
    yield "full_size_captions", len(texts)
    yield "full_size_words", sum(len(text.split()) for text in texts)
    yield "full_size_texts", sum(map(len, rivals.values()))
    yield "full_size_share", (read + looked + compared) / swept


def _demo_shares(judges: Judges, sweep: Sequence[SamplingSettings]) -> tuple[float, float]:
    """Of the rivals in sweeps of the demo models: the share that is tried, and the share that real models' CLIP is
    asked about.
    """
    _, pictures = scenes_of(LENGTH_SEED, DEMO_PICTURES)
    background = judges.background_of(pictures)
    tried, rivals, near = [], 0, 0
    plain = Reader._try_rivals

    def counted(self: Reader, read: Any, *others: Any) -> None:
        tried.extend(draft.gain > reading.TRIED_FROM for one in read for draft in one.drafts)
        plain(self, read, *others)

    with mock.patch.object(Reader, "_try_rivals", counted):
        for shown in inputs(pictures):
            texts = list(dict.fromkeys(one.text for one in judges.blip.caption_grid(shown, sweep)))
            for one in judges.blip.read(shown, texts, background[0]):
                rivals += sum(len(word.rivals) for word in one.words)
                near += len(near_rivals(one, Weights()))
    return sum(tried) / len(tried), near / rivals


@contextmanager
def _trying(share: float) -> Iterator[list[float]]:
    """Let so many of the rivals be tried, the likeliest. Yields: the seconds that trials took."""
    plain, spent = Reader._try_rivals, list[float]()

    def some(self: Reader, read: Any, *others: Any) -> None:
        gains = [draft.gain for one in read for draft in one.drafts]
        with mock.patch.object(reading, "TRIED_FROM", float(np.quantile(gains, 1 - share))):
            spent.append(timed(lambda: plain(self, read, *others), clock=time.process_time)[0])

    with mock.patch.object(Reader, "_try_rivals", some):
        yield spent


def _nearest(readings: Sequence[CaptionReading], share: float) -> dict[str, list[str]]:
    """Of each caption the rivals that CLIP is asked about, so many of all."""
    gains = [rival.gain for one in readings for word in one.words for rival in word.rivals]
    weights = Weights(near=-float(np.quantile(gains, 1 - share)))
    return {one.text: near_rivals(one, weights) for one in readings}
