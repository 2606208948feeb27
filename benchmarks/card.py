"""What a card takes at least for BLIP's steps, and what is measured on one. Knows no benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from captioner.models.blip import SamplingSettings, loading
from captioner.models.blip.decoder import BlipDecoder
from captioner.models.blip.graphs import Recorder
from captioner.models.blip.search import rows_each
from captioner.models.cards import put_on


def in_fp32(folder: Path, device: str) -> BlipDecoder:
    """A folder's BLIP in full precision, on a card too, where tokens can be compared; fp16 rounds by a batch's size."""
    with loading.quiet():
        model, pictures, tokenizer = loading.load(folder, torch.float32)
        return BlipDecoder(put_on(model, device), pictures, tokenizer, "fp32")


def steps_of(decoder: BlipDecoder, encodings: Sequence[Any], settings: SamplingSettings) -> int:
    """How many steps one call takes: the prompt, then one for each further token."""
    rows, before = len(encodings) * rows_each(settings), decoder.asked_tokens
    decoder.decode(encodings, settings)
    return 1 + (decoder.asked_tokens - before) // rows - len(decoder.prompt_ids(settings.prompt))


def bytes_a_step(decoder: BlipDecoder, pictures: int) -> int:
    """What a step reads at least: the weights but those for pictures' keys, and those keys and values."""
    config = decoder._model.config.text_config
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    image_tokens = decoder._model.vision_model.embeddings.num_positions
    weights = layers * (6 * width**2 + 2 * width * inner) + width**2 + config.vocab_size * width
    keys = 2 * layers * width * image_tokens * pictures
    return int((weights + keys) * decoder._model.dtype.itemsize)


def bytes_a_second(device: str) -> float:
    """How fast a card copies 512 MB, reading and writing counted."""
    source = torch.empty(2**28, dtype=torch.float16, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / (1e-3 * event_ms(lambda: target.copy_(source), 10))


def event_ms(work: Callable[[], object], rounds: int) -> float:
    """What some work takes on the card itself, the mean of many rounds by its own clock."""
    for _ in range(3):
        work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(rounds):
        work()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / rounds


class CountingRecorder:
    """As the recorder within; notes how long each recording takes. Without one, steps are run and counted only."""

    def __init__(self, within: Recorder | None) -> None:
        self.times_s: list[float] = []
        self._within = within

    def record(self, run: Callable[[], torch.Tensor], device: torch.device) -> tuple[Callable[[], torch.Tensor], int]:
        """As `Recorder.record`."""
        start = time.perf_counter()
        made = (run, 0) if self._within is None else self._within.record(run, device)
        self.times_s.append(time.perf_counter() - start)
        return made

    def forget(self) -> None:
        """As `Recorder.forget`."""
        if self._within is not None:
            self._within.forget()
