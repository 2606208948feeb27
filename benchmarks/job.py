"""Whole jobs, from a folder of photos to caption files, beside what people run today, in one process and in turn.

    python -m benchmarks.job [--json] [--rows everydream_job,...] [--pictures 12] [--folder KEPT]

Full-size models with random weights (`full_size`), photos of 2 to 12 megapixels as JPEG. Loading counts on both sides,
torch has one thread (`--threads`), and onnxruntime on both sides the cores that there are. The rows:

    everydream_job        BLIP base, preset everydream-beam (16 beams, 22 to 48 tokens); transformers' generate on one
                          picture after the other, opened by Pillow. Goal: 4.5 times as fast
    smart_preprocess_job  BLIP large (8 beams, 30 to 50), CLIP's 4 best flavors, WD14; transformers, the package
                          clip-interrogator, onnxruntime one by one. Goal: 4
    lora_job              BLIP base, preset blip-paper (3 beams, 5 to 20), WD14; transformers and onnxruntime.
                          Goal: 2.5. WD14's network alone is the same on both sides
    model_waits           seconds a picture of 12 megapixels with a model that takes 50 ms and no processor, as on a
                          card; as peer, what two threads need that do nothing but open and preprocess, or those 50 ms
                          where that is more. Goal: a ratio of 0.9, or 5 % of `model_waits_share`
    first_caption         from the command to its first caption (`first_caption`); transformers alone

Beside a job its `_rate` is pictures a minute, `_next` the seconds of each picture after the first one, in which no side
loads any more, `_waited` the share of ours after loading in which no model worked, and `_limit` the seconds that ours
would take if all cores had been busy all the time, which no other order of its work can go below. Sentences and tags of
both sides are compared. With one thread a model and two cores, ours has models that do not read each other and parts of
a batch worked on side by side.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from threadpoolctl import threadpool_limits
from transformers import BlipImageProcessor
from transformers.utils import logging

from benchmarks import first_caption, peers
from benchmarks.full_size import picture, save_full_size_blip, save_full_size_clip
from benchmarks.report import Row, show
from benchmarks.wd14 import export
from captioner import images
from captioner.captions.plan import Plan
from captioner.cli.picture_sources import sources_of
from captioner.cli.pictures import NamedPicture
from captioner.contract import Captioner, ModelSpec, ModelUser, PictureInput
from captioner.models.blip import SamplingSettings
from captioner.models.manager import ModelManager
from captioner.pipeline import Captioned, PictureSource, batch_size_on, caption_pictures
from captioner.records import Sentence
from captioner.side_by_side import usable_cores

Result = TypeVar("Result")

SIZES = ((4000, 3000), (1920, 1080), (3000, 4000), (2560, 1920))
STEP_S = 0.05
CARD_SIZE = (4000, 3000)
BLIP_BASE, BLIP_LARGE, CLIP, WD14 = "blip-base", "blip-large", "clip-v1", "wd-vit-tagger-v3"

DRAWN_ONCE = {"redraws": 0}
"""Random weights go round in circles now and then; ours would take the next best sentence, which no peer does."""


@dataclass(frozen=True)
class Job:
    """One of the jobs. settings: of ours, as the command line has them. families: whose answers are compared."""

    name: str
    settings: Mapping[str, Any]

    @property
    def models(self) -> tuple[str, ...]:
        """The folders it needs."""
        return tuple(str(self.settings[key]) for key in ("captioner", "clip", "wd14") if key in self.settings)


JOBS = (
    Job("everydream_job", {"captioner": BLIP_BASE, "preset": "everydream-beam", **DRAWN_ONCE}),
    Job(
        "smart_preprocess_job",
        {
            "captioner": BLIP_LARGE,
            "num_beams": 8,
            "min_length": 30,
            "max_length": 50,
            "whole_phrases": False,
            **DRAWN_ONCE,
            "clip": CLIP,
            "flavors": 4,
            "mediums": 0,
            "movements": 0,
            "artists": 0,
            "trendings": 0,
            "wd14": WD14,
        },
    ),
    Job("lora_job", {"captioner": BLIP_BASE, "preset": "blip-paper", "wd14": WD14, **DRAWN_ONCE}),
)
ROWS = (*(job.name for job in JOBS), "model_waits", "first_caption")


def save_models(root: Path, names: Sequence[str]) -> None:
    """Those of the models that are not there yet: 0.9, 1.9, 1.7 and 0.4 GB."""
    makers: dict[str, Callable[[Path], object]] = {
        BLIP_BASE: save_full_size_blip,
        BLIP_LARGE: partial(save_full_size_blip, size="large"),
        CLIP: save_full_size_clip,
        WD14: partial(export, architecture="vit_base_patch16_224"),
    }
    for name in names:
        folder = root / name
        if not folder.is_dir():
            unfinished = root / f"{name}.part"
            unfinished.mkdir(parents=True, exist_ok=True)
            makers[name](unfinished)
            unfinished.rename(folder)


def save_photos(folder: Path, count: int, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Path]:
    """JPEGs of a camera's sizes, each of another content."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        picture(number, *sizes[number % len(sizes)]).save(path, quality=92)
    return paths


@dataclass
class Watched:
    """A manager that notes when models are at work. spans: which, begin and end of each use, seconds."""

    manager: ModelUser
    spans: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def budget_bytes(self) -> int | None:
        return self.manager.budget_bytes

    @contextmanager
    def use(self, name: str, family: str) -> Iterator[Any]:
        """As the manager's; loading is not counted as work."""
        with self.manager.use(name, family) as model:
            begin_s = time.perf_counter()
            try:
                yield model
            finally:
                self.spans.append((family, begin_s, time.perf_counter()))

    def to_download(self, name: str, family: str) -> ModelSpec | None:
        return self.manager.to_download(name, family)

    def fetch_steps(self, spec: ModelSpec) -> Iterator[tuple[int, int]]:
        return self.manager.fetch_steps(spec)

    def waited(self) -> float:
        """The share of the time in which no model worked, from when all are loaded to the last one's end."""
        first_by_model: dict[str, float] = {}
        for family, begin_s, _ in self.spans:
            first_by_model[family] = min(begin_s, first_by_model.get(family, begin_s))
        loaded_s = until_s = max(first_by_model.values())
        worked_s = 0.0
        for _, begin_s, end_s in sorted(self.spans, key=lambda span: span[1]):  # they may overlap
            worked_s += max(0.0, end_s - max(begin_s, until_s))
            until_s = max(until_s, end_s)
        return 1 - worked_s / (until_s - loaded_s)


def paced(results: Iterable[Result]) -> tuple[list[Result], float]:
    """All results, and the seconds that each took after the first, with which loading ends."""
    found, marks = [], []
    for result in results:
        found.append(result)
        marks.append(time.perf_counter())
    return found, (marks[-1] - marks[0]) / max(1, len(marks) - 1)


def ours(paths: Sequence[Path], job: Job, models: Path, out: Path) -> tuple[list[Captioned], float, float]:
    """Caption files by our pipeline.

    Returns: what became of each picture, seconds as `paced`, and the share of time models waited.
    """
    out.mkdir(parents=True, exist_ok=True)
    plan = Plan.from_flat(dict(job.settings), str(models))
    manager = ModelManager(models=str(models), device="cpu")
    watched = Watched(manager)
    sources = sources_of([NamedPicture(path) for path in paths], [""] * len(paths))

    def written() -> Iterator[Captioned]:
        for captioned in caption_pictures(sources, plan, watched, batch_size=batch_size_on("cpu")):
            assert captioned.caption is not None, captioned.error
            name = paths[int(captioned.picture_id)].stem
            (out / f"{name}.txt").write_text(captioned.caption.text, encoding="utf-8")
            yield captioned

    try:
        made, next_s = paced(written())
    finally:
        manager.close()
    return made, next_s, watched.waited()


def _opened(path: Path) -> Image.Image:
    return images.open_picture(path).image


def measure_job(job: Job, paths: Sequence[Path], models: Path, work: Path) -> list[Row]:
    """The peer, and then ours."""
    begin_s = time.perf_counter()
    wanted, peer_next_s = paced(peers.caption_files(paths, plan_settings(job, models), models, work / "theirs"))
    peer_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    begin_cpu_s = time.process_time()
    made, next_s, waited = ours(paths, job, models, work / "ours")
    ours_s = time.perf_counter() - begin_s
    limit_s = (time.process_time() - begin_cpu_s) / usable_cores()
    equal = all(peers.agree(one, other) for one, other in zip(made, wanted, strict=True))
    return [
        Row(job.name, ours_s, "s", peer_s, equal),
        Row(f"{job.name}_next", next_s, "s", peer_next_s),
        Row(f"{job.name}_rate", 60 * len(paths) / ours_s, "a minute"),
        Row(f"{job.name}_waited", 100 * waited, "%"),
        Row(f"{job.name}_limit", limit_s, "s"),
    ]


def plan_settings(job: Job, models: Path) -> dict[str, Any]:
    """All settings of a job, with what its preset says."""
    plan = Plan.from_flat(dict(job.settings), str(models))
    return {**plan.to_flat(), **{key: job.settings.get(key, "") for key in ("captioner", "clip", "wd14")}}


class Card(Captioner):
    """A captioner that takes a fixed time and no processor, as one on a card does; it wants pictures as BLIP does."""

    family = "blip"
    Settings = SamplingSettings
    device, precision, runtime, revision, size_bytes = "cuda", "fp16", "torch", "0" * 12, 0  # type: ignore[assignment]

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._way = Preprocessed()

    @classmethod
    def load(cls, place: Path | str, *, device: str, spec: ModelSpec | None = None) -> Card:
        return cls(STEP_S)

    def move_to(self, device: str) -> None:
        """There is nothing to move."""

    def preprocess_ahead(self) -> Callable[[Image.Image], Any]:
        return self._way

    def caption(self, inputs: Sequence[PictureInput], settings: Any) -> list[Sentence]:
        seen = [shown.as_seen(self.family, self._way) for shown in inputs]
        time.sleep(self._step_s * len(seen))
        return [Sentence("a picture")] * len(seen)


class Preprocessed:
    """BLIP's own preprocessing."""

    def __init__(self) -> None:
        self._processor = BlipImageProcessor()

    def __call__(self, image: Image.Image) -> Any:
        return self._processor(images=[image], return_tensors="pt")["pixel_values"]


class OneModel:
    """A manager that has one model, whatever it is asked for."""

    budget_bytes = 1 << 33

    def __init__(self, model: Captioner) -> None:
        self._model = model

    @contextmanager
    def use(self, name: str, family: str) -> Iterator[Any]:
        yield self._model

    def to_download(self, name: str, family: str) -> None:
        return None

    def fetch_steps(self, spec: ModelSpec) -> Iterator[tuple[int, int]]:
        return iter(())


def measure_waiting(paths: Sequence[Path], step_s: float = STEP_S) -> list[Row]:
    """Args: paths: pictures of one size. The first few, which fill what is opened ahead, do not count."""
    way = Preprocessed()
    cores = 2
    with ThreadPoolExecutor(cores) as threads:
        begin_s = time.perf_counter()
        list(threads.map(lambda path: way(_opened(path)), paths))
        limit_s = (time.perf_counter() - begin_s) / len(paths)
    watched = Watched(OneModel(Card(step_s)))
    plan = Plan.from_flat({"captioner": BLIP_BASE}, "auto")
    sources = [PictureSource(id=str(number), open=partial(_opened, path)) for number, path in enumerate(paths)]
    begin_s = time.perf_counter()
    results = list(caption_pictures(sources, plan, watched, batch_size=1))
    ours_s = (time.perf_counter() - begin_s) / len(paths)
    is_whole = all(result.error is None for result in results)
    return [
        Row("model_waits", ours_s, "s", max(limit_s, step_s), is_whole),
        Row("model_waits_share", 100 * watched.waited(), "%"),
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.job", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows, by name, with commas")
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1, help="of torch and numpy")
    parser.add_argument("--folder", type=Path, help="keep the random weights here (default: made anew each time)")
    arguments = parser.parse_args()
    wanted = arguments.rows.split(",")
    if {*wanted} - {*ROWS}:
        parser.error(f"--rows knows {', '.join(ROWS)}")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        models = arguments.folder or work / "models"
        photos = save_photos(work / "photos", arguments.pictures)
        for job in JOBS:
            if job.name in wanted:
                save_models(models, job.models)
                with peers.labels_embedded(models, work / "cache"):
                    rows += measure_job(job, photos, models, work / job.name)
        if "model_waits" in wanted:
            rows += measure_waiting(save_photos(work / "large", 4 * arguments.pictures, [CARD_SIZE]))
        if "first_caption" in wanted:
            save_models(models, [BLIP_BASE])
            rows += first_caption.measure(models, BLIP_BASE, photos[0], arguments.threads)
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
