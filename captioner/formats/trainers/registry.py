"""Every export target, by its names. A further trainer is one file with a `Target` and one line here."""

from __future__ import annotations

import difflib

from captioner.errors import ExportError
from captioner.formats.trainers.ai_toolkit import AiToolkit
from captioner.formats.trainers.diffsynth import DiffSynth
from captioner.formats.trainers.diffusers import Diffusers
from captioner.formats.trainers.diffusion_pipe import DiffusionPipe
from captioner.formats.trainers.everydream2 import EveryDream2
from captioner.formats.trainers.file_names import FileName, JoePenna
from captioner.formats.trainers.kohya import Kohya
from captioner.formats.trainers.lists import Csv, Jsonl, KohyaJson, Parquet
from captioner.formats.trainers.musubi import Musubi
from captioner.formats.trainers.onetrainer import OneTrainer
from captioner.formats.trainers.simpletuner import SimpleTuner
from captioner.formats.trainers.target import Target
from captioner.formats.trainers.webdataset import WebDataset

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Kohya(),
        Musubi(),
        AiToolkit(),
        OneTrainer(),
        SimpleTuner(),
        DiffusionPipe(),
        EveryDream2(),
        Diffusers(),
        DiffSynth(),
        WebDataset(),
        JoePenna(),
        FileName(),
        Csv(),
        Jsonl(),
        KohyaJson(),
        Parquet(),
    )
}
"""Targets by name; caption files beside pictures (txt, caption) are `sidecars.WRITERS`."""


def find_target(name: str, *, others: tuple[str, ...] = ()) -> Target:
    """The target of a name or of one of its other names, whatever the case.

    Args: others: names that are no targets and may be meant. Raises: ExportError: unknown; names the nearest.
    """
    names = {word: target for target in TARGETS.values() for word in (target.name, *target.other_names)}
    key = name.strip().lower()
    if key in names:
        return names[key]
    close = difflib.get_close_matches(key, [*others, *names], n=1)
    advice = f"did you mean {close[0]}?" if close else f"the formats are {', '.join([*others, *TARGETS])}."
    raise ExportError(f"{name!r} is no export format; {advice}", code="unknown_format")
